// Turns of this thread's Node loop, which the reactor keeps from turning. The addresses of a region that was unmade are
// unmapped by a finalizer, and those run there.

import type { Reactor } from "../reactor/reactor.ts";

/** How often finalizers have a turn at the most: a collection is far longer in coming. */
const NODE_TURN_MS = 100;

export class NodeTurns {
  readonly #reactor: Reactor;
  #isDue = false;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(reactor: Reactor) {
    this.#reactor = reactor;
  }

  /** One soon. */
  ask(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#reactor.after(Math.max(0, this.#lastMs + NODE_TURN_MS - performance.now()), () => {
      this.#isDue = false;
      this.#lastMs = performance.now();
      this.#reactor.pause();
    });
  }
}
