// One stream of one guest: its pipe, and the relay that serves it. The stream knows the life of the pipe (STR-7), the
// relay what the bytes mean.
//
//   opening relay -> (Open) -> the protocol's relay -> done -> closing: waits for the guest's closed words -> released

import {
  Closed,
  FrameReader,
  FrameWriter,
  type HostPipe,
  type Message,
  Opened,
  ProtocolError,
  type Refusal,
  Refused,
} from "@ringway/control";
import type { Task } from "../reactor/reactor.ts";
import type { Attachment } from "./attachment.ts";

/** What serves a stream: an explicit state machine. */
export interface Relay {
  /** The guest has sent nothing on the stream yet: a listener may have it (LSN-2). */
  readonly fresh?: true;
  /** Bytes are under way: a monitor that stops waits for it, within its limit. */
  readonly transfers?: true;
  /** The monitor is stopping: take nothing new. */
  drain?(): void;
  /** Goes on until it must wait or its budget is used. True: the budget is used; step again. */
  step(): boolean;
  /**
   * The stream ends now, whatever state it is in: close sockets and files, touch the rings no more. Called exactly once,
   * also after the relay itself has asked for the end.
   */
  dispose(): void;
}

export class Stream implements Task {
  readonly guest: Attachment;
  readonly pipe: HostPipe;
  queued = false;
  #relay: Relay | undefined;
  /** Of the guest's epochs. A stream of one before is void: whatever is done to it, its pipe is not touched. */
  readonly #epoch: number;
  /** The pipe's block is another stream's by now, or nobody's, or its words are garbage: it must not be looked at. */
  #over = false;
  #violated = false;
  /** An Open waits for its answer. */
  #opening = false;
  /** A disk worker has an address inside the pipe: its pages must not be given to another stream. */
  #pinned = false;

  constructor(guest: Attachment, pipe: HostPipe) {
    this.guest = guest;
    this.pipe = pipe;
    this.#epoch = guest.epoch;
  }

  get #released(): boolean {
    return this.#over || this.#epoch !== this.guest.epoch;
  }

  get id(): number {
    return this.pipe.id;
  }

  get relay(): Relay | undefined {
    return this.#relay;
  }

  /** Hands the stream to another relay, without ending the one before: that one has let go by itself. */
  become(relay: Relay): void {
    this.#relay = relay;
  }

  /** Look at the stream: its rings, its relay. Queues itself again when the relay's budget is used. */
  run(): void {
    const { guest, pipe } = this;
    if (this.#released || guest.held) return;
    if (!guest.mayRun) {
      guest.ready.put(this);
      return;
    }
    const before = this.#relay;
    const moved = pipe.toHost.position + pipe.toGuest.position;
    try {
      if (before === undefined) this.#releaseWhenThrough();
      else if (before.step() && this.#relay !== undefined) guest.ready.put(this);
    } catch (error) {
      this.failed(error);
    }
    const useful =
      pipe.toHost.position + pipe.toGuest.position !== moved || this.#relay !== before || this.#released;
    guest.worked(useful);
  }

  /** Work on this stream that an event, a timer or an answer calls for: now, or in the guest's turn (Attachment.perform). */
  perform(work: () => void): void {
    this.guest.perform(() => this.guard(work));
  }

  /** Runs what touches the rings outside of run(): a violation found there is this stream's. */
  guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.failed(error);
    }
  }

  /** Wakes the guest for this stream. */
  readonly signal = (): void => this.guest.signal(this.pipe.id);

  frames(): FrameReader {
    return new FrameReader(this.pipe.toHost);
  }

  writer(): FrameWriter {
    return new FrameWriter(this.pipe.toGuest);
  }

  /** Sends a frame that the caller knows to fit: the first on a ring. */
  send<T>(kind: Message<T>, requestId: number, value: T): boolean {
    return this.writer().send(kind, requestId, value, this.signal);
  }

  /** The guest's Open was taken and will be answered. False: it has too many requests under way. */
  beginOpen(): boolean {
    this.#opening = this.guest.beginRequest();
    return this.#opening;
  }

  #answered(): void {
    if (!this.#opening) return;
    this.#opening = false;
    this.guest.endRequest();
  }

  opened(requestId: number, body: Uint8Array): void {
    this.#answered();
    // Opened is its body and nothing else.
    this.writer().write(Opened.type, requestId, body, this.signal);
  }

  /** Refused, and the end of the stream (STR-2). A denial is in the audit log, whether or not somebody is there to be told. */
  refuse(requestId: number, refusal: Refusal): void {
    const answer = this.guest.answer(refusal);
    if (!this.#released) this.send(Refused, requestId, answer);
    this.end();
  }

  /** The relay is through, in order: no more bytes either way. */
  end(): void {
    if (this.#released) {
      this.abandon();
      return;
    }
    this.pipe.toGuest.end();
    this.#close();
  }

  /** The relay is through because something broke: the guest gets ECONNRESET. */
  reset(): void {
    if (this.#released) {
      this.abandon();
      return;
    }
    this.pipe.toGuest.reset();
    this.#close();
  }

  /** The guest broke a clause on this stream (STR-8), or serving it failed for a reason that is ours. */
  failed(error: unknown): void {
    if (!(error instanceof ProtocolError)) {
      this.guest.fail(error);
      return;
    }
    // One line for a stream, however often the same word is looked at.
    if (!this.#violated) this.guest.reportViolation(error, this.id);
    this.#violated = true;
    // Closed already, and yet not to be seen through: the pipe goes with the guest.
    if (this.#relay === undefined) this.#over = true;
    else if (!this.guest.gone) this.reset();
  }

  /** Keeps the pipe's pages from being given out again, whatever becomes of the stream, until unpin(). */
  pin(): void {
    this.#pinned = true;
    this.guest.pinned(1);
  }

  unpin(): void {
    this.#pinned = false;
    this.guest.pinned(-1);
    if (this.#relay === undefined && !this.guest.departed) this.run();
  }

  /** The guest is gone: the relay lets go, the pipe is void. */
  abandon(): void {
    const relay = this.#relay;
    this.#relay = undefined;
    this.#over = true;
    this.#answered();
    relay?.dispose();
  }

  #close(): void {
    this.#answered();
    this.pipe.toHost.close();
    const relay = this.#relay;
    this.#relay = undefined;
    relay?.dispose();
    this.signal();
    this.guest.streamEnded(this);
    try {
      this.#releaseWhenThrough();
    } catch (error) {
      this.failed(error);
    }
  }

  #releaseWhenThrough(): void {
    // Its guest may have gone with it, and the memory with the guest.
    if (this.#released || this.#pinned || !this.pipe.through()) return;
    this.#over = true;
    this.guest.release(this);
  }
}

/** Has the guest given this stream up: reset it, or both ended it and stopped reading? */
export function guestGaveUp(pipe: HostPipe): boolean {
  const closed = pipe.toHost.peerClosed();
  return closed === Closed.RESET || (closed === Closed.END && pipe.toGuest.abandoned());
}
