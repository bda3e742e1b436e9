// One direction of a pipe: bytes from one producer to one consumer (PROTOCOL.md section 5).
//
//        read            write
//         v                v
//   ──────#################───────────     readable = write - read (mod 2^32), at most the capacity
//         consumer takes   producer puts
//
// Each side keeps its own position, the capacity and the place in private fields; the shared header holds published
// copies that this side never reads back (TRU-1). A word of the other side is loaded once, checked, and the checked
// copy is used. Full, empty and closed are results; only a violation throws.
//
// Orderings (Atomics are sequentially consistent, which covers all of these):
//   producer: data, then write position (release)      pairs with   consumer: write position (acquire), then data
//   consumer: data, then read position (release)       pairs with   producer: read position (acquire), then data
//   want-x = 1, then re-check position                 pairs with   position, then look at want-x       (Dekker)

import { ProtocolError, Violation } from "./errors.ts";
import { invariant } from "./invariant.ts";
import {
  Closed,
  CONSUMER_CLOSED,
  CONSUMER_POSITION,
  CONSUMER_WANT_DATA,
  PRODUCER_CLOSED,
  PRODUCER_POSITION,
  PRODUCER_WANT_SPACE,
} from "./layout.ts";
import type { RegionMemory } from "./memory.ts";

/** Up to here a loop copies faster than a view can be made for a copy. */
const LOOP_BYTES = 32;

/** Where one ring lies: byte offsets in the region, and its capacity, a power of two. */
export interface RingPlace {
  readonly producer: number;
  readonly consumer: number;
  readonly data: number;
  readonly capacity: number;
}

/** The writing end. Its header part is written by nobody else. */
export class RingProducer {
  readonly capacity: number;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #own: number;
  readonly #other: number;
  /** Of the data area, in words of the region. */
  readonly #dataWord: number;
  #written: number;
  /** The last checked copy of the consumer's read position. */
  #read: number;
  #wantSpace = 0;
  #closed: Closed = Closed.OPEN;
  #abandoned = false;

  /** Both positions start at `position` (0 on the wire; tests start near the wrap-around). */
  constructor(memory: RegionMemory, place: RingPlace, position = 0) {
    this.#words = memory.words;
    this.#bytes = memory.bytes;
    this.#own = place.producer / 4;
    this.#other = place.consumer / 4;
    this.#dataWord = place.data / 4;
    this.capacity = place.capacity;
    this.#written = position >>> 0;
    this.#read = position >>> 0;
  }

  /** What this side has closed with. */
  get closed(): Closed {
    return this.#closed;
  }

  /** Bytes ever written, modulo 2^32. */
  get position(): number {
    return this.#written;
  }

  /** Free bytes now. Throws ProtocolError when the consumer's position is impossible (RING-4). */
  writable(): number {
    const read = Atomics.load(this.#words, this.#other + CONSUMER_POSITION / 4) >>> 0;
    const used = (this.#written - read) >>> 0;
    if (used > (this.#written - this.#read) >>> 0) {
      throw new ProtocolError(
        Violation.RING_POSITION,
        "RING-4",
        `read position ${read} is outside ${this.#read}..${this.#written}`,
      );
    }
    this.#read = read;
    return this.capacity - used;
  }

  /** Has the consumer said that it will read no more (RING-7)? */
  abandoned(): boolean {
    const closed = Atomics.load(this.#words, this.#other + CONSUMER_CLOSED / 4);
    if (closed === (this.#abandoned ? 1 : 0)) return this.#abandoned;
    if (closed !== 1) {
      const before = this.#abandoned ? 1 : 0;
      throw new ProtocolError(
        Violation.RING_FLAG,
        "RING-10",
        `consumer's closed word went from ${before} to ${closed >>> 0}`,
      );
    }
    this.#abandoned = true;
    return true;
  }

  /** Byte offset in the region of the first free byte: where to put bytes without a copy. */
  spanOffset(): number {
    return 4 * this.#dataWord + (this.#written & (this.capacity - 1));
  }

  /** Of `writable` free bytes, those that lie in one piece from spanOffset(). */
  spanBytes(writable: number): number {
    return Math.min(writable, this.capacity - (this.#written & (this.capacity - 1)));
  }

  /** Publishes `bytes` that were put at spanOffset(), around the end if need be. True: signal the consumer. */
  advance(bytes: number): boolean {
    this.#written = (this.#written + bytes) >>> 0;
    Atomics.store(this.#words, this.#own + PRODUCER_POSITION / 4, this.#written | 0);
    return Atomics.load(this.#words, this.#other + CONSUMER_WANT_DATA / 4) !== 0;
  }

  /** Copies `source` in; the caller has seen that writable() is enough. Does not publish: advance() does. */
  put(source: Uint8Array, at = 0): void {
    const data = 4 * this.#dataWord;
    const mask = this.capacity - 1;
    if (source.length <= LOOP_BYTES) {
      const bytes = this.#bytes;
      for (let i = 0; i < source.length; i++) bytes[data + ((this.#written + at + i) & mask)] = source[i]!;
      return;
    }
    const offset = (this.#written + at) & mask;
    const first = Math.min(source.length, this.capacity - offset);
    if (first === source.length) {
      this.#bytes.set(source, data + offset);
      return;
    }
    this.#bytes.set(source.subarray(0, first), data + offset);
    this.#bytes.set(source.subarray(first), data);
  }

  /** put() of a little-endian u32. */
  putU32(value: number, at: number): void {
    const mask = this.capacity - 1;
    const offset = (this.#written + at) & mask;
    // Data and capacities are multiples of 4: such a word does not go around the end.
    if ((offset & 3) === 0) {
      this.#words[this.#dataWord + (offset >>> 2)] = value;
      return;
    }
    const bytes = this.#bytes;
    const data = 4 * this.#dataWord;
    for (let i = 0; i < 4; i++) bytes[data + ((this.#written + at + i) & mask)] = value >>> (8 * i);
  }

  /**
   * Asks to be signalled once `bytes` are free (1 to capacity), then looks again (RING-9).
   * Returns true if that much is free, or the consumer has closed, already: do not wait.
   */
  wantSpace(bytes: number): boolean {
    if (this.#wantSpace !== bytes) {
      this.#wantSpace = bytes;
      Atomics.store(this.#words, this.#own + PRODUCER_WANT_SPACE / 4, bytes);
    }
    return this.writable() >= bytes || this.abandoned();
  }

  /** Withdraws wantSpace(). */
  unwantSpace(): void {
    if (this.#wantSpace === 0) return;
    this.#wantSpace = 0;
    Atomics.store(this.#words, this.#own + PRODUCER_WANT_SPACE / 4, 0);
  }

  /** No more bytes follow (RING-6). Signal the consumer afterwards, always. */
  end(): void {
    this.#close(Closed.END);
  }

  /** The stream broke; unread bytes may be dropped (RING-8). Signal the consumer afterwards, always. */
  reset(): void {
    this.#close(Closed.RESET);
  }

  /** Throws BrokenInvariant. Looks at private state alone: the region may hold anything. */
  invariants(): void {
    invariant(
      (this.#written - this.#read) >>> 0 <= this.capacity,
      "a producer is at most its capacity ahead",
    );
    invariant(this.#wantSpace <= this.capacity, "a producer waits for no more than its capacity");
  }

  #close(closed: Closed): void {
    if (closed <= this.#closed) return;
    this.#closed = closed;
    Atomics.store(this.#words, this.#own + PRODUCER_CLOSED / 4, closed);
  }
}

/** The reading end. Its header part is written by nobody else. */
export class RingConsumer {
  readonly capacity: number;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #own: number;
  readonly #other: number;
  /** Of the data area, in words of the region. */
  readonly #dataWord: number;
  #read: number;
  /** The last checked copy of the producer's write position. */
  #written: number;
  #peerClosed: Closed = Closed.OPEN;
  #wantData = 0;
  #closed = false;

  constructor(memory: RegionMemory, place: RingPlace, position = 0) {
    this.#words = memory.words;
    this.#bytes = memory.bytes;
    this.#own = place.consumer / 4;
    this.#other = place.producer / 4;
    this.#dataWord = place.data / 4;
    this.capacity = place.capacity;
    this.#read = position >>> 0;
    this.#written = position >>> 0;
  }

  /** Has this side said that it will read no more? */
  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes ever read, modulo 2^32. */
  get position(): number {
    return this.#read;
  }

  /** Bytes to read now. Throws ProtocolError when the producer's position is impossible (RING-4). */
  readable(): number {
    const written = Atomics.load(this.#words, this.#other + PRODUCER_POSITION / 4) >>> 0;
    const ahead = (written - this.#read) >>> 0;
    if (ahead > this.capacity || ahead < (this.#written - this.#read) >>> 0) {
      throw new ProtocolError(
        Violation.RING_POSITION,
        "RING-4",
        `write position ${written} is outside ${this.#written}..${(this.#read + this.capacity) >>> 0}`,
      );
    }
    this.#written = written;
    return ahead;
  }

  /**
   * How the producer stands. END and RESET are told as soon as they are set: bytes may still be unread after END.
   * End of stream is END first, and readable() = 0 asked AFTER it (RING-6).
   */
  peerClosed(): Closed {
    const closed = Atomics.load(this.#words, this.#other + PRODUCER_CLOSED / 4) >>> 0;
    if (closed > Closed.RESET || closed < this.#peerClosed) {
      throw new ProtocolError(
        Violation.RING_FLAG,
        "RING-10",
        `producer's closed word went from ${this.#peerClosed} to ${closed}`,
      );
    }
    this.#peerClosed = closed as Closed;
    return this.#peerClosed;
  }

  /** True once every byte was taken and none will follow: closed seen, THEN empty seen (RING-6). */
  ended(): boolean {
    return this.peerClosed() === Closed.END && this.readable() === 0;
  }

  /** Byte offset in the region of the first unread byte. */
  spanOffset(): number {
    return 4 * this.#dataWord + (this.#read & (this.capacity - 1));
  }

  /** Of `readable` bytes, those that lie in one piece from spanOffset(). */
  spanBytes(readable: number): number {
    return Math.min(readable, this.capacity - (this.#read & (this.capacity - 1)));
  }

  /** Gives `bytes` of space back. True: the producer waits for space that is there now; signal it. */
  advance(bytes: number): boolean {
    this.#read = (this.#read + bytes) >>> 0;
    Atomics.store(this.#words, this.#own + CONSUMER_POSITION / 4, this.#read | 0);
    const want = Atomics.load(this.#words, this.#other + PRODUCER_WANT_SPACE / 4) >>> 0;
    if (want === 0) return false;
    // The free space as the consumer last saw the producer: a stale view can only be too large by what was written
    // since, and a producer that writes is awake. No false hope, and no lost wake-up.
    const free = this.capacity - ((this.#written - this.#read) >>> 0);
    return free >= want;
  }

  /**
   * Copies target.length bytes out, from `at` bytes past the first unread one; the caller has seen that they are
   * readable.
   */
  copy(target: Uint8Array, at = 0): void {
    const data = 4 * this.#dataWord;
    const mask = this.capacity - 1;
    if (target.length <= LOOP_BYTES) {
      const bytes = this.#bytes;
      for (let i = 0; i < target.length; i++) target[i] = bytes[data + ((this.#read + at + i) & mask)]!;
      return;
    }
    const offset = (this.#read + at) & mask;
    const first = Math.min(target.length, this.capacity - offset);
    target.set(this.#bytes.subarray(data + offset, data + offset + first));
    if (first < target.length) {
      target.set(this.#bytes.subarray(data, data + target.length - first), first);
    }
  }

  /** copy() of a little-endian u32: each of its bytes is loaded once. */
  u32(at: number): number {
    const mask = this.capacity - 1;
    const offset = (this.#read + at) & mask;
    // Data and capacities are multiples of 4: such a word does not go around the end.
    if ((offset & 3) === 0) return this.#words[this.#dataWord + (offset >>> 2)]! >>> 0;
    const bytes = this.#bytes;
    const data = 4 * this.#dataWord;
    let value = 0;
    for (let i = 0; i < 4; i++) value |= bytes[data + ((this.#read + at + i) & mask)]! << (8 * i);
    return value >>> 0;
  }

  /**
   * How many pieces of `stride` bytes, from `at` on and one behind the other, begin with these words (below 2^31), the
   * third being any: `most` at the most, all of which lie in front of the ring's end or behind it. Each word is loaded
   * once. Hot.
   */
  repeats(at: number, stride: number, most: number, first: number, second: number, fourth: number): number {
    const offset = (this.#read + at) & (this.capacity - 1);
    let count = 0;
    if (((offset | stride) & 3) !== 0) {
      for (let piece = at; count < most; count++, piece += stride) {
        if (this.u32(piece) !== first || this.u32(piece + 4) !== second) break;
        if (this.u32(piece + 12) !== fourth) break;
      }
      return count;
    }
    const words = this.#words;
    let word = this.#dataWord + (offset >>> 2);
    for (; count < most; count++, word += stride >>> 2) {
      if (words[word] !== first || words[word + 1] !== second || words[word + 3] !== fourth) break;
    }
    return count;
  }

  /**
   * Is want-data set? Then whoever finds readable() = 0 need not look again: the producer signals what comes (RING-9).
   */
  get wantsData(): boolean {
    return this.#wantData !== 0;
  }

  /** Asks to be signalled when there are bytes, then looks again (RING-9). True: there is something; do not wait. */
  wantData(): boolean {
    if (this.#wantData === 0) {
      this.#wantData = 1;
      Atomics.store(this.#words, this.#own + CONSUMER_WANT_DATA / 4, 1);
    }
    return this.readable() > 0 || this.peerClosed() !== Closed.OPEN;
  }

  /** Withdraws wantData(): the producer need not signal while this side cannot take bytes anyway. */
  unwantData(): void {
    if (this.#wantData === 0) return;
    this.#wantData = 0;
    Atomics.store(this.#words, this.#own + CONSUMER_WANT_DATA / 4, 0);
  }

  /** Throws BrokenInvariant. Looks at private state alone: the region may hold anything. */
  invariants(): void {
    invariant(
      (this.#written - this.#read) >>> 0 <= this.capacity,
      "a consumer takes no more than it has seen",
    );
  }

  /** This side reads no more (RING-7). Signal the producer afterwards, always. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    Atomics.store(this.#words, this.#own + CONSUMER_CLOSED / 4, 1);
  }
}
