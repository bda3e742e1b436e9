// What a superblock says of its region, as whoever did not write it reads it (PROTOCOL.md sections 4.2 and 22, TRU-6).
//
// Each word is loaded once, tested against what is really there, and only then used. All errors are ProtocolError with
// Violation.SUPERBLOCK.

import { ProtocolError, Violation } from "./errors.ts";
import * as layout from "./layout.ts";
import { PAGE_BYTES } from "./layout.ts";
import { MAX_RING_BYTES, MAX_STREAM_ID, MIN_RING_BYTES } from "./limits.ts";
import { loadWord, type RegionMemory } from "./memory.ts";
import type { PipePlace } from "./pipe.ts";

/** The words that are constant while one monitor serves the region (SB-1). */
export interface RegionLayout {
  readonly regionPages: number;
  readonly maxStreamId: number;
  /** First page of the doorbell area. */
  readonly bellPage: number;
  readonly control: PipePlace;
}

/**
 * Throws where there is no region, or one of another major version: before anything else of it is used (SB-2, VER-1).
 */
export function requireVersion(memory: RegionMemory): void {
  const word = (offset: number): number => loadWord(memory, offset);
  if (word(layout.SB_MAGIC_LOW) !== layout.MAGIC_LOW || word(layout.SB_MAGIC_HIGH) !== layout.MAGIC_HIGH) {
    throw badSuperblock("SB-2", "no magic: this is not a Ringway region");
  }
  const major = word(layout.SB_VERSION_MAJOR);
  if (major !== layout.VERSION_MAJOR) {
    throw badSuperblock("VER-1", `the host speaks version ${major}, this guest ${layout.VERSION_MAJOR}`);
  }
}

/** Throws where the words cannot be, or name places that are not there. */
export function readLayout(memory: RegionMemory): RegionLayout {
  const word = (offset: number): number => loadWord(memory, offset);
  if (memory.bytes.length < PAGE_BYTES) throw badSuperblock("SB-2", "the region is smaller than a page");
  requireVersion(memory);
  const regionPages = word(layout.SB_REGION_PAGES);
  if (regionPages * PAGE_BYTES > memory.bytes.length) {
    throw badSuperblock("SB-2", "the region is not all there");
  }
  const bellPage = word(layout.SB_BELL_PAGE);
  checkPages(bellPage, layout.BELL_AREA_PAGES, regionPages);
  const control = {
    page: word(layout.SB_CONTROL_PAGE),
    toHostBytes: word(layout.SB_CONTROL_TO_HOST_BYTES),
    toGuestBytes: word(layout.SB_CONTROL_TO_GUEST_BYTES),
  };
  checkPlace(control, regionPages);
  return {
    regionPages,
    maxStreamId: Math.min(word(layout.SB_MAX_STREAM_ID), MAX_STREAM_ID),
    bellPage,
    control,
  };
}

/** Throws where a pipe has a capacity that no ring has (PIPE-3), or does not lie in the region (TRU-6). */
export function checkPlace(place: PipePlace, regionPages: number): void {
  for (const capacity of [place.toHostBytes, place.toGuestBytes]) {
    const powerOfTwo = capacity > 0 && (capacity & (capacity - 1)) === 0;
    if (!powerOfTwo || capacity < MIN_RING_BYTES || capacity > MAX_RING_BYTES) {
      throw badSuperblock("PIPE-3", `capacity ${capacity}`);
    }
  }
  checkPages(place.page, layout.pipePages(place.toHostBytes, place.toGuestBytes), regionPages);
}

/** Throws where pages are the superblock's, or outside the region. */
export function checkPages(page: number, pages: number, regionPages: number): void {
  if (page === 0 || page + pages > regionPages) {
    throw badSuperblock("TRU-6", `pages ${page}..${page + pages - 1} are outside the region`);
  }
}

/** The violation of whoever wrote a superblock, or a place. */
export function badSuperblock(clause: string, what: string): ProtocolError {
  return new ProtocolError(Violation.SUPERBLOCK, clause, what);
}
