// A listening socket, as a listener has it (listener.ts): one of its own, or a port that the operator publishes
// (published.ts).

import { EPOLLIN } from "@ringway/linux";
import type { EventSource, Reactor } from "../reactor/reactor.ts";

/** A listening socket, as a listener has it. */
export interface Door {
  readonly fd: number;
  /** Tells the listener of connections, or no more. */
  watch(on: boolean): void;
  /** Never again. */
  leave(): void;
}

/** Its own, which nobody else has. */
export class OwnDoor implements Door {
  readonly fd: number;
  readonly #reactor: Reactor;
  readonly #slot: number;

  /** Throws SystemError where `fd` cannot be watched. */
  constructor(reactor: Reactor, fd: number, listener: EventSource) {
    this.fd = fd;
    this.#reactor = reactor;
    this.#slot = reactor.watch(fd, 0, listener);
  }

  watch(on: boolean): void {
    this.#reactor.modify(this.fd, on ? EPOLLIN : 0, this.#slot);
  }

  leave(): void {
    this.#reactor.forget(this.fd, this.#slot);
  }
}
