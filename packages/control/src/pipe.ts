// A pipe: a header page and the data areas of two rings (PROTOCOL.md section 4.3), and its two ends.

import {
  Closed,
  PAGE_BYTES,
  PIPE_GENERATION,
  PIPE_ID,
  PIPE_TO_GUEST_CONSUMER,
  PIPE_TO_GUEST_PRODUCER,
  PIPE_TO_HOST_CONSUMER,
  PIPE_TO_HOST_PRODUCER,
} from "./layout.ts";
import { type RegionMemory, storeWord } from "./memory.ts";
import { RingConsumer, type RingPlace, RingProducer } from "./ring.ts";

/** Up to and with the last word that has a meaning. */
const HEADER_WORDS: number = PIPE_GENERATION / 4 + 1;

/** A block's first page, and the capacities of its rings in bytes. */
export interface PipePlace {
  readonly page: number;
  readonly toHostBytes: number;
  readonly toGuestBytes: number;
}

/** The ring that the guest fills. */
export function toHostRing(place: PipePlace): RingPlace {
  const header = place.page * PAGE_BYTES;
  return {
    producer: header + PIPE_TO_HOST_PRODUCER,
    consumer: header + PIPE_TO_HOST_CONSUMER,
    data: header + PAGE_BYTES,
    capacity: place.toHostBytes,
  };
}

/** The ring that the host fills. */
export function toGuestRing(place: PipePlace): RingPlace {
  const header = place.page * PAGE_BYTES;
  const toHostPages = Math.ceil(place.toHostBytes / PAGE_BYTES);
  return {
    producer: header + PIPE_TO_GUEST_PRODUCER,
    consumer: header + PIPE_TO_GUEST_CONSUMER,
    data: header + PAGE_BYTES * (1 + toHostPages),
    capacity: place.toGuestBytes,
  };
}

interface Sized {
  readonly capacity: number;
}

/** Made when it is asked for: an idle stream keeps no object for it. */
function placeOf(page: number, toHost: Sized, toGuest: Sized): PipePlace {
  return { page, toHostBytes: toHost.capacity, toGuestBytes: toGuest.capacity };
}

/** Host only, before the guest learns of the block: every word as PIPE-2 wants it. */
export function initialisePipe(memory: RegionMemory, page: number, id: number, generation: number): void {
  const header = page * PAGE_BYTES;
  const { words } = memory;
  // Plain stores: the position that publishes StreamInfo, or the attach reply, releases them (RING-3). The name of the
  // stream before goes first: whoever looks on takes no half of this header for that stream's.
  words[(header + PIPE_ID) / 4] = 0;
  words.fill(0, header / 4, header / 4 + HEADER_WORDS);
  storeWord(memory, header + PIPE_ID, id);
  storeWord(memory, header + PIPE_GENERATION, generation);
}

/** The host's end of a stream. */
export class HostPipe {
  readonly id: number;
  readonly generation: number;
  readonly #page: number;
  readonly toHost: RingConsumer;
  readonly toGuest: RingProducer;

  constructor(memory: RegionMemory, id: number, generation: number, place: PipePlace) {
    this.id = id;
    this.generation = generation;
    this.#page = place.page;
    this.toHost = new RingConsumer(memory, toHostRing(place));
    this.toGuest = new RingProducer(memory, toGuestRing(place));
  }

  get place(): PipePlace {
    return placeOf(this.#page, this.toHost, this.toGuest);
  }

  /** Throws BrokenInvariant. */
  invariants(): void {
    this.toHost.invariants();
    this.toGuest.invariants();
  }

  /** All four closed flags are set: the block may be taken back (STR-7). */
  through(): boolean {
    return (
      this.toHost.closed &&
      this.toGuest.closed !== Closed.OPEN &&
      this.toHost.peerClosed() !== Closed.OPEN &&
      this.toGuest.abandoned()
    );
  }
}

/** The guest's end of a stream. It must not touch its rings after it has closed both (STR-7). */
export class GuestPipe {
  readonly id: number;
  readonly generation: number;
  readonly #page: number;
  readonly toHost: RingProducer;
  readonly toGuest: RingConsumer;

  constructor(memory: RegionMemory, id: number, generation: number, place: PipePlace) {
    this.id = id;
    this.generation = generation;
    this.#page = place.page;
    this.toHost = new RingProducer(memory, toHostRing(place));
    this.toGuest = new RingConsumer(memory, toGuestRing(place));
  }

  get place(): PipePlace {
    return placeOf(this.#page, this.toHost, this.toGuest);
  }

  /** Throws BrokenInvariant. */
  invariants(): void {
    this.toHost.invariants();
    this.toGuest.invariants();
  }
}
