// How a region that others are writing is read: copies, of which those count that show one moment.
//
// Two copies, one after the other, that are equal: each word had its value at its first load and at its second, and all
// first loads were over when the second ones began. At the moment in between, all words had these values, if none went
// away and came back. Positions come back after 4 GiB, closed words and generations not at all; that leaves want words
// and asleep words, and nothing is concluded from those together with another word.
//
// The same holds for a copy that tears words: what is torn is not torn twice to the same value while its writer goes
// on.
//
// Whoever writes the region may keep it moving, and name places of any size in it. So there is an end to all that is
// read of it (BoundedSource): after that no copy is tried more than once.

import { loadWord, type RegionMemory, regionMemory } from "../memory.ts";

/** Where the bytes of a region come from: memory, a file, a dump. */
export interface RegionSource {
  /** How many bytes there are. */
  readonly bytes: number;
  /** Copies bytes from `offset` on into `target`; returns how many. Fewer than asked: the rest is gone. */
  read(offset: number, target: Uint8Array): number;
}

/** What was to be looked at is no region that this version can read. */
export class NotARegionError extends Error {
  override readonly name: string = "NotARegionError";
  readonly code: "ERR_RINGWAY_NOT_A_REGION" = "ERR_RINGWAY_NOT_A_REGION";
}

/** A region that lies in memory, or a dump of one. */
export function memorySource(bytes: Uint8Array): RegionSource {
  return {
    bytes: bytes.length,
    read(offset, target) {
      const part = bytes.subarray(offset, offset + target.length);
      target.set(part);
      return part.length;
    },
  };
}

/** How much of a region is looked at in search of what nothing names: it may have terabytes, most never touched. */
export const SEARCH_BYTES_MAX: number = 1024 * 1024 * 1024;
/** Read of one region again and again, beside a search of it: seconds. A control pipe that never rests takes half. */
const READ_BYTES_MAX: number = 1024 * 1024 * 1024;
/** Epochs that may begin in the midst of a search. */
const SEARCHES_MAX = 4;

/** A source that counts what is read. */
export class BoundedSource implements RegionSource {
  readonly #source: RegionSource;
  #left: number;

  constructor(source: RegionSource) {
    this.#source = source;
    this.#left = READ_BYTES_MAX + SEARCHES_MAX * Math.min(source.bytes, SEARCH_BYTES_MAX);
  }

  get bytes(): number {
    return this.#source.bytes;
  }

  /** So much was read that nothing is worth another try. */
  get isSpent(): boolean {
    return this.#left <= 0;
  }

  read(offset: number, target: Uint8Array): number {
    this.#left -= target.length;
    return this.#source.read(offset, target);
  }
}

/** A private copy of `length` bytes (a multiple of 4). Throws NotARegionError where they are not there. */
export function copyOf(source: RegionSource, offset: number, length: number): RegionMemory {
  const memory = regionMemory(new ArrayBuffer(length));
  copyInto(source, offset, memory.bytes);
  return memory;
}

/** As copyOf(), into memory that is there. */
export function copyInto(source: RegionSource, offset: number, target: Uint8Array): void {
  const count = source.read(offset, target);
  if (count === target.length) return;
  throw new NotARegionError(`the region ends at byte ${offset + count}, amid what is to be looked at`);
}

/**
 * A writer that has a processor moves a word some thousands of times while this looks, and then has other things to do.
 */
const TRIES_MAX = 1000;

/**
 * A copy of `length` bytes as they were at one moment; or the last of many copies (of two, once the source is spent),
 * `still` false. `between` copies what belongs to those bytes: what it got is of the same moment as far as nobody
 * writes it while they stay as they are.
 */
export function stillCopyOf(
  source: BoundedSource,
  offset: number,
  length: number,
  between: (copy: RegionMemory) => void = () => {},
): { readonly copy: RegionMemory; readonly still: boolean } {
  let copy = copyOf(source, offset, length);
  for (let tries = 0; tries < TRIES_MAX && (tries === 0 || !source.isSpent); tries++) {
    between(copy);
    const again = copyOf(source, offset, length);
    if (areEqual(copy, again)) return { copy, still: true };
    copy = again;
  }
  return { copy, still: false };
}

function areEqual(one: RegionMemory, other: RegionMemory): boolean {
  for (let offset = 0; offset < one.bytes.length; offset += 4) {
    if (loadWord(one, offset) !== loadWord(other, offset)) return false;
  }
  return true;
}
