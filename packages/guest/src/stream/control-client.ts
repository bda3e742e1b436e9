// Requests on the control pipe, as promises.
//
// Replies come in order and carry the request's id. A request that does not fit the ring waits here for stream 0 to be signalled.

import {
  ErrorReply,
  type Frame,
  type Message,
  NewStream,
  ProtocolError,
  StreamInfo,
  Violation,
} from "@ringway/control";
import { onAbort, throwIfAborted } from "../abort.ts";
import { codeOf, type ErrorContext, replyError } from "../errors.ts";
import type { Engine } from "./engine.ts";
import { type Rings, type RingWish, SMALLEST_RING_BYTES } from "./room.ts";
import { Stream } from "./stream.ts";
import { isUnknown } from "./unknown.ts";

interface Pending {
  reply(frame: Frame): void;
  fail(error: Error): void;
}

interface Queued {
  /** False: no room. */
  send(): boolean;
  fail(error: Error): void;
}

/** Log lines that may wait for room before new ones are dropped. */
const LOG_QUEUE_MAX = 256;

export class ControlClient {
  readonly #engine: Engine;
  readonly #pending: Map<number, Pending> = new Map();
  #queue: Queued[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Sends a request; resolves with its reply. An abort drops the reply; `late` may still want it. */
  request<T, R>(
    kind: Message<T>,
    value: T,
    reply: Message<R>,
    context: ErrorContext,
    signal?: AbortSignal,
    late?: (value: R) => void,
  ): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#engine.check();
      throwIfAborted(signal);
      this.#engine.hold();
      let settled = false;
      const settle = (): boolean => {
        if (settled) return false;
        settled = true;
        stop();
        this.#engine.unhold();
        return true;
      };
      const fail = (error: Error): void => {
        if (settle()) reject(error);
      };
      const stop = onAbort(signal, fail);
      const pending: Pending = {
        fail,
        reply: (frame) => {
          if (frame.type === ErrorReply.type) {
            const error = replyError(ErrorReply.decode(frame.payload), context);
            if (settle()) reject(error);
          } else if (frame.type === reply.type) {
            const answer = reply.decode(frame.payload);
            if (settle()) resolve(answer);
            else late?.(answer);
          } else throw unexpected(frame);
        },
      };
      this.#enqueue({
        fail,
        send: () => {
          if (settled) return true;
          const id = this.#engine.session.send(kind, value);
          if (id === undefined) return false;
          this.#pending.set(id, pending);
          return true;
        },
      });
    });
  }

  /** Sends what has no reply. Dropped while too much waits already and `droppable`. */
  post<T>(kind: Message<T>, value: T, droppable: boolean): void {
    if (droppable && this.#queue.length >= LOG_QUEUE_MAX) return;
    this.#enqueue({ fail: () => {}, send: () => this.#engine.session.send(kind, value) !== undefined });
  }

  /** A fresh stream with rings that fit, smaller ones where the region has no room for them; none under `leastToHostBytes`. */
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
    const take = (info: StreamInfo): Stream => new Stream(this.#engine, this.#engine.session.openPipe(info));
    // The stream is taken up while the reply is in hand: a signal for it may be next in line.
    return this.request(NewStream, rings, tapped(take), context, signal, (late) => late.abort());
  }

  step(): void {
    for (;;) {
      const frame = this.#engine.session.nextReply();
      if (frame === undefined) break;
      const pending = this.#pending.get(frame.requestId);
      if (pending === undefined) {
        if (isUnknown(frame)) continue;
        throw new ProtocolError(
          Violation.FRAME_TYPE,
          "FRM-2",
          `a reply to request ${frame.requestId}, never made`,
        );
      }
      this.#pending.delete(frame.requestId);
      try {
        pending.reply(frame);
      } catch (error) {
        // It is in no table any more: nobody else would tell it.
        pending.fail(error as Error);
        throw error;
      }
      if (this.#engine.ended !== undefined) return;
    }
    this.#flush();
  }

  lost(error: Error): void {
    const waiting = [...this.#pending.values(), ...this.#queue];
    this.#pending.clear();
    this.#queue = [];
    for (const each of waiting) each.fail(error);
  }

  #enqueue(queued: Queued): void {
    if (this.#queue.length > 0 || !queued.send()) this.#queue.push(queued);
  }

  #flush(): void {
    let sent = 0;
    while (sent < this.#queue.length && this.#queue[sent]!.send()) sent++;
    if (sent > 0) this.#queue.splice(0, sent);
  }
}

function quarter({ toHostBytes, toGuestBytes }: Rings, least: Rings): Rings {
  return {
    toHostBytes: Math.max(least.toHostBytes, toHostBytes / 4),
    toGuestBytes: Math.max(least.toGuestBytes, toGuestBytes / 4),
  };
}

/** StreamInfo, turned into a stream while it is decoded. */
function tapped(take: (info: StreamInfo) => Stream): Message<Stream> {
  return {
    type: StreamInfo.type,
    name: StreamInfo.name,
    encode: () => new Uint8Array(),
    decode: (payload) => take(StreamInfo.decode(payload)),
  };
}

function unexpected(frame: Frame): ProtocolError {
  const type = `0x${frame.type.toString(16)}`;
  return new ProtocolError(Violation.FRAME_TYPE, "FRM-7", `a reply of type ${type} fits no request`);
}
