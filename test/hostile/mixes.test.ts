// Floods of one kind each, by the rules (mixes.ts): the guest beside it keeps its share.
//
// The bars are half as high as promise 8's, and of what is typical, not of the worst in a hundred. Where others keep
// the machine busy, figures are theirs as much as ours: then it is judged that the guest is served at all. `npm run
// fuzz` judges by the promise.

import { beforeAll, expect, test } from "vitest";
import { heldForAll } from "../support/held.ts";
import { P99_TIMES_MAX, type Pair, THROUGHPUT_SHARE_MIN } from "./fares.ts";
import { Floods, told } from "./floods.ts";
import { MIXES } from "./mixes.ts";
import { usedByOthers } from "./others.ts";

/** A machine is quiet where others use less than this share of it. */
const QUIET = 0.2;

const SHARE_MIN = THROUGHPUT_SHARE_MIN / 2;
/** Of an undisturbed round trip: what is shorter counts as this. */
const P50_FLOOR_US = 1000;
/** Where two of three do, both medians are within the bars. */
const keeps = ({ undisturbed, disturbed }: Pair): boolean =>
  disturbed.mibPerS / undisturbed.mibPerS > SHARE_MIN && disturbed.p50Us < P99_TIMES_MAX * P50_FLOOR_US;

let floods: Floods;
/** What others used when it was looked last: before each mix, and behind it. */
let others: number;

const hold = heldForAll();
beforeAll(async () => {
  floods = hold(await Floods.begin());
  others = await usedByOthers(300);
}, 60_000);

// The one that needs a slow audit log takes half a minute: it is `npm run fuzz`'s. What does not depend on time of it
// is in packages/monitor/test/audit-gate.test.ts and test/faults/audit-gate.test.ts.
test.each(MIXES.filter(({ audited }) => audited === undefined))("$name", { timeout: 60_000 }, async (mix) => {
  const before = others;
  const flooded = await floods.run(mix, { pairs: 3, unconfinedPairs: 0, windowMs: 300, keeps });
  const { undisturbed, disturbed, throughputShare } = flooded.confined;
  expect(flooded.answers).toBeGreaterThan(0);
  others = await usedByOthers(300);
  const isQuiet = Math.max(before, others) < QUIET;
  expect(throughputShare, told(flooded)).toBeGreaterThan(isQuiet ? SHARE_MIN : 0);
  if (!isQuiet) return;
  const calmUs = Math.max(undisturbed!.p50Us, P50_FLOOR_US);
  expect(disturbed!.p50Us, told(flooded)).toBeLessThan(P99_TIMES_MAX * calmUs);
});
