// Bytes from a toGuest ring into a Readable, one copy each, with its backpressure.
//
// Invariant: while the reader wants bytes and the ring has none, want-data is set; while it wants none, want-data is
// clear.

import { Closed } from "@ringway/control";
import { takeChunk } from "./chunks.ts";
import type { Stream } from "./stream.ts";

export interface ReadTarget {
  /** Where the next chunk is to lie, if it is the target that says so. */
  into?(): Uint8Array | undefined;
  /** That place holds nothing: no more is read. */
  noBuffer?(): void;
  /** Takes a chunk; false: enough for now. */
  push(chunk: Uint8Array): boolean;
  /** The host ended, and everything before that was pushed. */
  ended(): void;
  /** The host broke the stream, and everything before that was pushed. */
  reset(): void;
}

/**
 * Largest chunk, what a listener gets at once: a quarter of the ring, so that the host goes on while this side
 * copies, within these bounds. A listener that is called less often costs less.
 */
const CHUNK_BYTES_MIN = 64 * 1024;
const CHUNK_BYTES_MAX = 256 * 1024;

export class ReadPump {
  bytesRead = 0;
  readonly #stream: Stream;
  readonly #target: ReadTarget;
  #wanted = false;
  #ended = false;
  #broken = false;
  readonly #chunkBytesMax: number;

  constructor(stream: Stream, target: ReadTarget, chunkBytesMax: number = CHUNK_BYTES_MAX) {
    this.#stream = stream;
    this.#target = target;
    this.#chunkBytesMax = Math.max(1, Math.min(CHUNK_BYTES_MAX, chunkBytesMax));
  }

  /** Was reset() told? */
  get broken(): boolean {
    return this.#broken;
  }

  /** The reader wants bytes. */
  want(): void {
    this.#wanted = true;
    this.step();
  }

  /** It wants none for now. */
  unwant(): void {
    this.#wanted = false;
    if (!this.#ended && this.#stream.open) this.#stream.pipe.toGuest.unwantData();
  }

  step(): void {
    const stream = this.#stream;
    if (this.#ended || !stream.open) return;
    const ring = stream.pipe.toGuest;
    if (!this.#wanted) {
      if (ring.peerClosed() === Closed.RESET && ring.readable() === 0) this.#reset();
      return;
    }
    const chunkBytes = Math.min(this.#chunkBytesMax, Math.max(CHUNK_BYTES_MIN, ring.capacity / 4));
    for (let budget = ring.capacity; ; ) {
      const readable = ring.readable();
      if (readable === 0) {
        const closed = ring.peerClosed();
        // Closed seen, then empty seen again (RING-6).
        if (closed !== Closed.OPEN && ring.readable() === 0) {
          if (closed === Closed.RESET) {
            this.#reset();
            return;
          }
          this.#ended = true;
          this.#target.ended();
          return;
        }
        if (!ring.wantData()) return;
        continue;
      }
      if (budget <= 0) {
        stream.engine.stepAgain(stream);
        return;
      }
      const into = this.#target.into?.();
      if (into?.length === 0) {
        this.#ended = true;
        this.#target.noBuffer?.();
        return;
      }
      const size = Math.min(readable, into?.length ?? chunkBytes);
      const chunk = into?.subarray(0, size) ?? takeChunk(size);
      ring.copy(chunk);
      if (ring.advance(size)) stream.signal();
      this.bytesRead += size;
      budget -= size;
      this.#wanted = false;
      const more = this.#target.push(chunk);
      // The listener may have destroyed the stream, or the guest may be gone.
      if (!stream.open || this.#ended) return;
      if (more) this.#wanted = true;
      if (!this.#wanted) {
        ring.unwantData();
        return;
      }
    }
  }

  #reset(): void {
    this.#ended = true;
    this.#broken = true;
    this.#target.reset();
  }
}
