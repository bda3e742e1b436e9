// A bounded buffer that frames are written to, one behind the other.
//
//        │ whole messages          │ the one being written │ room          │ room that is not allocated yet │
//        0                         kept                    length          buffer.length                    limit
//
// Invariant: 0 <= kept <= length <= buffer.length <= limit. It grows by doubling. A message that does not fit is
// written nowhere: commit() says so, and nothing of it is left.

import type { Bytes, Writer } from "./codec.ts";
import { invariant } from "./invariant.ts";
import { FLOOR_BYTES } from "./limits.ts";

const NOTHING: Bytes = new Uint8Array(0);

export class ByteWriter implements Writer {
  buffer: Bytes = NOTHING;
  readonly limit: number;
  #length = 0;
  #kept = 0;
  #fits = true;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes of whole messages. */
  length(): number {
    return this.#kept;
  }

  /** Bytes written since the last message. */
  pending(): number {
    return this.#length - this.#kept;
  }

  /** Bytes that it may still take. */
  room(): number {
    return this.limit - this.#kept;
  }

  claim(bytes: number): number {
    const at = this.#length;
    const end = at + bytes;
    if (end > this.buffer.length) {
      if (end > this.limit) {
        this.#fits = false;
        return -1;
      }
      this.#resize(Math.min(this.limit, Math.max(FLOOR_BYTES, end, this.buffer.length * 2)));
    }
    this.#length = end;
    return at;
  }

  byte(value: number): void {
    const at = this.claim(1);
    if (at >= 0) this.buffer[at] = value;
  }

  bytes(bytes: Bytes): void {
    const at = this.claim(bytes.length);
    if (at >= 0) this.buffer.set(bytes, at);
  }

  /** Keeps what was written since the last message, or drops it where it does not fit. */
  commit(): boolean {
    const fits = this.#fits;
    if (fits) this.#kept = this.#length;
    else this.drop();
    return fits;
  }

  /** Drops what was written since the last message. */
  drop(): void {
    this.#length = this.#kept;
    this.#fits = true;
  }

  /** Forgets all messages, and keeps its memory. */
  clear(): void {
    this.#length = 0;
    this.#kept = 0;
    this.#fits = true;
  }

  /** A quarter of its memory goes, but not what is in use, nor the floor. Nobody holds a view of it. */
  shrink(): void {
    const smaller = Math.floor(this.buffer.length * 0.75);
    const bytes = Math.max(this.#length, Math.min(FLOOR_BYTES, this.limit), smaller);
    if (bytes < this.buffer.length) this.#resize(bytes);
  }

  invariants(): void {
    invariant(0 <= this.#kept && this.#kept <= this.#length, "kept is not behind what is written");
    invariant(this.#length <= this.buffer.length, "what is written lies within the buffer");
    invariant(this.buffer.length <= this.limit, "the buffer is within its limit");
  }

  #resize(bytes: number): void {
    const fresh = new Uint8Array(bytes);
    fresh.set(this.buffer.subarray(0, this.#length));
    this.buffer = fresh;
  }
}
