// The suite finds a guest with a mistake, and passes one that is odd and right. What it cannot find is listed, with the
// reason, and belongs to a clause that a report calls "partly".

import { describe, expect, test } from "vitest";
import { UNSEEN } from "../../packages/conformance/src/clauses.ts";
import type { Testee } from "../../packages/conformance/src/contract.ts";
import { type ClauseResult, makeReport, type Report } from "../../packages/conformance/src/report.ts";
import { guestCases, runCases, runGuest } from "../../packages/conformance/src/suite.ts";
import type { Check } from "../../packages/conformance/src/world.ts";
import { BELL_MISTAKES } from "./mistakes/bells.ts";
import { FIELD_MISTAKES } from "./mistakes/fields.ts";
import { FRAME_MISTAKES } from "./mistakes/frames.ts";
import { loadGuest } from "./mistakes/load.ts";
import { RING_MISTAKES } from "./mistakes/rings.ts";
import { SESSION_MISTAKES } from "./mistakes/session.ts";
import { UNSEEN_MISTAKES } from "./mistakes/unseen.ts";
import { ChangedGuest, MISTAKES, ODD } from "./mutants.ts";

const SEEDED = [
  ...RING_MISTAKES,
  ...BELL_MISTAKES,
  ...SESSION_MISTAKES,
  ...FRAME_MISTAKES,
  ...FIELD_MISTAKES,
];

/** Read once, and not for each mistake. */
const CASES = guestCases();

/** Cases of the clause, until one finds the mistake: that a check of this clause fails. */
async function isFound(start: () => Testee, clause: string): Promise<boolean> {
  const cases = CASES.filter(({ clauses }) => clauses.includes(clause));
  const failed = (checks: readonly Check[]): boolean =>
    checks.some((check) => check.clause === clause && check.outcome === "failed");
  return failed(await runCases(start, cases, (checks) => !failed(checks)));
}

async function reportOf(start: () => Testee, only: readonly string[]): Promise<Report> {
  return makeReport("mistaken", await runGuest(start, { only }));
}

function resultOf(report: Report, clause: string): ClauseResult {
  return report.clauses.find((each) => each.clause === clause)!;
}

describe("a guest with a mistake is found out: it", () => {
  test.each(MISTAKES)("%s: %s", async (_, clause, change) => {
    expect(await isFound(() => new ChangedGuest(change), clause)).toBe(true);
  });

  test.each(SEEDED)("$what: $clause", async ({ clause, patches }) => {
    const Guest = loadGuest(patches);
    expect(await isFound(() => new Guest(), clause)).toBe(true);
  });
});

describe("a guest with a mistake that no step shows is not found out, and the clause is partly kept: it", () => {
  test.each(UNSEEN_MISTAKES)("$what: $clause", async ({ clause, patches }) => {
    const Guest = loadGuest(patches);
    const report = await reportOf(() => new Guest(), [clause]);
    expect(report.failures).toEqual([]);
    expect(resultOf(report, clause)).toMatchObject({ verdict: "partly", unseen: UNSEEN[clause] });
  });
});

describe("an odd guest that keeps every clause passes: it", () => {
  test.each(ODD)("%s", async (_, only, change) => {
    const report = await reportOf(() => new ChangedGuest(change), only);
    expect(report.failures).toEqual([]);
    expect(report.passed).toBeGreaterThan(5);
  });
});

describe("the mistakes", () => {
  test("are many, and each is another", () => {
    const all = [...MISTAKES.map(([what]) => what), ...SEEDED.map(({ what }) => what)];
    expect(new Set(all).size).toBe(all.length);
    expect(all.length).toBeGreaterThanOrEqual(120);
  });

  test("show of every clause that is partly kept what no step shows of it", () => {
    expect(new Set(UNSEEN_MISTAKES.map(({ clause }) => clause))).toEqual(new Set(Object.keys(UNSEEN)));
  });

  test("are put into a guest that passes without one", async () => {
    const Guest = loadGuest([]);
    const report = await reportOf(() => new Guest(), ["ring: ", "attach: ", "open: ", "udp: ", "hostile: "]);
    expect(report.failures).toEqual([]);
    expect(report.passed).toBeGreaterThan(500);
  });
});
