// The host's streams: which id is whose, and which pages of the heap (PROTOCOL.md CTL-2, CTL-3, STR-6, STR-7).
//
//   (none) -- open() --> open -- release(): all four closed flags are set --> (none), and the id may be given out again
//
// All of it is private (REG-4). Invariants: each open pipe stands at its id; the blocks of two pipes never overlap;
// what the heap has free and what the pipes have is the whole heap.

import { PageAllocator } from "./allocator.ts";
import { Errno } from "./errors.ts";
import { invariant } from "./invariant.ts";
import { pipePages } from "./layout.ts";
import { DEFAULT_RING_BYTES, MAX_RING_BYTES, MAX_STREAM_ID, MIN_RING_BYTES } from "./limits.ts";
import type { RegionMemory } from "./memory.ts";
import { HostPipe, initialisePipe } from "./pipe.ts";

/** What a host holds this guest to. */
export interface HostLimits {
  /** Streams at once, at most MAX_STREAM_ID. */
  readonly streams: number;
  /** Largest capacity of one ring, in bytes. */
  readonly ringBytes: number;
}

/** The streams of one region, and its heap of pages. */
export class StreamTable {
  readonly #memory: RegionMemory;
  readonly #firstPage: number;
  readonly #pages: number;
  #heap: PageAllocator;
  /** By id. Slot 0 is the control pipe's and never free. */
  #pipes: (HostPipe | undefined)[] = [undefined];
  #freeIds: number[] = [];
  /** Of the ids that were ever used: most guests use few, and a host may have many guests. */
  readonly #generations: number[] = [0];
  #open = 0;

  /** Its heap has `pages` pages of the region, from number `firstPage` on. */
  constructor(memory: RegionMemory, firstPage: number, pages: number) {
    this.#memory = memory;
    this.#firstPage = firstPage;
    this.#pages = pages;
    this.#heap = new PageAllocator(firstPage, pages);
  }

  /** How many streams are open. */
  get open(): number {
    return this.#open;
  }

  /** Pages of the heap that no stream has. */
  get freePages(): number {
    return this.#heap.freePages;
  }

  /** The stream with this id, if it is open. */
  pipe(id: number): HostPipe | undefined {
    return this.#pipes[id];
  }

  /** A stream of about these capacities in bytes (0: the default), or the errno that refuses it: EMFILE or ENOMEM. */
  add(toHostWanted: number, toGuestWanted: number, limits: HostLimits): HostPipe | number {
    if (this.#open >= Math.min(limits.streams, MAX_STREAM_ID)) return Errno.EMFILE;
    const toHostBytes = capacityFor(toHostWanted, limits);
    const toGuestBytes = capacityFor(toGuestWanted, limits);
    const page = this.#heap.allocate(pipePages(toHostBytes, toGuestBytes));
    if (page === undefined) return Errno.ENOMEM;
    const id = this.#freeIds.pop() ?? this.#pipes.length;
    const generation = ((this.#generations[id] ?? 0) + 1) >>> 0;
    this.#generations[id] = generation;
    initialisePipe(this.#memory, page, id, generation);
    const pipe = new HostPipe(this.#memory, id, generation, { page, toHostBytes, toGuestBytes });
    this.#pipes[id] = pipe;
    this.#open++;
    return pipe;
  }

  /** Takes back a pipe whose two sides are through (STR-7). Throws where it is not open. */
  release(pipe: HostPipe): void {
    if (this.#pipes[pipe.id] !== pipe) throw new Error(`stream ${pipe.id} is not open`);
    this.#pipes[pipe.id] = undefined;
    this.#freeIds.push(pipe.id);
    this.#open--;
    const { page, toHostBytes, toGuestBytes } = pipe.place;
    this.#heap.release(page, pipePages(toHostBytes, toGuestBytes));
  }

  /** Throws BrokenInvariant. Its cost is that of the streams, and of the heap's free runs. */
  invariants(): void {
    this.#heap.invariants();
    invariant(this.#pipes[0] === undefined, "no stream has the control pipe's id");
    const open: HostPipe[] = [];
    for (const [id, pipe] of this.#pipes.entries()) {
      if (pipe === undefined) continue;
      invariant(pipe.id === id, "each open pipe stands at its id");
      invariant(
        pipe.generation === this.#generations[id],
        "each open pipe has the last generation of its id",
      );
      pipe.invariants();
      open.push(pipe);
    }
    invariant(open.length === this.#open, "open streams are counted");
    const isFree = this.#freeIds.every(
      (id) => id > 0 && id < this.#pipes.length && this.#pipes[id] === undefined,
    );
    invariant(
      isFree && new Set(this.#freeIds).size === this.#freeIds.length,
      "free ids are free, and each is once",
    );
    invariant(open.length + this.#freeIds.length + 1 === this.#pipes.length, "each id is open, free, or 0");
    this.#requireApart(open);
  }

  #requireApart(open: HostPipe[]): void {
    open.sort((a, b) => a.place.page - b.place.page);
    let end = this.#firstPage;
    let sum = 0;
    for (const { place } of open) {
      const pages = pipePages(place.toHostBytes, place.toGuestBytes);
      invariant(place.page >= end, "no two blocks overlap, and none lies before the heap");
      end = place.page + pages;
      sum += pages;
    }
    invariant(end <= this.#firstPage + this.#pages, "no block lies behind the heap");
    invariant(sum + this.#heap.freePages === this.#pages, "each page of the heap is free or a stream's");
  }

  /** The epoch is over: all pipes are void. Generations go on (STR-6). */
  clear(): void {
    // Nothing was given out since.
    if (this.#pipes.length === 1) return;
    this.#heap = new PageAllocator(this.#firstPage, this.#pages);
    this.#pipes = [undefined];
    this.#freeIds = [];
    this.#open = 0;
  }
}

/** A power of two within the limits that is at least what was asked, where the limits allow. */
function capacityFor(wanted: number, { ringBytes }: HostLimits): number {
  const largest = Math.min(MAX_RING_BYTES, ringBytes);
  const asked = wanted === 0 ? DEFAULT_RING_BYTES : wanted;
  let capacity: number = MIN_RING_BYTES;
  while (capacity < asked && capacity * 2 <= largest) capacity *= 2;
  return capacity;
}
