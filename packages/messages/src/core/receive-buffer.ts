// Bytes in, messages out: the receiving half of a stream. It holds at most one chunk, which is the caller's memory and
// is decoded where it lies, and the beginning of one frame, copied from the chunks before.
//
//        frames in the stream      │ whole │ whole │ whole │ whole │
//        chunks that came          │                  │                 │
//
//        partial:  │ the beginning of a frame │ not allocated yet │          chunk:  │ read │ to be decoded      │
//                  0          seen            held                need              0      at          chunk.length
//
//   - Nothing held: frames are decoded in the chunk, and their messages are views of it: no byte is copied.
//   - The chunk ends within a frame: its beginning is copied, and the chunk is let go of.
//   - Something held: what the frame is known to need is copied from the chunk, no more. The frame then lies in a
//     buffer of its own, which the message takes along: one copy, whatever the frame's size.
//
// Invariant: seen <= held <= partial.length <= maxBytes <= limit, and held + (chunk.length - at) <= limit. Where
// something is held, the frame is not whole.

import type { Bytes, Codec, Frame, Malformed, More } from "./codec.ts";
import { invariant } from "./invariant.ts";
import { AROUND_BYTES, FLOOR_BYTES, GROWTH, STEP_BYTES } from "./limits.ts";

const NOTHING: Bytes = new Uint8Array(0);

/** Where a stream is malformed, and what is there. Positions count the stream's bytes from its first, 0. */
export interface Problem {
  readonly what: string;
  /** The first byte that is wrong. */
  readonly position: number;
  /** Where its frame begins. */
  readonly framePosition: number;
  /** A copy of what is around it. */
  readonly around: Bytes;
  /** Of the first byte of `around`. */
  readonly aroundPosition: number;
}

export class ReceiveBuffer<M> {
  readonly limit: number;
  /** What it met first, and decodes nothing behind. */
  problem: Problem | undefined;
  readonly #codec: Codec<M>;
  readonly #onSkip: ((problem: Problem) => boolean) | undefined;
  #partial: Bytes = NOTHING;
  #held = 0;
  #seen = 0;
  /** 0: not known. */
  #need = 0;
  #chunk: Bytes = NOTHING;
  #at = 0;
  /** Of the first byte that belongs to no whole frame yet. */
  #position = 0;

  /** @param onSkip whether a malformed frame whose end is known is left out; undefined: it never is */
  constructor(codec: Codec<M>, multiple: number, onSkip?: (problem: Problem) => boolean) {
    this.limit = Math.max(FLOOR_BYTES, Math.floor(multiple * codec.maxBytes));
    this.#codec = codec;
    this.#onSkip = onSkip;
  }

  /** Bytes that receive() takes now. */
  free(): number {
    return this.isRead() && this.problem === undefined ? this.limit - this.#held : 0;
  }

  /** Whether all of the chunk is decoded, and what is held is no whole frame. */
  isRead(): boolean {
    return this.#at === this.#chunk.length;
  }

  /** Bytes that belong to no whole message yet, or whose message nobody has fetched. */
  heldBytes(): number {
    return this.#held + this.#chunk.length - this.#at;
  }

  /** Memory of its own. */
  memoryBytes(): number {
    return this.#partial.length;
  }

  position(): number {
    return this.#position;
  }

  /**
   * Takes the first bytes of a chunk, and says how many. Nobody writes to them any more: they are decoded there, and
   * messages are views of them. The rest comes again, when next() has nothing more.
   */
  receive(chunk: Bytes): number {
    const bytes = Math.min(chunk.length, this.free());
    if (bytes === 0) return 0;
    // A view that is no Buffer, whose own views cost several times as much.
    this.#chunk = new Uint8Array(chunk.buffer, chunk.byteOffset, bytes);
    this.#at = 0;
    return bytes;
  }

  /** The next message; undefined where more bytes must come first, or there is a problem. */
  next(): M | undefined {
    while (this.problem === undefined) {
      const decoded = this.#held > 0 ? this.#decodePartial() : this.#decodeChunk();
      if (decoded === undefined) return undefined;
      if (decoded.malformed === undefined) return decoded.message;
    }
    return undefined;
  }

  /** Gives back a quarter of what is not in use: for when nothing has come for a while. */
  shrink(): void {
    const bytes = Math.max(
      this.#held,
      Math.min(FLOOR_BYTES, this.#partial.length),
      Math.floor(this.#partial.length * 0.75),
    );
    if (bytes < this.#partial.length) this.#partial = grown(this.#partial, this.#held, bytes);
  }

  invariants(): void {
    const { maxBytes } = this.#codec;
    invariant(this.#seen <= this.#held, "what was seen is held");
    invariant(this.#held <= this.#partial.length, "what is held lies within its buffer");
    invariant(
      this.#partial.length <= maxBytes && maxBytes <= this.limit,
      "its buffer is no larger than a frame",
    );
    invariant(this.#at <= this.#chunk.length, "the cursor lies within the chunk");
    invariant(this.heldBytes() <= this.limit, "all that is held is within the limit");
  }

  // ── Decoding ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #decodeChunk(): Frame<M> | Malformed | undefined {
    const chunk = this.#chunk;
    const at = this.#at;
    if (at === chunk.length) return this.#letGo();
    const decoded = this.#codec.decode(chunk, at, 0);
    if (typeof decoded === "object") {
      const { used } = decoded;
      if (decoded.malformed !== undefined) this.#meet(decoded, chunk, at);
      if (used === undefined || this.problem !== undefined) return decoded;
      invariant(0 < used && used <= chunk.length - at, "a frame uses bytes, and those that are there");
      this.#at = at + used;
      this.#position += used;
      return decoded;
    }
    const bytes = chunk.length - at;
    if (this.#isTooLong(decoded, bytes)) return this.#tooLong(chunk, at);
    this.#need = typeof decoded === "number" ? decoded : 0;
    this.#partial = grown(chunk.subarray(at), bytes, this.#capacity(bytes));
    this.#held = bytes;
    this.#seen = bytes;
    return this.#letGo();
  }

  #decodePartial(): Frame<M> | Malformed | undefined {
    while (this.#at < this.#chunk.length) {
      this.#append();
      const held = this.#held;
      if (held < this.#need) break;
      const partial = this.#partial.subarray(0, held);
      const decoded = this.#codec.decode(partial, 0, this.#seen);
      if (typeof decoded === "object") {
        if (decoded.malformed !== undefined) this.#meet(decoded, partial, 0);
        if (decoded.used === undefined || this.problem !== undefined) return decoded;
        this.#endPartial(decoded.used);
        return decoded;
      }
      if (this.#isTooLong(decoded, held)) return this.#tooLong(partial, 0);
      this.#need = typeof decoded === "number" ? decoded : 0;
      this.#seen = held;
    }
    return this.#letGo();
  }

  /** Copies what the frame needs, or a little where that is not known. */
  #append(): void {
    const held = this.#held;
    const want = this.#need > held ? this.#need - held : Math.max(STEP_BYTES, held);
    const bytes = Math.min(want, this.#codec.maxBytes - held, this.#chunk.length - this.#at);
    if (held + bytes > this.#partial.length) {
      this.#partial = grown(this.#partial, held, this.#capacity(held + bytes));
    }
    this.#partial.set(this.#chunk.subarray(this.#at, this.#at + bytes), held);
    this.#at += bytes;
    this.#held = held + bytes;
  }

  /** What was copied beyond the frame is in the chunk as well. The buffer is its message's now. */
  #endPartial(used: number): void {
    const beyond = this.#held - used;
    invariant(used > this.#seen && beyond >= 0, "a frame ends behind what was seen of it, in what is there");
    this.#at -= beyond;
    this.#position += used;
    this.#partial = NOTHING;
    this.#held = 0;
    this.#seen = 0;
  }

  #capacity(bytes: number): number {
    const most = this.#need === 0 ? this.#codec.maxBytes : this.#need;
    return Math.max(bytes, Math.min(most, Math.max(FLOOR_BYTES, GROWTH * bytes)));
  }

  #letGo(): undefined {
    this.#chunk = NOTHING;
    this.#at = 0;
    return undefined;
  }

  // ── What is wrong ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** A codec that would have more than it may: its frame will never be whole. */
  #isTooLong(more: More, bytes: number): boolean {
    const { maxBytes } = this.#codec;
    return bytes >= maxBytes || (typeof more === "number" && more > maxBytes);
  }

  #tooLong(bytes: Bytes, at: number): Malformed {
    const malformed = { malformed: `a frame of more than ${this.#codec.maxBytes} bytes`, offset: 0 };
    this.#meet(malformed, bytes, at);
    return malformed;
  }

  /** A problem, unless its frame may be left out. */
  #meet({ malformed, offset, used }: Malformed, bytes: Bytes, at: number): void {
    const begin = Math.max(0, at + offset - AROUND_BYTES);
    const problem = {
      what: malformed,
      position: this.#position + offset,
      framePosition: this.#position,
      around: bytes.slice(begin, at + offset + AROUND_BYTES),
      aroundPosition: this.#position + begin - at,
    };
    if (used === undefined || this.#onSkip?.(problem) !== true) this.problem = problem;
  }
}

/** A copy of the first bytes, with room. */
function grown(bytes: Bytes, length: number, capacity: number): Bytes {
  const fresh = new Uint8Array(capacity);
  fresh.set(bytes.subarray(0, length));
  return fresh;
}
