// Requests on the control pipe, as promises, and the fresh streams that they give.
//
// A request that does not fit the ring waits for stream 0 to be signalled.

import { type GuestSession, type Message, NewStream, StreamInfo } from "@ringway/control";
import { throwIfAborted } from "../abort.ts";
import { codeOf, type ErrorContext } from "../errors.ts";
import { Calls, decodeReply } from "./calls.ts";
import { type Rings, type RingWish, type Room, SMALLEST_RING_BYTES } from "./room.ts";
import { Stream, type StreamEngine } from "./stream.ts";

/** What the control pipe asks of its guest's engine. */
export interface ControlEngine extends StreamEngine {
  readonly session: GuestSession;
  readonly room: Room;
  /** Throws where the guest is detached. */
  check(): void;
}

/** Log lines that may wait for room before new ones are dropped. */
const LOG_QUEUE_MAX = 256;

export class ControlClient {
  readonly #engine: ControlEngine;
  readonly #calls: Calls;

  constructor(engine: ControlEngine) {
    this.#engine = engine;
    this.#calls = new Calls(engine);
  }

  /** Sends a request; resolves with its reply. An abort drops the reply. */
  async request<T, R>(
    kind: Message<T>,
    value: T,
    reply: Message<R>,
    context: ErrorContext,
    signal?: AbortSignal,
  ): Promise<R> {
    this.#engine.check();
    throwIfAborted(signal);
    return await this.#calls.call({
      context,
      signal,
      send: () => this.#engine.session.send(kind, value),
      onReply: (frame) => decodeReply(frame, reply),
    });
  }

  /** Sends what has no reply. Dropped while too much waits already and `droppable`. */
  post<T>(kind: Message<T>, value: T, droppable: boolean): void {
    if (droppable && this.#calls.waiting >= LOG_QUEUE_MAX) return;
    this.#calls.post(() => this.#engine.session.send(kind, value));
  }

  /**
   * A fresh stream with rings that fit, smaller ones where the region has no room for them; none under
   * `leastToHostBytes`.
   */
  async newStream(
    wish: RingWish,
    context: ErrorContext,
    signal?: AbortSignal,
    leastToHostBytes: number = SMALLEST_RING_BYTES,
  ): Promise<Stream> {
    const { room } = this.#engine;
    const least = { toHostBytes: leastToHostBytes, toGuestBytes: SMALLEST_RING_BYTES };
    for (let rings = room.fit(wish, least); ; rings = quarter(rings, least)) {
      room.take(rings);
      try {
        this.#engine.check();
        throwIfAborted(signal);
        return await this.#newStream(rings, context, signal);
      } catch (error) {
        const noRoom = codeOf(error) === "ENOMEM";
        const smallest = rings.toHostBytes <= least.toHostBytes && rings.toGuestBytes <= least.toGuestBytes;
        if (!noRoom || smallest) throw error;
      } finally {
        room.give(rings, undefined);
      }
    }
  }

  #newStream(rings: Rings, context: ErrorContext, signal: AbortSignal | undefined): Promise<Stream> {
    const engine = this.#engine;
    return this.#calls.call({
      context,
      signal,
      send: () => engine.session.send(NewStream, rings),
      // The stream is taken up while the reply is in hand: a signal for it may be next in line.
      onReply: (frame) => new Stream(engine, engine.session.openPipe(decodeReply(frame, StreamInfo))),
      onLate: (stream) => stream.abort(),
    });
  }

  step(): void {
    for (;;) {
      const frame = this.#engine.session.nextReply();
      if (frame === undefined) break;
      this.#calls.take(frame);
      if (this.#engine.ended !== undefined) return;
    }
    this.#calls.flush();
  }

  lost(error: Error): void {
    this.#calls.fail(error);
  }
}

function quarter({ toHostBytes, toGuestBytes }: Rings, least: Rings): Rings {
  return {
    toHostBytes: Math.max(least.toHostBytes, toHostBytes / 4),
    toGuestBytes: Math.max(least.toGuestBytes, toGuestBytes / 4),
  };
}
