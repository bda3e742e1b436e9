// Floods of one kind each, by the rules (mixes.ts): the guest beside it keeps its share.
//
// The bars are promise 8's, of what is typical and not of the worst in a hundred: others may have work on this machine. `npm run fuzz`
// judges all of it.

import { afterAll, beforeAll, expect, test } from "vitest";
import { Floods, told } from "./floods.ts";
import { MIXES } from "./mixes.ts";

let floods: Floods;

beforeAll(async () => {
  floods = await Floods.begin();
}, 60_000);
afterAll(async () => {
  await floods[Symbol.asyncDispose]();
});

test.each(MIXES)("$name", { timeout: 60_000 }, async (mix) => {
  const flooded = await floods.run(mix, { pairs: 1, unconfinedPairs: 0, windowMs: 600 });
  const { undisturbed, disturbed } = flooded.confined;
  expect(flooded.answers).toBeGreaterThan(0);
  expect(disturbed!.mibPerS, told(flooded)).toBeGreaterThan(0);
  expect(disturbed!.p50Us, told(flooded)).toBeLessThan(10 * Math.max(undisturbed!.p50Us, 2000));
});
