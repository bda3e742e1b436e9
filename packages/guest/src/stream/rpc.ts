// Requests and replies as frames on a stream of its own: fs and file.
//
// The host answers in order; ids tell replies apart all the same. A request that does not fit the ring waits here.

import {
  Closed,
  ErrorReply,
  FRAME_HEADER_BYTES,
  type Frame,
  FrameReader,
  FrameWriter,
  type Message,
  maxPayload,
  ProtocolError,
  Violation,
} from "@ringway/control";
import { Errno } from "@ringway/linux";
import { onAbort, throwIfAborted } from "../abort.ts";
import { type ErrorContext, errnoError, replyError, resetError } from "../errors.ts";
import type { Stream, StreamUser } from "./stream.ts";
import { isUnknown } from "./unknown.ts";

interface Call {
  /** Takes a reply; true: it was the last. */
  reply(frame: Frame): boolean;
  fail(error: Error): void;
}

interface Outgoing {
  readonly type: number;
  readonly id: number;
  readonly payload: Uint8Array;
}

export class Rpc implements StreamUser {
  readonly stream: Stream;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  readonly #calls: Map<number, Call> = new Map();
  readonly #onEnded: (rpc: Rpc) => void;
  #queue: Outgoing[] = [];
  /** 1 was the Open's. */
  #nextId = 2;
  #ended: Error | undefined;

  /** Takes the stream over. `onEnded` is called when no more calls can be made: it may be before this returns. */
  constructor(stream: Stream, onEnded: (rpc: Rpc) => void) {
    this.stream = stream;
    this.#onEnded = onEnded;
    this.#reader = new FrameReader(stream.pipe.toGuest);
    this.#writer = new FrameWriter(stream.pipe.toHost);
    stream.user = this;
    if (!stream.open) this.#end(resetError("read", stream.engine.ended));
    else stream.engine.touch(() => this.step());
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** One request and its one reply. */
  async call<T, R>(
    kind: Message<T>,
    value: T,
    reply: Message<R>,
    context: ErrorContext,
    signal?: AbortSignal | undefined,
  ): Promise<R> {
    let answer: R | undefined;
    await this.calls(kind, value, context, signal, (frame) => {
      if (frame.type !== reply.type) throw unexpected(frame);
      answer = reply.decode(frame.payload);
      return true;
    });
    return answer!;
  }

  /** One request and replies until `onReply` returns true. */
  calls<T>(
    kind: Message<T>,
    value: T,
    context: ErrorContext,
    signal: AbortSignal | undefined,
    onReply: (frame: Frame) => boolean,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      if (this.#ended !== undefined) throw this.#ended;
      const id = this.#nextId;
      const payload = kind.encode(value);
      if (payload.length > maxPayload(this.stream.pipe.toHost.capacity))
        throw errnoError(Errno.ENAMETOOLONG, context);
      this.#nextId = (id + 1) >>> 0 || 2;
      const { engine } = this.stream;
      engine.hold();
      let settled = false;
      const settle = (): boolean => {
        if (settled) return false;
        settled = true;
        stop();
        engine.unhold();
        return true;
      };
      const fail = (error: Error): void => {
        if (settle()) reject(error);
      };
      // The request is not taken back: only its reply is not waited for.
      const stop = onAbort(signal, fail);
      this.#calls.set(id, {
        fail,
        reply: (frame) => {
          if (frame.type === ErrorReply.type) {
            fail(replyError(ErrorReply.decode(frame.payload), context));
            return true;
          }
          if (!onReply(frame)) return false;
          if (settle()) resolve();
          return true;
        },
      });
      engine.touch(() => this.#send({ type: kind.type, id, payload }));
    });
  }

  step(): void {
    const { toGuest } = this.stream.pipe;
    for (;;) {
      const closed = toGuest.peerClosed();
      for (;;) {
        const frame = this.#reader.next(this.stream.signal);
        if (frame === undefined) break;
        const call = this.#calls.get(frame.requestId);
        if (call === undefined) {
          if (isUnknown(frame)) continue;
          throw new ProtocolError(
            Violation.FRAME_TYPE,
            "FRM-2",
            `a reply to request ${frame.requestId}, never made`,
          );
        }
        if (call.reply(frame)) this.#calls.delete(frame.requestId);
      }
      if (closed !== Closed.OPEN) {
        if (closed === Closed.END) this.#reader.end();
        this.stream.abort();
        this.#end(resetError("read"));
        return;
      }
      // A part of a frame may lie there: only a signal tells of the rest, and want-data stays set for it.
      const had = toGuest.readable();
      toGuest.wantData();
      if (toGuest.readable() === had && toGuest.peerClosed() === Closed.OPEN) break;
    }
    this.#flush();
  }

  lost(error: Error): void {
    this.#end(error);
  }

  /** Ends the stream, after the requests that were made. */
  close(): void {
    if (this.#ended !== undefined) return;
    this.stream.finish();
    this.#end(resetError("read"));
  }

  #end(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#queue = [];
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.fail(error);
    this.#onEnded(this);
  }

  #send(frame: Outgoing): void {
    if (this.#queue.length > 0 || !this.#write(frame)) this.#queue.push(frame);
  }

  #write({ type, id, payload }: Outgoing): boolean {
    const { toHost } = this.stream.pipe;
    while (!this.#writer.write(type, id, payload, this.stream.signal)) {
      if (!toHost.wantSpace(FRAME_HEADER_BYTES + payload.length)) return false;
      if (toHost.abandoned()) return false;
    }
    return true;
  }

  #flush(): void {
    let sent = 0;
    while (sent < this.#queue.length && this.#write(this.#queue[sent]!)) sent++;
    if (sent > 0) this.#queue.splice(0, sent);
    if (this.#queue.length === 0) this.stream.pipe.toHost.unwantSpace();
  }
}

/** A reply that does not belong to its request. */
export function unexpected(frame: Frame): ProtocolError {
  const type = `0x${frame.type.toString(16)}`;
  return new ProtocolError(Violation.FRAME_TYPE, "FRM-7", `a reply of type ${type} fits no request`);
}
