// One open stream, whatever it carries: a pipe, its signals, and how it ends.
//
// Invariant: `pipe` is touched only while `open`, and not once the engine has ended; the second closed word is followed
// by one signal and nothing else (STR-7).
//
// A stream that ended well lingers: its bytes wait in the region, and would be lost if this guest left before the host
// has taken them. So the second closed word waits until the host has closed `toHost`, or has stood still for a second.

import { Closed, type GuestPipe } from "@ringway/control";
import type { Resource, Rings } from "./room.ts";

/** What a stream, and who uses it, asks of its guest's engine. */
export interface StreamEngine {
  /** Why the guest is not attached any more; undefined while it is. */
  readonly ended: Error | undefined;
  addStream(stream: Stream): void;
  /** `held`: what of the host's came back with it; nothing: it was a call's try to find room. */
  removeStream(stream: Stream, held: Resource | undefined): void;
  /** The host has something to do on this stream. */
  signal(id: number): void;
  /** Steps the stream again, after others had their turn. */
  stepAgain(stream: Stream): void;
  /** Runs what touches the region, unless the guest is detached; a violation found there ends the guest. */
  touch(work: () => void): void;
  /** Something is in progress that keeps the process alive; once for each hold() it is over. */
  hold(): void;
  unhold(): void;
  /** One more, or one less, ends and waits for the host to take its last bytes. */
  linger(by: 1 | -1): void;
}

/** What runs over a stream. */
export interface StreamUser {
  /** Something changed in one of the rings. Must come to rest: what it cannot do now, it waits for. */
  step(): void;
  /** The guest is detached: the pipe must not be touched any more. */
  lost(error: Error): void;
}

const LINGER_MS = 1000;

export class Stream {
  readonly engine: StreamEngine;
  readonly pipe: GuestPipe;
  readonly id: number;
  readonly rings: Rings;
  user: StreamUser | undefined;
  /** What of the host's comes back when this ends. */
  holds: Resource = "stream";
  #open = true;
  #linger: NodeJS.Timeout | undefined;
  #lingerSpace = -1;
  #onOver: (() => void) | undefined;
  readonly signal: () => void;

  constructor(engine: StreamEngine, pipe: GuestPipe) {
    this.engine = engine;
    this.pipe = pipe;
    this.id = pipe.id;
    this.rings = { toHostBytes: pipe.toHost.capacity, toGuestBytes: pipe.toGuest.capacity };
    this.signal = (): void => engine.signal(this.id);
    engine.addStream(this);
  }

  /** May the pipe be touched? */
  get open(): boolean {
    return this.#open;
  }

  step(): void {
    if (this.#linger !== undefined) this.#stepLinger();
    else this.user?.step();
  }

  /** No more bytes follow; those that were put still go out. */
  end(): void {
    if (!this.#open || this.engine.ended !== undefined) return;
    this.pipe.toHost.unwantSpace();
    this.pipe.toHost.end();
    this.signal();
  }

  /** Through with both directions, in peace. `onOver` is called once the host has taken the end, or will not. */
  finish(onOver: () => void = () => {}): void {
    if (!this.#open || this.#linger !== undefined) {
      onOver();
      return;
    }
    this.user = undefined;
    this.#onOver = onOver;
    this.engine.touch(() => {
      this.end();
      if (this.#taken()) return this.#release();
      this.engine.hold();
      this.engine.linger(1);
      this.#lingerSpace = this.pipe.toHost.writable();
      this.#linger = setInterval(() => this.engine.touch(() => this.#tickLinger()), LINGER_MS);
      this.#stepLinger();
    });
  }

  /** Breaks both directions at once. `makesRoom`: it was more than a call's try to find room. */
  abort(makesRoom = true): void {
    if (!this.#open) return;
    this.user = undefined;
    this.#stopLinger();
    // The engine is ending: lost() comes next.
    if (this.engine.ended !== undefined) return;
    this.pipe.toHost.reset();
    this.#release(makesRoom);
  }

  lost(error: Error): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stopLinger();
    const user = this.user;
    this.user = undefined;
    user?.lost(error);
    this.#onOver?.();
  }

  /** Has the host closed its end of toHost, or broken the stream? */
  #taken(): boolean {
    return this.pipe.toHost.abandoned() || this.pipe.toGuest.peerClosed() === Closed.RESET;
  }

  #stepLinger(): void {
    const { toGuest } = this.pipe;
    do {
      if (this.#taken()) {
        this.#release();
        return;
      }
      const unread = toGuest.readable();
      if (unread > 0 && toGuest.advance(unread)) this.signal();
    } while (toGuest.peerClosed() === Closed.OPEN && toGuest.wantData());
  }

  #tickLinger(): void {
    const space = this.pipe.toHost.writable();
    if (space === this.#lingerSpace) {
      this.#release();
      return;
    }
    this.#lingerSpace = space;
  }

  #stopLinger(): void {
    if (this.#linger === undefined) return;
    clearInterval(this.#linger);
    this.#linger = undefined;
    this.engine.unhold();
    this.engine.linger(-1);
  }

  #release(makesRoom = true): void {
    this.#stopLinger();
    this.#open = false;
    this.pipe.toGuest.close();
    this.engine.signal(this.id);
    this.engine.removeStream(this, makesRoom ? this.holds : undefined);
    this.#onOver?.();
  }
}
