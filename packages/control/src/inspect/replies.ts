// Where streams are: the StreamInfos that still lie on the control pipe, read or not. No other word of the region tells
// a stream's place and capacities; they are the host's private knowledge (REG-4, TRU-1).
//
//        written - capacity              read            written
//   ┄┄┄┄┄┄┄┄┄┄┄┄│############################│################│
//                 taken by the guest           on the way
//
// The bytes that were taken are those of the last replies, up to a capacity of them, but for those over which the host
// is putting its next reply now: that begins at the oldest. So a frame that begins exactly there may be half of one and
// half of the other, and is left out; one that lies further on and is written over does not begin with a header any
// more.
//
// Frames are found from behind: a place is the beginning of a frame if a header of a reply stands there, and what
// follows it is the end of all or the beginning of a frame.

import { maxPayload } from "../frame.ts";
import { pipePages } from "../layout.ts";
import { FRAME_HEADER_BYTES } from "../limits.ts";
import type { RegionMemory } from "../memory.ts";
import { ErrorReply } from "../messages/common.ts";
import { Args, Pong, StreamInfo, Verdict } from "../messages/control.ts";
import { RingConsumer, type RingPlace } from "../ring.ts";
import { type Extent, overlap } from "./extent.ts";

const REPLIES: ReadonlySet<number> = new Set([
  StreamInfo.type,
  Args.type,
  Pong.type,
  Verdict.type,
  ErrorReply.type,
]);
const STREAM_INFO_BYTES = 20;
/** More than a ring of 64 KiB holds; bounds what a ring of 16 MiB costs. */
const INFOS_MAX = 4096;

/** All that a StreamInfo tells of on a copy of the control pipe's toGuest ring, the newest first, up to INFOS_MAX. */
export function streamInfosOn(memory: RegionMemory, place: RingPlace, written: number): StreamInfo[] {
  const { capacity } = place;
  // After 4 GiB of replies, some that are there are not seen until the ring is full again.
  const count = written < capacity ? written : capacity - 1;
  const first = (written - count) >>> 0;
  const consumer = new RingConsumer(memory, place, first);
  const isBeginning = new Uint8Array(count + 1);
  isBeginning[count] = 1;
  const found: StreamInfo[] = [];
  for (let at = count - FRAME_HEADER_BYTES; at >= 0 && found.length < INFOS_MAX; at--) {
    const end = at + FRAME_HEADER_BYTES + consumer.u32(at);
    if (end > count || end - at > FRAME_HEADER_BYTES + maxPayload(capacity) || isBeginning[end] === 0)
      continue;
    const type = consumer.u32(at + 4);
    if (!REPLIES.has(type)) continue;
    isBeginning[at] = 1;
    if (type !== StreamInfo.type || end - at !== FRAME_HEADER_BYTES + STREAM_INFO_BYTES) continue;
    const payload = new Uint8Array(STREAM_INFO_BYTES);
    consumer.copy(payload, at + FRAME_HEADER_BYTES);
    found.push(StreamInfo.decode(payload));
  }
  return found;
}

/**
 * Of StreamInfos, the newest first, those whose streams may be open still: no newer one has their id, or pages of
 * theirs. (What is left of a block's header in the middle of another's data looks like a header, and is none.)
 */
export function latestOf(infos: readonly StreamInfo[]): StreamInfo[] {
  const ids = new Set<number>();
  const extents: Extent[] = [];
  return infos.filter((info) => {
    const extent = { first: info.page, pages: pipePages(info.toHostBytes, info.toGuestBytes) };
    const isLatest = !ids.has(info.id) && !extents.some((newer) => overlap(newer, extent));
    ids.add(info.id);
    extents.push(extent);
    return isLatest;
  });
}
