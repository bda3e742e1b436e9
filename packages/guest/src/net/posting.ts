// Streams that a listener has posted with the host ahead of connections (Accept), so that a connection costs no round
// trip.
//
//   being made ─ NewStream ─▶ to post ─ Accept ─▶ posted ─ Incoming ─▶ a connection's; another is made in its place
//                                                    └─ refused, broken ─▶ gone; another is made after RETRY_MS
//
// One object for each time that a server listens: what settles late is never another listener's.

import { setMaxListeners } from "node:events";
import {
  Accept,
  Closed,
  ErrorReply,
  FrameReader,
  FrameWriter,
  Incoming,
  type Message,
  ProtocolError,
  type Refusal,
  typeName,
  unixMessages,
  Violation,
} from "@ringway/control";
import { type ErrorContext, replyError, resetError } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { ringWish, STREAM_RINGS } from "../stream/room.ts";
import type { Stream } from "../stream/stream.ts";
import { isUnknown } from "../stream/unknown.ts";
import type { RawOpened } from "./raw-stream.ts";

/** The first frame of a connection: its type, and the clause that asks for it. */
export interface IncomingKind {
  readonly message: Pick<Message<unknown>, "type"> & { decode(payload: Uint8Array): RawOpened };
  readonly clause: string;
}
export const INCOMING: IncomingKind = { message: Incoming, clause: "LSN-3" };
export const UNIX_INCOMING: IncomingKind = { message: unixMessages.UnixIncoming, clause: "UNX-3" };

export interface PostingInit {
  readonly engine: Engine;
  /** The listener's own stream. */
  readonly listener: Stream;
  readonly context: ErrorContext;
  /** What the host sends when a connection comes. */
  readonly incoming: IncomingKind;
  /** Streams wanted ahead. */
  readonly acceptsAhead: number;
  readonly ringBytes: number | undefined;
  /** Takes the stream over. */
  onConnection(stream: Stream, endpoints: RawOpened): void;
  /** An accept failed, or a stream could not be made; others are. */
  onAcceptError(error: Error): void;
  /** The host listens no more. May call stop(). */
  onOver(error: Error): void;
}

const RETRY_MS = 100;

export class Posting {
  readonly #init: PostingInit;
  readonly #listener: Stream;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  readonly #stopping: AbortController = new AbortController();
  /** Shrinks where the host takes fewer. */
  #target: number;
  /** Streams being made, and those that the host has, by the Accept's request id. */
  #making = 0;
  readonly #posted: Map<number, Stream> = new Map();
  #toPost: Stream[] = [];
  #nextRequestId = 2;
  #retry: NodeJS.Timeout | undefined;

  /** Takes the listener's stream over. */
  constructor(init: PostingInit) {
    this.#init = init;
    this.#listener = init.listener;
    this.#target = init.acceptsAhead;
    this.#reader = new FrameReader(init.listener.pipe.toGuest);
    this.#writer = new FrameWriter(init.listener.pipe.toHost);
    // One for each stream that is being made.
    setMaxListeners(0, this.#stopping.signal);
    init.listener.user = { step: () => this.step(), lost: (error) => init.onOver(error) };
    this.#fillUp();
  }

  /**
   * Gives back what is posted. `reason`: why those that are being made are not. The listener's stream stays the
   * caller's.
   */
  stop(reason: Error): void {
    clearTimeout(this.#retry);
    this.#stopping.abort(reason);
    for (const each of [...this.#posted.values(), ...this.#toPost]) each.abort();
    this.#posted.clear();
    this.#toPost = [];
  }

  step(): void {
    if (this.#stopped()) return;
    const listener = this.#listener;
    const closed = listener.pipe.toGuest.peerClosed();
    for (;;) {
      const frame = this.#reader.next(listener.signal);
      if (frame === undefined) break;
      if (isUnknown(frame, ErrorReply.type)) continue;
      if (frame.type !== ErrorReply.type) {
        throw new ProtocolError(Violation.FRAME_TYPE, "LSN-2", `type ${typeName(frame.type)} on a listener`);
      }
      this.#onError(frame.requestId, ErrorReply.decode(frame.payload));
      if (this.#stopped()) return;
    }
    if (closed !== Closed.OPEN) {
      if (closed === Closed.END) this.#reader.end();
      this.#init.onOver(resetError("accept"));
      return;
    }
    this.#post();
  }

  #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  #onError(requestId: number, reply: Refusal): void {
    const error = replyError(reply, this.#init.context);
    const posted = this.#posted.get(requestId);
    if (posted !== undefined) {
      this.#posted.delete(requestId);
      posted.abort();
      if (this.#target > 1) this.#target--;
      this.#retryLater();
    }
    this.#init.onAcceptError(error);
  }

  /** Makes streams until as many as wanted are posted. */
  #fillUp(): void {
    const missing = this.#target - this.#posted.size - this.#toPost.length - this.#making;
    for (let i = 0; i < missing; i++) {
      this.#making++;
      this.#newStream().then(
        (stream) => {
          this.#making--;
          if (this.#stopped()) return stream.abort();
          this.#toPost.push(stream);
          stream.engine.touch(() => this.#post());
        },
        (error: Error) => {
          this.#making--;
          if (this.#stopped()) return;
          this.#retryLater();
          this.#init.onAcceptError(error);
        },
      );
    }
  }

  /** Waits for its turn, as every call does. */
  #newStream(): Promise<Stream> {
    const { control, room } = this.#init.engine;
    const wish = ringWish(this.#init.ringBytes, STREAM_RINGS);
    const { signal } = this.#stopping;
    return room.run("stream", () => control.newStream(wish, { syscall: "accept" }, signal), signal);
  }

  #retryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      if (!this.#stopped()) this.#fillUp();
    }, RETRY_MS).unref();
  }

  #post(): void {
    if (this.#stopped()) return;
    const { pipe, signal } = this.#listener;
    while (this.#toPost.length > 0) {
      const stream = this.#toPost[0]!;
      const requestId = this.#nextRequestId;
      const accept = { id: stream.pipe.id, generation: stream.pipe.generation };
      if (stream.open) {
        // Its Incoming may come at once.
        this.#expect(stream, requestId);
        while (!this.#writer.send(Accept, requestId, accept, signal)) {
          if (!pipe.toHost.wantSpace(64)) return;
        }
        this.#posted.set(requestId, stream);
        this.#nextRequestId = (requestId + 1) >>> 0 || 2;
      }
      this.#toPost.shift();
    }
    pipe.toHost.unwantSpace();
  }

  #expect(stream: Stream, requestId: number): void {
    const reader = new FrameReader(stream.pipe.toGuest);
    const { message, clause } = this.#init.incoming;
    stream.user = {
      lost: () => this.#posted.delete(requestId),
      step: () => {
        const closed = stream.pipe.toGuest.peerClosed();
        let frame = reader.next(stream.signal);
        while (frame !== undefined && isUnknown(frame, message.type)) frame = reader.next(stream.signal);
        if (frame === undefined) {
          if (closed === Closed.OPEN) return;
          if (closed === Closed.END) reader.end();
          this.#posted.delete(requestId);
          stream.abort();
          this.#retryLater();
          return;
        }
        if (frame.type !== message.type) {
          throw new ProtocolError(
            Violation.FRAME_TYPE,
            clause,
            `type ${typeName(frame.type)} on a posted stream`,
          );
        }
        const endpoints = message.decode(frame.payload);
        this.#posted.delete(requestId);
        this.#fillUp();
        this.#init.onConnection(stream, endpoints);
      },
    };
    stream.pipe.toGuest.wantData();
  }
}
