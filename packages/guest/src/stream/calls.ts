// Requests that wait for their replies: on the control pipe, and on a stream of frames (fs, file). The host answers in
// order; ids tell replies apart all the same.
//
//   call() ─ others wait, or no room in the ring ─▶ IN LINE ─ room ─▶ SENT ─ its last reply, or an error ─▶ settled
//      └──── room ───────────────────────────────────────────────▶ SENT
//
// An abort settles a call at any time. One that is in line then is never sent. One that is sent is not taken back: its
// replies are still taken, and lead nowhere, or to `onLate`.
//
// Invariant: every call keeps the process alive until it is settled, once; `#sent` has those whose last reply is to
// come.

import { ErrorReply, type Frame, type Message, ProtocolError, typeName, Violation } from "@ringway/control";
import { onAbort } from "../abort.ts";
import { cutOffError, type ErrorContext, replyError } from "../errors.ts";
import type { StreamEngine } from "./stream.ts";
import { isUnknown } from "./unknown.ts";

export interface Request<R> {
  readonly context: ErrorContext;
  readonly signal: AbortSignal | undefined;
  /** Puts it into the ring; its id, or undefined: there is no room. */
  send(): number | undefined;
  /** Takes a reply that is no error; the result, or undefined: more replies follow. Called after an abort, too. */
  onReply(frame: Frame): R | undefined;
  /** The result came after an abort. */
  onLate?(result: R): void;
}

/** A call without the type of its result. */
interface Pending {
  readonly settled: boolean;
  /** Takes a reply; true: it was the last. */
  take(frame: Frame): boolean;
  fail(error: Error): void;
}

interface InLine {
  readonly request: { send(): number | undefined };
  /** Nothing: no reply is waited for. */
  readonly call: Pending | undefined;
}

export class Calls {
  readonly #engine: StreamEngine;
  readonly #sent: Map<number, Pending> = new Map();
  #line: InLine[] = [];

  constructor(engine: StreamEngine) {
    this.#engine = engine;
  }

  /** How many wait for room in the ring. */
  get waiting(): number {
    return this.#line.length;
  }

  /** Not once the signal aborted: whoever calls has looked. Fails where the guest is detached, or is just ending. */
  call<R>(request: Request<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      const call = new Call(this.#engine, request, resolve, reject);
      this.#engine.touch(() => {
        try {
          this.#send(request, call);
        } catch (error) {
          call.fail(error as Error);
          // The host's mistake ends the guest; what the program asked for, and cannot be encoded, is its own.
          if (error instanceof ProtocolError) throw error;
        }
      });
      // As the engine ends, it tells one user after the other: one that is told may call on another, not told yet.
      const { ended } = this.#engine;
      if (ended !== undefined) call.fail(cutOffError(request.context.syscall, ended));
    });
  }

  /** Sends what has no reply, when it is its turn. */
  post(send: () => number | undefined): void {
    this.#send({ send }, undefined);
  }

  /** Gives a reply to its call. */
  take(frame: Frame): void {
    const call = this.#sent.get(frame.requestId);
    if (call === undefined) {
      if (isUnknown(frame)) return;
      throw neverMade(frame);
    }
    try {
      if (call.take(frame)) this.#sent.delete(frame.requestId);
    } catch (error) {
      this.#sent.delete(frame.requestId);
      call.fail(error as Error);
      throw error;
    }
  }

  /** There may be room in the ring: sends what waits. True: nothing waits any more. */
  flush(): boolean {
    let sent = 0;
    try {
      for (; sent < this.#line.length; sent++) {
        const { request, call } = this.#line[sent]!;
        if (!this.#trySend(request, call)) break;
      }
    } finally {
      // Also where the ring breaks the protocol in between: what is sent is sent once.
      if (sent > 0) this.#line.splice(0, sent);
    }
    return this.#line.length === 0;
  }

  /** No reply comes any more. */
  fail(error: Error): void {
    const inLine = this.#line.flatMap(({ call }) => call ?? []);
    const calls = [...this.#sent.values(), ...inLine];
    this.#sent.clear();
    this.#line = [];
    for (const call of calls) call.fail(error);
  }

  #send(request: InLine["request"], call: Pending | undefined): void {
    if (this.#line.length > 0 || !this.#trySend(request, call)) this.#line.push({ request, call });
  }

  #trySend(request: InLine["request"], call: Pending | undefined): boolean {
    if (call?.settled) return true;
    const id = request.send();
    if (id === undefined) return false;
    if (call !== undefined) this.#sent.set(id, call);
    return true;
  }
}

class Call<R> implements Pending {
  readonly #engine: StreamEngine;
  readonly #request: Request<R>;
  readonly #resolve: (result: R) => void;
  readonly #reject: (error: Error) => void;
  readonly #stop: () => void;
  #settled = false;

  constructor(
    engine: StreamEngine,
    request: Request<R>,
    resolve: (result: R) => void,
    reject: (error: Error) => void,
  ) {
    this.#engine = engine;
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
    engine.hold();
    this.#stop = onAbort(request.signal, (error) => this.fail(error));
  }

  get settled(): boolean {
    return this.#settled;
  }

  take(frame: Frame): boolean {
    const request = this.#request;
    if (frame.type === ErrorReply.type) {
      this.fail(replyError(ErrorReply.decode(frame.payload), request.context));
      return true;
    }
    const result = request.onReply(frame);
    if (result === undefined) return false;
    if (this.#settle()) this.#resolve(result);
    else request.onLate?.(result);
    return true;
  }

  fail(error: Error): void {
    if (this.#settle()) this.#reject(error);
  }

  /** False: it was settled before. */
  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#stop();
    this.#engine.unhold();
    return true;
  }
}

/** The reply as the only kind that fits its request. */
export function decodeReply<R>(frame: Frame, reply: Message<R>): R {
  if (frame.type === reply.type) return reply.decode(frame.payload);
  const what = `a reply of type ${typeName(frame.type)} fits no request`;
  throw new ProtocolError(Violation.FRAME_TYPE, "FRM-7", what);
}

/** A reply to a request that nobody waits for. */
export function neverMade({ requestId }: Frame): ProtocolError {
  return new ProtocolError(Violation.FRAME_TYPE, "FRM-2", `a reply to request ${requestId}, never made`);
}
