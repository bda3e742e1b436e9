// Bytes from a Writable into a toHost ring, one copy each, with the ring's backpressure.
//
// Invariant: while chunks wait, want-space is set to half of the ring at the least: the host wakes this side for a
// good part of it, not for a byte.
//
// Where chunks are records (`whole`), one that fits the ring is put and published in one piece: who takes all that is
// there takes whole records.

import type { Stream } from "./stream.ts";

/** After how many bytes the host may start on them while more are put. */
const PUBLISH_BYTES = 64 * 1024;

export class WritePump {
  /** Bytes that the ring has taken. */
  bytesWritten = 0;
  readonly #stream: Stream;
  readonly #onAbandoned: () => void;
  #chunks: readonly Uint8Array[] = [];
  #index = 0;
  #offset = 0;
  #callback: (() => void) | undefined;
  readonly #whole: boolean;

  /** `onAbandoned` is called, at each step, when there are bytes to write and the host reads no more. */
  constructor(stream: Stream, onAbandoned: () => void, whole = false) {
    this.#stream = stream;
    this.#whole = whole;
    this.#onAbandoned = onAbandoned;
  }

  /** Are there bytes that the ring has not taken yet? */
  get waiting(): boolean {
    return this.#callback !== undefined;
  }

  /** Writes all of `chunks`; calls back once the ring has taken them. One write at a time. */
  write(chunks: readonly Uint8Array[], callback: () => void): void {
    this.#chunks = chunks;
    this.#index = 0;
    this.#offset = 0;
    this.#callback = callback;
    this.step();
  }

  step(): void {
    const callback = this.#callback;
    if (callback === undefined || !this.#stream.open) return;
    const ring = this.#stream.pipe.toHost;
    for (;;) {
      if (ring.abandoned()) {
        this.#onAbandoned();
        return;
      }
      this.#fill();
      if (this.#index === this.#chunks.length) break;
      if (!ring.wantSpace(Math.max(1, ring.capacity / 2, this.#undivided(ring.capacity)))) return;
    }
    ring.unwantSpace();
    this.#chunks = [];
    this.#callback = undefined;
    callback();
  }

  /** Bytes of the next chunk, where it must not be divided; 0 where it may. */
  #undivided(capacity: number): number {
    if (!this.#whole || this.#offset > 0) return 0;
    const bytes = this.#chunks[this.#index]!.length;
    return bytes <= capacity ? bytes : 0;
  }

  #fill(): void {
    const ring = this.#stream.pipe.toHost;
    let free = ring.writable();
    let unpublished = 0;
    while (free > 0 && this.#index < this.#chunks.length) {
      const chunk = this.#chunks[this.#index]!;
      const undivided = this.#undivided(ring.capacity);
      if (undivided > free) break;
      const bytes = undivided || Math.min(chunk.length - this.#offset, free, PUBLISH_BYTES - unpublished);
      const whole = bytes === chunk.length;
      ring.put(whole ? chunk : chunk.subarray(this.#offset, this.#offset + bytes), unpublished);
      unpublished += bytes;
      free -= bytes;
      this.#offset += bytes;
      if (this.#offset === chunk.length) {
        this.#index++;
        this.#offset = 0;
      }
      if (unpublished >= PUBLISH_BYTES) {
        this.#publish(unpublished);
        unpublished = 0;
      }
    }
    if (unpublished > 0) this.#publish(unpublished);
    // Empty chunks need no room.
    while (this.#index < this.#chunks.length && this.#chunks[this.#index]!.length === 0) this.#index++;
  }

  #publish(bytes: number): void {
    this.bytesWritten += bytes;
    if (this.#stream.pipe.toHost.advance(bytes)) this.#stream.signal();
  }
}
