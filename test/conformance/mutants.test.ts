// The suite finds a guest with a mistake, and passes one that is odd and right.

import { describe, expect, test } from "vitest";
import { makeReport } from "../../packages/conformance/src/report.ts";
import { runGuest } from "../../packages/conformance/src/suite.ts";
import { ChangedGuest, MISTAKES, ODD } from "./mutants.ts";

describe("a guest with a mistake is found out: it", () => {
  test.each(MISTAKES)("%s: %s", async (_, clause, change) => {
    const report = makeReport("mistaken", await runGuest(() => new ChangedGuest(change), { only: [clause] }));
    expect(report.clauses.find((each) => each.clause === clause)!.failed).toBeGreaterThan(0);
  });
});

describe("an odd guest that keeps every clause passes: it", () => {
  test.each(ODD)("%s", async (_, only, change) => {
    const report = makeReport("odd", await runGuest(() => new ChangedGuest(change), { only }));
    expect(report.failures).toEqual([]);
    expect(report.passed).toBeGreaterThan(5);
  });
});
