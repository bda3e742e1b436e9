// Requests and replies as frames on a stream of its own: fs and file.
//
// A request that does not fit the ring waits for the stream to be signalled.

import {
  Closed,
  FRAME_HEADER_BYTES,
  type Frame,
  FrameReader,
  FrameWriter,
  type Message,
  maxPayload,
} from "@ringway/control";
import { Errno } from "@ringway/linux";
import { throwIfAborted } from "../abort.ts";
import { cutOffError, type ErrorContext, errnoError, resetError } from "../errors.ts";
import { Calls, decodeReply } from "./calls.ts";
import type { Stream, StreamUser } from "./stream.ts";

/** More of one call. */
export interface CallExtras<R> {
  /** It is in the ring, as the request with this id. */
  onSent?(id: number): void;
  /** The result came after an abort. */
  onLate?(result: R): void;
}

export class Rpc implements StreamUser {
  readonly stream: Stream;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  readonly #calls: Calls;
  readonly #onEnded: (rpc: Rpc) => void;
  readonly #onEvent: ((frame: Frame) => void) | undefined;
  /** 1 was the Open's. */
  #nextId = 2;
  #ended: Error | undefined;

  /**
   * Takes the stream over. `onEnded` is called when no more calls can be made: it may be before this returns; `onEvent`
   * for what the host says on its own account, request id 0.
   */
  constructor(stream: Stream, onEnded: (rpc: Rpc) => void, onEvent?: (frame: Frame) => void) {
    this.stream = stream;
    this.#onEnded = onEnded;
    this.#onEvent = onEvent;
    this.#reader = new FrameReader(stream.pipe.toGuest);
    this.#writer = new FrameWriter(stream.pipe.toHost);
    this.#calls = new Calls(stream.engine);
    stream.user = this;
    if (!stream.open) this.#end(cutOffError("read", stream.engine.ended));
    else stream.engine.touch(() => this.step());
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** One request and its one reply. */
  call<T, R>(
    kind: Message<T>,
    value: T,
    reply: Message<R>,
    context: ErrorContext,
    signal?: AbortSignal | undefined,
  ): Promise<R> {
    return this.calls(kind, value, context, signal, (frame) => decodeReply(frame, reply));
  }

  /** One request, and replies until `onReply` has a result. */
  async calls<T, R>(
    kind: Message<T>,
    value: T,
    context: ErrorContext,
    signal: AbortSignal | undefined,
    onReply: (frame: Frame) => R | undefined,
    { onSent, onLate }: CallExtras<R> = {},
  ): Promise<R> {
    throwIfAborted(signal);
    if (this.#ended !== undefined) throw this.#ended;
    const payload = kind.encode(value);
    if (payload.length > maxPayload(this.stream.pipe.toHost.capacity)) {
      throw errnoError(Errno.ENAMETOOLONG, context);
    }
    const send = (): number | undefined => {
      const id = this.#send(kind.type, payload);
      if (id !== undefined) onSent?.(id);
      return id;
    };
    return await this.#calls.call({ context, signal, send, onReply, ...(onLate && { onLate }) });
  }

  step(): void {
    const { toGuest } = this.stream.pipe;
    for (;;) {
      const closed = toGuest.peerClosed();
      for (;;) {
        const frame = this.#reader.next(this.stream.signal);
        if (frame === undefined) break;
        if (frame.requestId === 0 && this.#onEvent !== undefined) this.#onEvent(frame);
        else this.#calls.take(frame);
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
    if (this.#calls.flush()) this.stream.pipe.toHost.unwantSpace();
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
    this.#calls.fail(error);
    this.#onEnded(this);
  }

  /** The request's id; undefined: the ring has no room for it. */
  #send(type: number, payload: Uint8Array): number | undefined {
    const { toHost } = this.stream.pipe;
    const id = this.#nextId;
    while (!this.#writer.write(type, id, payload, this.stream.signal)) {
      if (!toHost.wantSpace(FRAME_HEADER_BYTES + payload.length)) return undefined;
      if (toHost.abandoned()) return undefined;
    }
    this.#nextId = (id + 1) >>> 0 || 2;
    return id;
  }
}
