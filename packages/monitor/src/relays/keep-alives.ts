// Keepalive for connections that have lived for a while. The kernel's first probe is a minute off, and most connections
// are over by then: none of those pays, with four system calls, for what it never gets.
//
//   add ─▶ YOUNG ─ delete: the connection is over ─▶ (none)
//            └──── a look comes round ─▶ keepAlive(), and (none)
//
// A look takes those that are young then, a few at a time: ten thousand of them delay nobody. A new connection whose
// descriptor the look has yet to come to is taken as well.

import type { Reactor } from "../reactor/reactor.ts";
import type { Timer } from "../reactor/timers.ts";

/** How often it looks: what has gone silent is found out so much later. */
const LOOK_MS = 30_000;
/** Four system calls each. */
const AT_ONCE = 16;
const PAUSE_MS = 1;

export interface Connection {
  /** Has the kernel ask its peer, from now on, where that says nothing. */
  keepAlive(): void;
}

export class KeepAlives {
  readonly #reactor: Reactor;
  readonly #lookMs: number;
  /**
   * By descriptor. No Map: V8 makes the tables of one in which entries come and go anew all the time, each old one
   * refers to the next, and one that has grown old before it died keeps all that followed from being collected.
   */
  readonly #young: (Connection | undefined)[] = [];
  #count = 0;
  /** What a look that is under way has yet to take. */
  #at = 0;
  #end = 0;
  #timer: Timer | undefined;

  constructor(reactor: Reactor, lookMs: number = LOOK_MS) {
    this.#reactor = reactor;
    this.#lookMs = lookMs;
  }

  add(fd: number, connection: Connection): void {
    this.#young[fd] = connection;
    this.#count++;
    this.#timer ??= this.#reactor.after(this.#lookMs, this.#look);
  }

  delete(fd: number): void {
    if (this.#young[fd] === undefined) return;
    this.#young[fd] = undefined;
    this.#count--;
  }

  readonly #look = (): void => {
    if (this.#at === this.#end) [this.#at, this.#end] = [0, this.#young.length];
    for (let budget = AT_ONCE; budget > 0 && this.#at < this.#end; this.#at++) {
      const connection = this.#young[this.#at];
      if (connection === undefined) continue;
      budget--;
      this.delete(this.#at);
      connection.keepAlive();
    }
    // Nobody is left, maybe amid a look: the next connection's is one of its own.
    if (this.#count === 0) this.#at = this.#end;
    const waitMs = this.#at < this.#end ? PAUSE_MS : this.#lookMs;
    this.#timer = this.#count === 0 ? undefined : this.#reactor.after(waitMs, this.#look);
  };
}
