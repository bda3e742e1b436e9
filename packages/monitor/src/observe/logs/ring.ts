// Lines on their way to the thread that writes them: a ring of bytes in shared memory, so that what waits is bounded
// and neither side ever waits for the other.
//
//   words:  WRITE   the producer's: bytes put in so far, mod 2^32
//           READ    the thread's: bytes that are through, mod 2^32
//           WAKE    grows with whatever the thread may sleep through
//           COMMANDS   bits for the thread, which takes them all
//           ERRNO   the thread's: why the last write did not happen, or 0
//           WANT_ROOM   the producer wants to hear of it when no more bytes than this wait; the thread puts 0 back
//
// Invariants: 0 <= WRITE - READ <= RING_BYTES; the ring begins and ends with whole lines, except while the thread is
// amid one.

export const RING_BYTES: number = 1024 * 1024;
const HEADER_BYTES = 64;
const NEWLINE = 10;

export const Word = { WRITE: 0, READ: 1, WAKE: 2, COMMANDS: 3, ERRNO: 4, WANT_ROOM: 5 } as const;
export const Commands = { REOPEN: 1, CLOSE: 2 } as const;

export class LogRing {
  readonly memory: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(HEADER_BYTES + RING_BYTES)) {
    this.memory = memory;
    this.words = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.#bytes = new Uint8Array(memory, HEADER_BYTES, RING_BYTES);
  }

  get used(): number {
    return (Atomics.load(this.words, Word.WRITE) - Atomics.load(this.words, Word.READ)) >>> 0;
  }

  /** Counts them: for the end. */
  get lines(): number {
    const read = Atomics.load(this.words, Word.READ) >>> 0;
    let lines = 0;
    for (let i = 0; i < this.used; i++) if (this.#bytes[(read + i) % RING_BYTES] === NEWLINE) lines++;
    return lines;
  }

  // ── The producer ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Puts whole lines in; false where there is no room. */
  put(lines: Uint8Array): boolean {
    if (lines.length > RING_BYTES - this.used) return false;
    const write = Atomics.load(this.words, Word.WRITE);
    const at = (write >>> 0) % RING_BYTES;
    const first = Math.min(lines.length, RING_BYTES - at);
    this.#bytes.set(lines.subarray(0, first), at);
    this.#bytes.set(lines.subarray(first), 0);
    // RELEASE: the bytes before the position.
    Atomics.store(this.words, Word.WRITE, (write + lines.length) | 0);
    this.#wake();
    return true;
  }

  command(bit: number): void {
    Atomics.or(this.words, Word.COMMANDS, bit);
    Atomics.notify(this.words, Word.COMMANDS);
    this.#wake();
  }

  /** True: no more than `most` bytes wait. Otherwise the thread says when that is so. */
  wantRoom(most: number = RING_BYTES / 2): boolean {
    Atomics.store(this.words, Word.WANT_ROOM, most);
    // Again after it was told: it may have made the room in between.
    if (this.used > most) return false;
    Atomics.store(this.words, Word.WANT_ROOM, 0);
    return true;
  }

  #wake(): void {
    Atomics.add(this.words, Word.WAKE, 1);
    Atomics.notify(this.words, Word.WAKE);
  }

  // ── The thread ────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Copies what comes `skip` bytes behind READ: whole lines of up to `piece` bytes, or one that is longer, or as much
   * of that as fits `into`. Returns how many bytes.
   */
  copy(into: Uint8Array, skip: number, piece: number): number {
    const most = Math.min(into.length, this.used - skip);
    const at = ((Atomics.load(this.words, Word.READ) >>> 0) + skip) % RING_BYTES;
    const first = Math.min(most, RING_BYTES - at);
    into.set(this.#bytes.subarray(at, at + first));
    into.set(this.#bytes.subarray(0, most - first), first);
    const bytes = into.subarray(0, most);
    const end = most > 0 ? bytes.lastIndexOf(NEWLINE, piece - 1) : -1;
    return (end >= 0 ? end : bytes.indexOf(NEWLINE)) + 1 || most;
  }

  /** Bytes of whole lines that are through. True: the producer waits for room, and there is some. */
  release(bytes: number): boolean {
    Atomics.store(this.words, Word.READ, (Atomics.load(this.words, Word.READ) + bytes) | 0);
    Atomics.notify(this.words, Word.READ);
    const most = Atomics.load(this.words, Word.WANT_ROOM);
    if (most === 0 || this.used > most) return false;
    return Atomics.compareExchange(this.words, Word.WANT_ROOM, most, 0) === most;
  }
}
