// Keepalive for connections that have lived for a while. The kernel's first probe is a minute off, and most connections
// are over by then: none of those pays, with four system calls, for what it never gets.
//
//   add ─▶ YOUNG ─ delete: the connection is over ─▶ (none)
//            └──── a look comes round ─▶ keepAlive(), and (none)
//
// A look takes those that are young then, a few at a time: ten thousand of them delay nobody.

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
  /** By descriptor, in the order in which they came. */
  readonly #young: Map<number, Connection> = new Map();
  /** Of a look that is under way, those that it has yet to take. */
  #left = 0;
  #timer: Timer | undefined;

  constructor(reactor: Reactor, lookMs: number = LOOK_MS) {
    this.#reactor = reactor;
    this.#lookMs = lookMs;
  }

  add(fd: number, connection: Connection): void {
    this.#young.set(fd, connection);
    this.#timer ??= this.#reactor.after(this.#lookMs, this.#look);
  }

  delete(fd: number): void {
    this.#young.delete(fd);
  }

  readonly #look = (): void => {
    if (this.#left === 0) this.#left = this.#young.size;
    let budget = AT_ONCE;
    for (const [fd, connection] of this.#young) {
      if (this.#left === 0 || budget-- === 0) break;
      this.#left--;
      this.#young.delete(fd);
      connection.keepAlive();
    }
    this.#left = Math.min(this.#left, this.#young.size);
    const waitMs = this.#left > 0 ? PAUSE_MS : this.#lookMs;
    this.#timer = this.#young.size === 0 ? undefined : this.#reactor.after(waitMs, this.#look);
  };
}
