// The doorbell area of a region that is looked at (PROTOCOL.md section 6).
//
// Of its words only asleep can be wrong by itself. A leaf bit without the bits above it is a signal that is under way,
// or one whose taking is (BELL-6): whoever looks on cannot tell these from a mistake.

import * as layout from "../layout.ts";
import { PAGE_BYTES } from "../layout.ts";
import { loadWord } from "../memory.ts";
import type { Findings } from "./findings.ts";
import type { BellPicture, Party } from "./report.ts";
import { copyOf, type RegionSource } from "./source.ts";

/** `area`: byte offset of one direction's two pages. `receiver`: who sleeps. */
export function lookAtBell(
  source: RegionSource,
  area: number,
  receiver: Party,
  findings: Findings,
): BellPicture {
  const copy = copyOf(source, area, 2 * PAGE_BYTES);
  const asleep = loadWord(copy, layout.BELL_ASLEEP);
  if (asleep > 1) {
    const where = `doorbell to the ${receiver}, asleep`;
    findings.add("BELL-5", receiver, area + layout.BELL_ASLEEP, where, `${asleep} is neither 0 nor 1`);
  }
  const pending: number[] = [];
  for (let leaf = 0; leaf < layout.BELL_STREAM_IDS / 32; leaf++) {
    let bits = loadWord(copy, layout.BELL_LEAF + 4 * leaf);
    for (; bits !== 0; bits &= bits - 1) pending.push(32 * leaf + 31 - Math.clz32(bits & -bits));
  }
  return { asleep, top: loadWord(copy, layout.BELL_TOP), pending };
}
