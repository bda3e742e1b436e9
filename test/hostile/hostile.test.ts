// The fuzzer's short run, and what it found before. The long one is `npm run fuzz -- --minutes 10`.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Report, run } from "./supervisor.ts";

/** Another seed each day would find more and fail for others: the long run has those. */
const SEED = Number(process.env.RINGWAY_FUZZ_SEED ?? 4);
const MUTATIONS = Number(process.env.RINGWAY_FUZZ_MUTATIONS ?? 200_000);

/** One that has a flood instead is floods.test.ts's. */
interface Regression {
  readonly what: string;
  readonly seed?: number;
  readonly from: number;
  readonly steps: number;
}

function tell({
  failures,
  tally,
  seconds,
  undisturbed,
  disturbed,
  throughputShare,
  p99Times,
  unconfined,
  last,
}: Report): string {
  return JSON.stringify(
    { failures, tally, seconds, undisturbed, disturbed, throughputShare, p99Times, unconfined, last },
    undefined,
    1,
  );
}

test(`${MUTATIONS} mutations harm nobody`, { timeout: 360_000 }, async () => {
  const report = await run({
    seed: SEED,
    mutations: MUTATIONS,
    steps: 0,
    minutes: 4,
    from: 0,
    pairs: 7,
    windowMs: 800,
  });
  expect(report.failures, tell(report)).toEqual([]);
  expect(report.tally.mutations).toBeGreaterThanOrEqual(MUTATIONS);
  // It got somewhere: every kind of relay was at work for it.
  expect(report.counters.accepted).toBeGreaterThan(0);
  expect(report.counters.fileOperations).toBeGreaterThan(100);
  expect(report.counters.connections).toBeGreaterThan(100);
  expect(Object.keys(report.logged.violations).length).toBeGreaterThan(8);
});

const folder = new URL("./regressions/", import.meta.url);
describe("what was found once stays found", () => {
  const regressions = readdirSync(folder).map((name) => ({
    name,
    ...(JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Regression),
  }));
  const runs = regressions.filter(({ seed }) => seed !== undefined);
  test.each(runs)("$name", { timeout: 120_000 }, async ({ seed = 0, from, steps }) => {
    const report = await run({ seed, from, steps, mutations: 0, minutes: 1, pairs: 0, windowMs: 500 });
    expect(report.failures, tell(report)).toEqual([]);
  });
});
