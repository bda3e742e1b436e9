// Messages in, bytes out: the sending half of a stream. Two buffers of the same limit: one takes messages, the other is
// on its way. When that one is sent, they change places: so the system may read from one, while messages are written to
// the other, and no byte is moved.
//
//        draining:  │ sent │ taken, on its way │ to be taken │            filling:  │ messages │ room │
//                   0      sent                taken         length                 0          length limit
//
// Invariant: 0 <= sent <= taken <= draining.length(). Nothing is written to draining while anything of it is there.
// A message lies wholly in one of them: it is sent behind those queued before it, and never in part before it is whole.

import { ByteWriter } from "./byte-writer.ts";
import { type Bytes, CannotEncode, type Codec } from "./codec.ts";
import { invariant } from "./invariant.ts";
import { FLOOR_BYTES } from "./limits.ts";

/** What is known of one of the two buffers. */
interface Half {
  readonly writer: ByteWriter;
  messages: number;
  /** When its first message was queued. */
  since: number;
}

const emptyHalf = (limit: number): Half => ({ writer: new ByteWriter(limit), messages: 0, since: 0 });

export class SendQueue<M> {
  /** Of both buffers together. */
  readonly limit: number;
  messagesOut = 0;
  bytesOut = 0;
  readonly #codec: Codec<M>;
  #filling: Half;
  #draining: Half;
  #taken = 0;
  #sent = 0;

  /** @param multiple of the codec's maxBytes, for both buffers together: 2 or more */
  constructor(codec: Codec<M>, multiple: number) {
    const half = Math.max(FLOOR_BYTES, Math.floor((multiple * codec.maxBytes) / 2));
    this.limit = 2 * half;
    this.#codec = codec;
    this.#filling = emptyHalf(half);
    this.#draining = emptyHalf(half);
  }

  /**
   * Whether the message was taken; nothing of it is kept where not. Throws CannotEncode, or what the codec throws, for
   * a message that never will be.
   */
  queue(message: M, now: number): boolean {
    const { writer } = this.#filling;
    try {
      this.#codec.encode(message, writer);
    } catch (error) {
      writer.drop();
      throw error;
    }
    if (writer.pending() > this.#codec.maxBytes) {
      writer.drop();
      throw new CannotEncode(`a frame is more than ${this.#codec.maxBytes} bytes`);
    }
    const wasEmpty = writer.length() === 0;
    if (!writer.commit()) {
      if (!wasEmpty) return false;
      throw new CannotEncode(`a frame is more than ${this.#codec.maxBytes} bytes`);
    }
    if (this.#filling.messages++ === 0) this.#filling.since = now;
    return true;
  }

  /** Bytes that a message may have to be taken now, with its frame. */
  free(): number {
    return this.#filling.writer.room();
  }

  queuedBytes(): number {
    return this.#filling.writer.length() + this.#draining.writer.length() - this.#sent;
  }

  /** Those of the buffer that is on its way count until all of it is sent. */
  queuedMessages(): number {
    return this.#filling.messages + this.#draining.messages;
  }

  /** When the first message was queued of those in the buffer that is on its way; undefined where nothing waits. */
  oldest(): number | undefined {
    const half = this.#draining.messages > 0 ? this.#draining : this.#filling;
    return half.messages > 0 ? half.since : undefined;
  }

  memoryBytes(): number {
    return this.#filling.writer.buffer.length + this.#draining.writer.buffer.length;
  }

  /** Bytes to send next, at most so many; undefined where there are none. Nothing changes them before sent(). */
  take(budget: number): Bytes | undefined {
    if (this.#draining.messages === 0) {
      if (this.#filling.messages === 0) return undefined;
      [this.#filling, this.#draining] = [this.#draining, this.#filling];
    }
    const begin = this.#taken;
    const end = Math.min(this.#draining.writer.length(), begin + budget);
    if (begin === end) return undefined;
    this.#taken = end;
    return this.#draining.writer.buffer.subarray(begin, end);
  }

  /** So many bytes more of those taken are sent: their memory is used anew. */
  sent(bytes: number): void {
    invariant(bytes >= 0 && this.#sent + bytes <= this.#taken, "only what was taken is sent");
    this.#sent += bytes;
    this.bytesOut += bytes;
    const { writer, messages } = this.#draining;
    if (messages === 0 || this.#sent < writer.length()) return;
    this.messagesOut += messages;
    writer.clear();
    this.#draining.messages = 0;
    this.#sent = 0;
    this.#taken = 0;
  }

  /** Gives back a quarter of what is not in use: for when nothing is sent. */
  shrink(): void {
    this.#filling.writer.shrink();
    // Whatever was taken of it is a view.
    if (this.#taken === 0) this.#draining.writer.shrink();
  }

  invariants(): void {
    const { writer, messages } = this.#draining;
    invariant(0 <= this.#sent && this.#sent <= this.#taken, "what is sent was taken");
    invariant(this.#taken <= writer.length(), "what was taken is there");
    invariant(messages > 0 === writer.length() > 0, "a buffer without messages is empty");
    invariant(this.memoryBytes() <= this.limit, "both buffers together are within the limit");
    writer.invariants();
    this.#filling.writer.invariants();
  }
}
