// How a guest fares beside the hostile one (promise 8 of docs/security.md): the first moments of the run that
// hostile.test.ts does in full, with nothing else at work.

import { expect, test } from "vitest";
import { run, told } from "./supervisor.ts";

test("the guest beside the hostile one keeps its share", { timeout: 120_000 }, async () => {
  const options = { seed: 4, mutations: 0, steps: 0, from: 0 };
  const report = await run({ ...options, minutes: 0.01, pairs: 7, windowMs: 800 });
  expect(report.failures, told(report)).toEqual([]);
  expect(report.undisturbed, told(report)).toBeDefined();
  expect(report.tally.mutations).toBeGreaterThan(0);
});
