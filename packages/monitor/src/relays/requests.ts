// Requests on a framed stream, one at a time and in order: take a frame, serve it now or on disk, send the reply, go on.
// Base of the file and fs relays.
//
//   IDLE ─ frame ─▶ serve() ─ reply() ─▶ IDLE            BUSY ─ END seen meanwhile: after the reply
//                     └─ onDisk ─▶ BUSY ─ reply() ─▶ IDLE

import {
  Closed,
  Errno,
  ErrorReply,
  FROM_HOST,
  type Frame,
  type FrameReader,
  type FrameWriter,
  type Message,
  ProtocolError,
  Violation,
} from "@ringway/control";
import type { DiskOperation, DiskResult } from "../disk/operations.ts";
import { guestGaveUp, type Relay, type Stream } from "../reactor/stream.ts";
import { type Failure, onDisk } from "./file-access.ts";

/** Requests served in one step before others get their turn. */
const BUDGET = 32;

interface Reply {
  readonly type: number;
  readonly requestId: number;
  readonly payload: Uint8Array;
}

export abstract class RequestRelay implements Relay {
  protected readonly stream: Stream;
  readonly #requests: FrameReader;
  readonly #replies: FrameWriter;
  /** Replies that wait for room, in order: one, or the frames of one listing. No request is taken while they wait. */
  readonly #waiting: Reply[] = [];
  #busy = false;
  #ending = false;
  #disposed = false;

  constructor(stream: Stream) {
    this.stream = stream;
    this.#requests = stream.frames();
    this.#replies = stream.writer();
  }

  /** Serves one request: by reply(), fail(), or disk() whose callback does. */
  protected abstract serve(frame: Frame): void;
  /** The stream is over and nothing of it is under way on disk: let go of what the relay holds. */
  protected abstract letGo(): void;

  step(): boolean {
    const { pipe } = this.stream;
    if (pipe.toHost.peerClosed() === Closed.RESET) {
      this.stream.reset();
      return false;
    }
    for (let budget = BUDGET; !this.#busy && this.#flush(); budget--) {
      if (budget === 0) return true;
      if (this.#ending) {
        this.stream.end();
        return false;
      }
      const frame = this.#requests.next(this.stream.signal);
      if (frame === undefined) {
        if (pipe.toHost.peerClosed() !== Closed.OPEN || guestGaveUp(pipe)) this.stream.end();
        return false;
      }
      this.serve(frame);
      if (this.#disposed) return false;
    }
    return false;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (!this.#busy) this.letGo();
  }

  protected reply<T>(kind: Message<T>, requestId: number, value: T): void {
    this.#waiting.push({ type: kind.type, requestId, payload: kind.encode(value) });
  }

  protected fail(requestId: number, { errno, rule, reason }: Failure): void {
    this.reply(ErrorReply, requestId, this.stream.error(errno, rule, reason));
  }

  /** Works on disk; no request is taken until `done` has been called. */
  protected disk(operation: DiskOperation, done: (result: DiskResult) => void): void {
    this.#busy = true;
    onDisk(this.stream.guest, operation, (result) => {
      this.#busy = false;
      if (this.#disposed) {
        this.letGo();
        return;
      }
      done(result);
      this.stream.run();
    });
  }

  /** The host ends once its replies are sent: no request is served any more. */
  protected endAfterReplies(): void {
    this.#ending = true;
  }

  /** A request of a type that this protocol does not have (FRM-4, FRM-7). */
  protected unknown(requestId: number, type: number): void {
    if ((type & FROM_HOST) !== 0)
      throw new ProtocolError(Violation.FRAME_TYPE, "FRM-4", `a guest sent type ${type}`);
    this.fail(requestId, {
      errno: Errno.ENOSYS,
      rule: "",
      reason: `the host does not know message type ${type} here`,
    });
  }

  #flush(): boolean {
    const { toGuest } = this.stream.pipe;
    while (this.#waiting.length > 0) {
      const { type, requestId, payload } = this.#waiting[0]!;
      if (toGuest.abandoned() || this.#replies.write(type, requestId, payload, this.stream.signal)) {
        this.#waiting.shift();
      } else if (!toGuest.wantSpace(payload.length + 12)) return false;
    }
    toGuest.unwantSpace();
    return true;
  }
}
