// Records on their way from the reactor's thread to one follower on the main thread: a ring in shared memory, so that
// what waits is bounded, and neither side ever waits for the other.
//
//   words:  WRITE       the reactor's: bytes put in so far, mod 2^32
//           READ        the main thread's: bytes taken, mod 2^32
//           WANT_DATA   the main thread has taken all, and is to be told of more; the reactor puts 0 back
//           WANT_ROOM   the reactor is to be told when half is free; the main thread puts 0 back
//
// Invariants: 0 <= WRITE - READ <= capacity; both are multiples of 8, and whole records lie between them. Who sets a
// WANT looks again afterwards: what the other side did in between is not missed.

import { type From, RECORD_HEADER_BYTES, type RecordKind, recordBytes } from "./records.ts";

const HEADER_BYTES = 64;
const Word = { WRITE: 0, READ: 1, WANT_DATA: 2, WANT_ROOM: 3 } as const;
const NOTHING = new Uint8Array(0);

export interface RecordHead {
  readonly kind: RecordKind;
  readonly from: From;
  readonly conversation: number;
  readonly timeMs: number;
}

export class ConversationRing {
  readonly memory: SharedArrayBuffer;
  readonly capacity: number;
  readonly #words: Int32Array;
  readonly #u32: Uint32Array;
  readonly #f64: Float64Array;
  readonly #bytes: Uint8Array;

  /** A new one, of a power of two of bytes; or one that the other side has made. */
  constructor(memory: SharedArrayBuffer | number) {
    this.memory = typeof memory === "number" ? new SharedArrayBuffer(HEADER_BYTES + memory) : memory;
    this.capacity = this.memory.byteLength - HEADER_BYTES;
    this.#words = new Int32Array(this.memory, 0, HEADER_BYTES / 4);
    this.#u32 = new Uint32Array(this.memory, HEADER_BYTES);
    this.#f64 = new Float64Array(this.memory, HEADER_BYTES);
    this.#bytes = new Uint8Array(this.memory, HEADER_BYTES);
  }

  get used(): number {
    return (Atomics.load(this.#words, Word.WRITE) - Atomics.load(this.#words, Word.READ)) >>> 0;
  }

  // ── The reactor's thread ──────────────────────────────────────────────────────────────────────────────────────

  /** The longest payload that has room. */
  get room(): number {
    return Math.max(0, this.capacity - this.used - RECORD_HEADER_BYTES);
  }

  /** False where there is no room for it. Hot. */
  put(head: RecordHead, payload: Uint8Array, peer: Uint8Array = NOTHING): boolean {
    const length = peer.length + payload.length;
    const whole = recordBytes(length);
    if (whole > this.capacity - this.used) return false;
    const write = Atomics.load(this.#words, Word.WRITE);
    const at = (write >>> 0) % this.capacity;
    this.#u32[at >>> 2] = length;
    this.#u32[(at + 4) >>> 2] = head.kind | (head.from << 8);
    const second = (at + 8) % this.capacity;
    this.#u32[second >>> 2] = head.conversation;
    this.#u32[(second + 4) >>> 2] = peer.length;
    this.#f64[((at + 16) % this.capacity) >>> 3] = head.timeMs;
    // What its last word has past the payload is zero, whatever the ring had there before.
    if ((length & 7) !== 0) this.#f64[((at + whole - 8) % this.capacity) >>> 3] = 0;
    const data = (at + RECORD_HEADER_BYTES) % this.capacity;
    if (peer.length > 0) this.#copyIn(peer, data);
    this.#copyIn(payload, (data + peer.length) % this.capacity);
    // RELEASE: the record before the position.
    Atomics.store(this.#words, Word.WRITE, (write + whole) | 0);
    return true;
  }

  #copyIn(bytes: Uint8Array, at: number): void {
    const first = Math.min(bytes.length, this.capacity - at);
    if (first === bytes.length) {
      this.#bytes.set(bytes, at);
      return;
    }
    this.#bytes.set(bytes.subarray(0, first), at);
    this.#bytes.set(bytes.subarray(first), 0);
  }

  /** Empty, for another follower: the reactor's thread has let go of it. */
  reset(): void {
    this.#words.fill(0);
  }

  /** True, once for each time that it was asked for: the main thread is to be told that there is something. */
  mustTell(): boolean {
    return (
      Atomics.load(this.#words, Word.WANT_DATA) !== 0 &&
      Atomics.exchange(this.#words, Word.WANT_DATA, 0) !== 0
    );
  }

  /** True: half is free already. Otherwise the main thread says when that is so. */
  wantRoom(): boolean {
    Atomics.store(this.#words, Word.WANT_ROOM, 1);
    if (this.used > this.capacity / 2) return false;
    return Atomics.exchange(this.#words, Word.WANT_ROOM, 0) !== 0;
  }

  // ── The main thread ───────────────────────────────────────────────────────────────────────────────────────────

  /** A copy of whole records, of `most` bytes or of the first; undefined: there are none. release() is next. */
  read(most: number): Uint8Array<ArrayBuffer> | undefined {
    const { used } = this;
    const read = Atomics.load(this.#words, Word.READ) >>> 0;
    let bytes = 0;
    while (bytes < used) {
      const whole = recordBytes(this.#u32[((read + bytes) % this.capacity) >>> 2]!);
      if (bytes > 0 && bytes + whole > most) break;
      bytes += whole;
    }
    if (bytes === 0) return undefined;
    const copy = new Uint8Array(bytes);
    const at = read % this.capacity;
    const first = Math.min(bytes, this.capacity - at);
    copy.set(this.#bytes.subarray(at, at + first));
    copy.set(this.#bytes.subarray(0, bytes - first), first);
    return copy;
  }

  /** They are taken. True: the reactor's thread is to be told that there is room. */
  release(bytes: number): boolean {
    Atomics.store(this.#words, Word.READ, (Atomics.load(this.#words, Word.READ) + bytes) | 0);
    if (Atomics.load(this.#words, Word.WANT_ROOM) === 0 || this.used > this.capacity / 2) return false;
    return Atomics.exchange(this.#words, Word.WANT_ROOM, 0) !== 0;
  }

  /** False: there is something already. Otherwise the reactor's thread says when there is. */
  wantData(): boolean {
    Atomics.store(this.#words, Word.WANT_DATA, 1);
    if (this.used === 0) return true;
    Atomics.store(this.#words, Word.WANT_DATA, 0);
    return false;
  }
}
