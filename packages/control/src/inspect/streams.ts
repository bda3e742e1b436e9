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
import type { Findings } from "./findings.ts";
import {
  checkPipe,
  HEADER_BYTES,
  isThrough,
  looksLikeHeader,
  nameOfPipe,
  pipePictureOf,
  ringsOfCopy,
} from "./pipes.ts";
import type { PipePicture, SuperblockPicture } from "./report.ts";
import { checkFirstFrame } from "./requests.ts";
import { copyInto, copyOf, type RegionSource, stillCopyOf } from "./source.ts";

/** A run of pages that something lies on. */
export interface Extent {
  readonly first: number;
  readonly pages: number;
}

/** The stream that a StreamInfo tells of, and what it breaks; undefined where it has ended. */
export function lookAtStream(
  source: RegionSource,
  info: StreamInfo,
  { regionPages, maxStreamId }: SuperblockPicture,
  findings: Findings,
): PipePicture | undefined {
  const where = `StreamInfo of stream ${info.id}`;
  const isThere = findings.check("host", info.page * PAGE_BYTES, where, () => checkPlace(info, regionPages));
  if (info.id === 0 || info.id > maxStreamId) {
    findings.add("CTL-3", "host", info.page * PAGE_BYTES, where, `the id is not one of 1 to ${maxStreamId}`);
  }
  if (!isThere) return undefined;
  let first: RegionMemory | undefined;
  const { copy, still } = stillCopyOf(source, info.page * PAGE_BYTES, HEADER_BYTES, (header) => {
    first = copyOfFirstFrame(source, header, info);
  });
  const picture = pipePictureOf(copy, info.page, info, "StreamInfo", still);
  if (!isOf(copy, info) || isThrough(picture)) return undefined;
  if (!still) return picture;
  checkPipe(copy, info, picture, findings);
  if (first === undefined) return picture;
  const { toHost: place } = ringsOfCopy(info);
  const name = `${nameOfPipe(picture)} toHost`;
  const offset = info.page * PAGE_BYTES + place.data;
  checkFirstFrame({ memory: first, place, ring: picture.toHost, offset, name }, findings);
  return picture;
}

function isOf(header: RegionMemory, { id, generation }: StreamInfo): boolean {
  return loadWord(header, layout.PIPE_ID) === id && loadWord(header, layout.PIPE_GENERATION) === generation;
}

/**
 * The block from its header to the end of its first frame, where the host has not taken that yet: it has neither read
 * nor written on the stream. (Nor has one by which 4 GiB went each way and not a byte more; no protocol has such a
 * moment, since what the two directions begin with is not of the same size.)
 */
function copyOfFirstFrame(
  source: RegionSource,
  header: RegionMemory,
  info: StreamInfo,
): RegionMemory | undefined {
  if (!isOf(header, info)) return undefined;
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

/** Blocks of two streams that are open at one moment and have pages in common: the host's mistake (TRU-6). */
export function checkOverlaps(
  source: RegionSource,
  streams: readonly PipePicture[],
  fixed: readonly Extent[],
  findings: Findings,
): void {
  const byPage = [...streams].sort((a, b) => a.page - b.page);
  for (const stream of byPage) {
    if (fixed.some((extent) => overlap(extent, extentOf(stream)))) {
      const what = "the block lies on the doorbell area or the control pipe";
      findings.add("TRU-6", "host", stream.page * PAGE_BYTES, `${nameOfPipe(stream)} block`, what);
    }
  }
  let last: PipePicture | undefined;
  for (const stream of byPage) {
    if (last !== undefined && overlap(extentOf(last), extentOf(stream)) && areOpen(source, last, stream)) {
      const what = `the block lies on that of stream ${last.id}`;
      findings.add("TRU-6", "host", stream.page * PAGE_BYTES, `${nameOfPipe(stream)} block`, what);
    }
    if (last === undefined || endOf(stream) > endOf(last)) last = stream;
  }
}

/** Both at one moment: a stream that is open before and after the other is open was so meanwhile. */
function areOpen(source: RegionSource, one: PipePicture, other: PipePicture): boolean {
  return [one, other, one].every((stream) => {
    const { copy, still } = stillCopyOf(source, stream.page * PAGE_BYTES, HEADER_BYTES);
    const now = pipePictureOf(copy, stream.page, undefined, "StreamInfo", still);
    return still && now.id === stream.id && now.generation === stream.generation && !isThrough(now);
  });
}

export function extentOf({ page, toHost, toGuest }: PipePicture): Extent {
  return { first: page, pages: layout.pipePages(toHost.capacity ?? 0, toGuest.capacity ?? 0) };
}

function endOf(stream: PipePicture): number {
  const { first, pages } = extentOf(stream);
  return first + pages;
}

function overlap(one: Extent, other: Extent): boolean {
  return one.first < other.first + other.pages && other.first < one.first + one.pages;
}

/**
 * How much is searched for blocks that nothing names: a region may have terabytes, of which most were never touched.
 */
const SEARCH_BYTES_MAX: number = 1024 * 1024 * 1024;
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
  let next = 0;
  for (let first = 0; first < end; first += PIECE_PAGES) {
    const pages = Math.min(PIECE_PAGES, end - first);
    const piece = copyOf(source, first * PAGE_BYTES, pages * PAGE_BYTES);
    for (let page = first; page < first + pages; page++) {
      while (next < extents.length && extents[next]!.first + extents[next]!.pages <= page) next++;
      if (next < extents.length && extents[next]!.first <= page) continue;
      const offset = (page - first) * PAGE_BYTES;
      const header = regionMemory(piece.bytes.slice(offset, offset + HEADER_BYTES).buffer);
      if (!looksLikeHeader(header, maxStreamId)) continue;
      const picture = pipePictureOf(header, page, undefined, "page", true);
      const other = found.get(picture.id);
      if (isThrough(picture) || ids.has(picture.id)) continue;
      // Of two, the one that was given out later.
      if (other === undefined || other.generation < picture.generation) found.set(picture.id, picture);
    }
  }
  return { found: [...found.values()], isWhole: end === regionPages };
}
