// The streams of a region that is looked at: those whose StreamInfo still lies on the control pipe, and what else looks
// like the block of one.
//
// A StreamInfo may be old: its stream ended, and the block is another's. So the block's own header decides: a host
// writes id and generation there, and gives no generation twice (STR-6). It is ours where both agree and not all four
// closed words are set.

import * as layout from "../layout.ts";
import { PAGE_BYTES } from "../layout.ts";
import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_MAX } from "../limits.ts";
import { loadWord, type RegionMemory, regionMemory } from "../memory.ts";
import type { StreamInfo } from "../messages/control.ts";
import { checkPlace } from "../superblock.ts";
import { type Extent, extentOf, overlap } from "./extent.ts";
import { Findings } from "./findings.ts";
import {
  checkPipe,
  HEADER_BYTES,
  isThrough,
  lookForHeader,
  nameOfPipe,
  pipePictureOf,
  ringsOfCopy,
} from "./pipes.ts";
import type { PipePicture, SuperblockPicture } from "./report.ts";
import { checkFirstFrame } from "./requests.ts";
import { type BoundedSource, copyInto, type RegionSource, SEARCH_BYTES_MAX, stillCopyOf } from "./source.ts";

/** A stream that is open, and what it breaks. */
export interface StreamLook {
  readonly info: StreamInfo;
  /** Undefined where it has no place in the region. */
  readonly picture: PipePicture | undefined;
  readonly findings: Findings;
}

/** The stream that a StreamInfo tells of; undefined where it has ended. `fixed`: where no block may lie. */
export function lookAtStream(
  source: BoundedSource,
  info: StreamInfo,
  { regionPages, maxStreamId }: SuperblockPicture,
  fixed: readonly Extent[],
): StreamLook | undefined {
  const findings = new Findings();
  const at = info.page * PAGE_BYTES;
  const where = `StreamInfo of stream ${info.id}`;
  if (info.id === 0 || info.id > maxStreamId) {
    findings.add("CTL-3", "host", at, where, `the id is not one of 1 to ${maxStreamId}`);
  }
  if (!findings.check("host", at, where, () => checkPlace(info, regionPages))) {
    return { info, picture: undefined, findings };
  }
  let first: RegionMemory | undefined;
  const { copy, still } = stillCopyOf(source, at, HEADER_BYTES, (header) => {
    first = copyOfFirstFrame(source, header, info);
  });
  const picture = pipePictureOf(copy, info.page, info, "StreamInfo", still);
  const isEnded = !isOf(copy, info) || isThrough(picture);
  if (isEnded) return findings.all.length === 0 ? undefined : { info, picture: undefined, findings };
  if (fixed.some((extent) => overlap(extent, extentOf(picture)))) {
    findings.add("TRU-6", "host", at, where, "the block lies on the doorbell area or the control pipe");
  }
  if (still) checkStream(copy, first, info, picture, findings);
  return { info, picture, findings };
}

function checkStream(
  header: RegionMemory,
  first: RegionMemory | undefined,
  info: StreamInfo,
  picture: PipePicture,
  findings: Findings,
): void {
  checkPipe(header, info, picture, findings);
  if (first === undefined) return;
  const { toHost: place } = ringsOfCopy(info);
  const offset = info.page * PAGE_BYTES + place.data;
  const name = `${nameOfPipe(picture)} toHost`;
  checkFirstFrame({ memory: first, place, ring: picture.toHost, offset, name }, findings);
}

function isOf(header: RegionMemory, { id, generation }: StreamInfo): boolean {
  return loadWord(header, layout.PIPE_ID) === id && loadWord(header, layout.PIPE_GENERATION) === generation;
}

/**
 * The block from its header to the end of its first frame, where the host has not taken that yet: it has neither read
 * nor written on the stream. (Nor has one by which 4 GiB went each way and not a byte more; no protocol has such a
 * moment, since what the two directions begin with is not of the same size.) Of a source that is spent, it is not
 * copied.
 */
function copyOfFirstFrame(
  source: BoundedSource,
  header: RegionMemory,
  info: StreamInfo,
): RegionMemory | undefined {
  if (source.isSpent || !isOf(header, info)) return undefined;
  const { toHost, toGuest } = pipePictureOf(header, info.page, info, "StreamInfo", true);
  if (toHost.read !== 0 || toGuest.written !== 0 || toGuest.producerClosed !== 0) return undefined;
  if (toHost.fill === 0 || toHost.fill > info.toHostBytes) return undefined;
  const bytes = Math.min(toHost.fill, FRAME_HEADER_BYTES + FRAME_PAYLOAD_MAX);
  const { data } = ringsOfCopy(info).toHost;
  const memory = regionMemory(new ArrayBuffer(data + Math.ceil(bytes / 4) * 4));
  memory.bytes.set(header.bytes);
  copyInto(source, info.page * PAGE_BYTES + data, memory.bytes.subarray(data, data + bytes));
  return memory;
}

const PIECE_PAGES = 256;

/** Pages outside of `known` that look like the header of an open stream: nothing is certain of them. */
export function searchBlocks(
  source: RegionSource,
  { regionPages, maxStreamId }: SuperblockPicture,
  known: readonly Extent[],
  ids: ReadonlySet<number>,
): { readonly found: readonly PipePicture[]; readonly isWhole: boolean } {
  const found = new Map<number, PipePicture>();
  const end = Math.min(regionPages, SEARCH_BYTES_MAX / PAGE_BYTES);
  const extents = [...known].sort((a, b) => a.first - b.first);
  const piece = regionMemory(new ArrayBuffer(PIECE_PAGES * PAGE_BYTES));
  let next = 0;
  for (let first = 0; first < end; first += PIECE_PAGES) {
    const pages = Math.min(PIECE_PAGES, end - first);
    copyInto(source, first * PAGE_BYTES, piece.bytes.subarray(0, pages * PAGE_BYTES));
    for (let page = first; page < first + pages; page++) {
      while (next < extents.length && extents[next]!.first + extents[next]!.pages <= page) next++;
      if (next < extents.length && extents[next]!.first <= page) continue;
      const picture = lookForHeader(piece, (page - first) * PAGE_BYTES, page, maxStreamId);
      if (picture === undefined || ids.has(picture.id)) continue;
      const other = found.get(picture.id);
      // Of two, the one that was given out later.
      if (other === undefined || other.generation < picture.generation) found.set(picture.id, picture);
    }
  }
  return { found: [...found.values()], isWhole: end === regionPages };
}
