// Both sides' production sessions, for a million turns, through everything that may go wrong between them.
//
// RINGWAY_SEED gives the seed (a new one each time otherwise; a failure names it), RINGWAY_STEPS the number of turns.

import { expect, test } from "vitest";
import { World } from "./world.ts";

const seed = Number(process.env.RINGWAY_SEED ?? Math.floor(Math.random() * 2 ** 32));
const steps = Number(process.env.RINGWAY_STEPS ?? 1_000_000);

test(`two sides come through ${steps} turns of late, merged and spurious bells, stalls and crashes (seed ${seed})`, () => {
  const report = new World({ seed, steps }).run();
  if (process.env.RINGWAY_MODEL === "verbose") console.log(JSON.stringify(report));
  expect(report.steps).toBeGreaterThanOrEqual(steps);
  // All of it happened.
  if (steps >= 1_000_000) expect(Object.values(report).every((count) => count > 0)).toBe(true);
}, 240_000);

test("the same seed is the same run", () => {
  const run = () => new World({ seed: 7, steps: 20_000 }).run();
  expect(run()).toEqual(run());
});

test.each([
  ["drops bells", /a bell is lost|no end after/],
  ["flips bytes", /./],
  ["forgets to take back", /streams are open at the host/],
] as const)("the simulator notices a world that %s", (sabotage, notices) => {
  expect(() => new World({ seed: 1, steps: 300_000, sabotage }).run()).toThrow(notices);
});
