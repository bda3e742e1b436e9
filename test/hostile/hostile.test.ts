// The fuzzer's short run, and what it found before: harm alone, whatever else the machine does. How the guest beside it
// fares is fares.test.ts's. The long run is `npm run fuzz -- --minutes 10`, with both.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { run, told } from "./supervisor.ts";

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

test(`${MUTATIONS} mutations harm nobody`, { timeout: 600_000 }, async () => {
  const report = await run({
    seed: SEED,
    mutations: MUTATIONS,
    steps: 0,
    minutes: 9,
    from: 0,
    pairs: 0,
    unconfinedPairs: 0,
    windowMs: 0,
  });
  expect(report.failures, told(report)).toEqual([]);
  expect(report.tally.mutations).toBeGreaterThanOrEqual(MUTATIONS);
  // It got somewhere: every kind of relay was at work for it.
  expect(report.counters.accepted).toBeGreaterThan(0);
  expect(report.counters.fileOperations).toBeGreaterThan(100);
  expect(report.counters.connections).toBeGreaterThan(50);
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
    const options = { mutations: 0, minutes: 1, pairs: 0, unconfinedPairs: 0, windowMs: 0 };
    const report = await run({ ...options, seed, from, steps });
    expect(report.failures, told(report)).toEqual([]);
  });
});
