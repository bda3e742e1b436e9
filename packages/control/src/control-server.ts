// The host's end of the control pipe, for one epoch: takes requests, asks the host program, sends replies in their
// order (PROTOCOL.md sections 8 and 9).
//
//                          ┌── mayServe() says no, budget used, makeRoom() must wait ── step() again
//   next request ── serve ─┤
//        ▲                 └── reply ── fits the ring ── next request
//        │                        └──── does not: waits for space; no request is taken meanwhile
//
// So at most one reply waits here, however many requests lie in the ring.
//
// Each stream costs a NewStream and a StreamInfo: those are read and written where they lie, word by word.

import { decodeExit, decodePing, requireFromGuest } from "./control-requests.ts";
import { Errno, ProtocolError, Violation } from "./errors.ts";
import { type Frame, FrameReader, FrameWriter, maxPayload } from "./frame.ts";
import { invariant } from "./invariant.ts";
import { Closed } from "./layout.ts";
import { CONTROL_RING_BYTES, FRAME_HEADER_BYTES } from "./limits.ts";
import type { RegionMemory } from "./memory.ts";
import { ErrorReply } from "./messages/common.ts";
import {
  type Args,
  Args as ArgsMessage,
  Exit,
  Explain,
  GetArgs,
  Log,
  NewStream,
  Ping,
  Pong,
  StreamInfo,
  type Verdict,
  Verdict as VerdictMessage,
} from "./messages/control.ts";
import { HostPipe, type PipePlace } from "./pipe.ts";
import { type Message, typeName } from "./wire.ts";

/** What the control pipe asks of the host program. */
export interface ControlHandler {
  /** Encoded once for each object: one that was given is not changed. */
  getArgs(): Args;
  /** A line of the guest's: any level (CTL-5), at most 8192 bytes of text. */
  log(level: number, text: string): void;
  /** The guest's program has ended, with 0 to 255. The region stays in use. */
  exit(code: number): void;
  /** Would an Open be allowed? May throw ProtocolError for a body that no Open can have (CTL-7). */
  explain(protocol: number, body: Uint8Array): Verdict;
  /**
   * A NewStream found no room: looks at every stream that is pending, because what the guest closed before it asked
   * makes room (CTL-3). False: some of them must wait for their turn; the request is served anew by the next
   * stepControl(), which is not called before that.
   */
  makeRoom(): boolean;
  /** Asked before each request: may it be served now? Where not, stepControl() is to be called again. */
  mayServe?(): boolean;
  /** A stream was refused, with this errno (CTL-3): to be counted. */
  refusedStream?(errno: number): void;
}

/** Gives out streams: the session. */
export interface StreamOpener {
  /** The stream, or the errno that refuses it. */
  openStream(toHostBytes: number, toGuestBytes: number): HostPipe | number;
}

/** Payloads of NewStream and StreamInfo. */
const NEW_STREAM_BYTES = 8;
const STREAM_INFO_BYTES = 20;

/** A NewStream that is served anew when all that was pending has been looked at. */
interface Again {
  readonly requestId: number;
  readonly toHostBytes: number;
  readonly toGuestBytes: number;
}

export class ControlServer {
  readonly #pipe: HostPipe;
  readonly #opener: StreamOpener;
  /** Signals stream 0. */
  readonly #signal: () => void;
  readonly #requests: FrameReader;
  readonly #replies: FrameWriter;
  /** A reply that waits for room. */
  #reply: Frame | undefined;
  /** A NewStream that waits for streams to be looked at. */
  #again: Again | undefined;

  /** On a block that was initialised (PIPE-2). */
  constructor(memory: RegionMemory, place: PipePlace, opener: StreamOpener, signal: () => void) {
    this.#pipe = new HostPipe(memory, 0, 0, place);
    this.#opener = opener;
    this.#signal = signal;
    this.#requests = new FrameReader(this.#pipe.toHost);
    this.#replies = new FrameWriter(this.#pipe.toGuest);
    // Set for good: whenever requests.next() finds no whole frame, the guest already knows that it must signal.
    this.#pipe.toHost.wantData();
  }

  /** Moves whenever the pipe does: both of its positions, as one number. */
  get moved(): number {
    return this.#pipe.toHost.position + this.#pipe.toGuest.position;
  }

  /**
   * Serves requests until there are none, `budget` of them are served, mayServe() says no, a reply waits for room, or
   * makeRoom() says that a request must. True: there is more to do. Throws ProtocolError for what no guest may send
   * (FRM-3, FRM-4, FRM-6, CTL-1, CTL-5, CTL-6); that ends the guest.
   */
  step(handler: ControlHandler, budget: number): boolean {
    const { toHost, toGuest } = this.#pipe;
    for (;;) {
      if (!this.#sendReply()) {
        if (!toGuest.wantSpace(FRAME_HEADER_BYTES + this.#reply!.payload.length)) return false;
        // A guest that reads no more would never give the space.
        if (toGuest.abandoned()) throw controlClosed();
        continue;
      }
      toGuest.unwantSpace();
      if (budget-- === 0 || handler.mayServe?.() === false) return true;
      const served = this.#next(handler);
      if (served === undefined) break;
      if (!served) return true;
    }
    if (toHost.peerClosed() !== Closed.OPEN || toGuest.abandoned()) throw controlClosed();
    return false;
  }

  /** Throws BrokenInvariant. */
  invariants(): void {
    this.#pipe.invariants();
    invariant(
      this.#reply === undefined || this.#again === undefined,
      "no request is taken while a reply waits",
    );
    invariant(this.#pipe.toHost.wantsData, "the guest always knows that it must signal");
    invariant(
      !this.#pipe.toHost.closed && this.#pipe.toGuest.closed === Closed.OPEN,
      "the control pipe is open",
    );
  }

  #sendReply(): boolean {
    const reply = this.#reply;
    if (reply === undefined) return true;
    if (!this.#replies.write(reply.type, reply.requestId, reply.payload, this.#signal)) return false;
    this.#reply = undefined;
    return true;
  }

  /** Serves the next request. False: it must wait, and is served anew. Undefined: there is none. */
  #next(handler: ControlHandler): boolean | undefined {
    const requests = this.#requests;
    if (this.#again !== undefined) {
      const { requestId, toHostBytes, toGuestBytes } = this.#again;
      this.#again = undefined;
      return this.#newStream(requestId, toHostBytes, toGuestBytes, handler, false);
    }
    if (requests.nextIs(NewStream.type, NEW_STREAM_BYTES)) {
      const requestId = requests.requestId();
      const toHostBytes = requests.word(0);
      const toGuestBytes = requests.word(1);
      requests.skip(NEW_STREAM_BYTES, this.#signal);
      return this.#newStream(requestId, toHostBytes, toGuestBytes, handler, true);
    }
    const frame = requests.next(this.#signal);
    if (frame === undefined) return undefined;
    if (frame.type === NewStream.type) {
      // Of another length, for which this throws; or the guest has written it a moment ago.
      const { toHostBytes, toGuestBytes } = NewStream.decode(frame.payload);
      return this.#newStream(frame.requestId, toHostBytes, toGuestBytes, handler, true);
    }
    this.#reply = this.#serve(frame, handler);
    return true;
  }

  /** The reply, if there is one. */
  #serve({ type, requestId, payload }: Frame, handler: ControlHandler): Frame | undefined {
    switch (type) {
      case GetArgs.type: {
        GetArgs.decode(payload);
        return replyFrame(ArgsMessage, requestId, argsPayload(handler.getArgs()));
      }
      case Log.type: {
        const { level, text } = Log.decode(payload);
        handler.log(level, text);
        return undefined;
      }
      case Exit.type: {
        handler.exit(decodeExit(payload));
        return undefined;
      }
      case Ping.type:
        return { type: Pong.type, requestId, payload: decodePing(payload) };
      case Explain.type: {
        const { protocol, body } = Explain.decode(payload);
        const verdict = payloadOf(VerdictMessage, handler.explain(protocol, body));
        return replyFrame(VerdictMessage, requestId, verdict);
      }
      default:
        requireFromGuest(type);
        return errorFrame(requestId, Errno.ENOSYS, `the host does not know message type ${typeName(type)}`);
    }
  }

  /** False, where it `mayWait`: there may be room for it later. */
  #newStream(
    requestId: number,
    toHostBytes: number,
    toGuestBytes: number,
    handler: ControlHandler,
    mayWait: boolean,
  ): boolean {
    let pipe = this.#opener.openStream(toHostBytes, toGuestBytes);
    if (mayWait && (pipe === Errno.EMFILE || pipe === Errno.ENOMEM)) {
      if (!handler.makeRoom()) {
        this.#again = { requestId, toHostBytes, toGuestBytes };
        return false;
      }
      pipe = this.#opener.openStream(toHostBytes, toGuestBytes);
    }
    if (typeof pipe === "number") {
      handler.refusedStream?.(pipe);
      this.#reply = errorFrame(requestId, pipe, newStreamReason(pipe));
    } else this.#tell(requestId, pipe);
    return true;
  }

  #tell(requestId: number, { id, generation, place }: HostPipe): void {
    if (!this.#replies.fits(STREAM_INFO_BYTES)) {
      const payload = StreamInfo.encode({ id, generation, ...place });
      this.#reply = { type: StreamInfo.type, requestId, payload };
      return;
    }
    const { toGuest } = this.#pipe;
    toGuest.putU32(id, FRAME_HEADER_BYTES);
    toGuest.putU32(generation, FRAME_HEADER_BYTES + 4);
    toGuest.putU32(place.page, FRAME_HEADER_BYTES + 8);
    toGuest.putU32(place.toHostBytes, FRAME_HEADER_BYTES + 12);
    toGuest.putU32(place.toGuestBytes, FRAME_HEADER_BYTES + 16);
    this.#replies.publish(StreamInfo.type, requestId, STREAM_INFO_BYTES, this.#signal);
  }
}

function newStreamReason(errno: number): string {
  if (errno === Errno.EMFILE) return "the limit of streams is reached";
  if (errno === Errno.ESHUTDOWN) return "the monitor is stopping";
  return "the region has no room for a stream of this size";
}

function controlClosed(): ProtocolError {
  return new ProtocolError(Violation.STREAM_STATE, "CTL-1", "the control pipe was closed");
}

/** A reply whose contents come from the host program: what no frame of this ring can carry is told as an error. */
function replyFrame<T>(kind: Message<T>, requestId: number, payload: Uint8Array | undefined): Frame {
  if (payload !== undefined) return { type: kind.type, requestId, payload };
  return errorFrame(requestId, Errno.EOVERFLOW, `the host's ${kind.name} does not fit a frame`);
}

/** Undefined: it does not fit. */
function payloadOf<T>(kind: Message<T>, value: T): Uint8Array | undefined {
  try {
    const payload = kind.encode(value);
    return payload.length <= maxPayload(CONTROL_RING_BYTES) ? payload : undefined;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return undefined;
  }
}

/** Of the same Args, the same payload: it may be long, and a guest may ask for it again and again. */
const argsPayloads: WeakMap<Args, Uint8Array | undefined> = new WeakMap();

function argsPayload(args: Args): Uint8Array | undefined {
  if (!argsPayloads.has(args)) argsPayloads.set(args, payloadOf(ArgsMessage, args));
  return argsPayloads.get(args);
}

function errorFrame(requestId: number, errno: number, reason: string): Frame {
  return { type: ErrorReply.type, requestId, payload: ErrorReply.encode({ errno, rule: "", reason }) };
}
