// Requests on a framed stream, one at a time and in order: take a frame, serve it now or on disk, send the reply, go
// on. Base of the file and fs relays.
//
//   IDLE ─ frame ─▶ serve() ─ reply() ─▶ IDLE            BUSY ─ END seen meanwhile: after the reply
//                     └─ disk() ─▶ BUSY ─ reply() ─▶ IDLE, or what afterReplies() named

import {
  Closed,
  type Frame,
  type FrameReader,
  fileMessages,
  type Message,
  type Refusal,
} from "@ringway/control";
import type { DiskOperation, DiskResult } from "../../disk/operations.ts";
import type { Relay } from "../../guests/relay.ts";
import type { Stream } from "../../guests/stream.ts";
import type { RelayHost } from "../host.ts";
import { Replies } from "../replies.ts";
import { type DiskWork, onDisk } from "./access.ts";

/** Requests served in one step before others get their turn. */
const BUDGET = 32;

/** Gives back what it holds, so it is served however many requests are under way. */
const CLOSE = fileMessages.Close.type;

export abstract class RequestRelay implements Relay {
  protected readonly host: RelayHost;
  protected readonly stream: Stream;
  readonly #signal: () => void;
  readonly #requests: FrameReader;
  /** One at the most, because nothing else is begun while it waits. */
  readonly #replies: Replies;
  #work: DiskWork | undefined;
  #workOver: ((result?: DiskResult) => void) | undefined;
  /** A request counts: one that a worker has, or whose reply waits for room in the ring (LIM-1). */
  #counts = false;
  #afterReplies: (() => void) | undefined;
  #disposed = false;

  constructor(host: RelayHost, stream: Stream) {
    this.host = host;
    this.stream = stream;
    this.#signal = stream.signaller();
    this.#requests = stream.frames();
    this.#replies = new Replies(stream);
  }

  /** Serves one request: by reply(), fail(), or disk() whose callback does. */
  protected abstract serve(frame: Frame): void;
  /**
   * The stream is over and nothing of it is under way on disk: let go of what the relay holds, and of what `last`, work
   * that ended after the stream, gave.
   */
  protected abstract letGo(last?: DiskResult): void;

  step(): boolean {
    const { toHost } = this.stream.pipe;
    for (let budget = BUDGET; ; budget--) {
      // Before the ring: what was put before END is there once END is seen (RING-6).
      const closed = toHost.peerClosed();
      if (closed === Closed.RESET) {
        this.stream.reset();
        return false;
      }
      if (this.#work !== undefined) return false;
      if (!this.#replies.flush()) {
        this.#count();
        return false;
      }
      this.#countsNoMore();
      if (budget === 0 || !this.stream.guest.share.mayGoOn()) return true;
      if (this.#afterReplies !== undefined) {
        const next = this.#afterReplies;
        this.#afterReplies = undefined;
        next();
      } else {
        const frame = this.#requests.next(this.#signal);
        if (frame === undefined) {
          if (closed === Closed.END) {
            this.#requests.end();
            this.stream.end();
          }
          return false;
        }
        const tooMany = frame.type === CLOSE ? undefined : this.stream.guest.budget.tooManyRequests;
        if (tooMany === undefined) this.serve(frame);
        else this.fail(frame.requestId, tooMany);
      }
      if (this.#disposed) return false;
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    // What a worker has goes on.
    if (this.#work !== undefined && !this.#work.cancel()) return;
    if (this.#work !== undefined) this.#worked();
    this.#countsNoMore();
    this.letGo();
  }

  /** The stream is over: nobody reads a reply. */
  protected get isOver(): boolean {
    return this.#disposed;
  }

  protected reply<T>(kind: Message<T>, requestId: number, value: T): void {
    this.#replies.reply(kind, requestId, value);
  }

  protected replyEncoded(type: number, requestId: number, payload: Uint8Array): void {
    this.#replies.put(type, requestId, payload);
  }

  protected fail(requestId: number, refusal: Refusal): void {
    this.#replies.fail(requestId, refusal);
  }

  /**
   * Works on disk; no request is taken until `done` has been called. `over` gives back what was taken for it: it is
   * called once on every way out, also when the stream is over, and without a result where no worker has begun.
   */
  protected disk(
    operation: DiskOperation,
    done: (result: DiskResult) => void,
    over?: (result?: DiskResult) => void,
  ): void {
    this.#count();
    this.#workOver = over;
    this.#work = onDisk(this.host, this.stream, operation, (result) => {
      this.#worked(result);
      if (this.#disposed) {
        this.#countsNoMore();
        this.letGo(result);
        return;
      }
      done(result);
      this.stream.run();
    });
  }

  #worked(result?: DiskResult): void {
    this.#work = undefined;
    this.#workOver?.(result);
  }

  #count(): void {
    if (!this.#counts) this.stream.guest.budget.takeWork();
    this.#counts = true;
  }

  #countsNoMore(): void {
    if (this.#counts) this.stream.guest.budget.giveWork();
    this.#counts = false;
  }

  /** What to do, before the next request is taken, once the replies so far are sent. */
  protected afterReplies(next: () => void): void {
    this.#afterReplies = next;
  }
}
