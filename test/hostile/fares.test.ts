// How a guest fares beside the hostile one (promise 8 of docs/security.md): the first moments of the run that
// hostile.test.ts does in full, with nothing else at work.

import { expect, test } from "vitest";
import { keepsPromise } from "./fares.ts";
import { run, told } from "./supervisor.ts";

test("the guest beside the hostile one keeps its share", { timeout: 120_000 }, async () => {
  const options = { seed: 4, mutations: 0, steps: 0, from: 0, minutes: 0.01, windowMs: 800 };
  // The first hostile process is not confined: then it is judged that the guest gets something through at all.
  const report = await run({ ...options, unconfinedPairs: 1, pairs: 7, keeps: keepsPromise });
  expect(report.failures, told(report)).toEqual([]);
  expect(report.undisturbed, told(report)).toBeDefined();
  expect(report.tally.mutations).toBeGreaterThan(0);
});
