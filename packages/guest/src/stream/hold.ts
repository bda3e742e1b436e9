// Keeps the process alive for one socket or server: while it is at work, unless the program has unreferenced it.
//
// Invariant: the engine is held, once, while both are true.

import type { StreamEngine } from "./stream.ts";

export class Hold {
  readonly #engine: StreamEngine;
  #atWork = false;
  #referenced = true;
  #held = false;

  constructor(engine: StreamEngine) {
    this.#engine = engine;
  }

  set atWork(atWork: boolean) {
    this.#atWork = atWork;
    this.#update();
  }

  set referenced(referenced: boolean) {
    this.#referenced = referenced;
    this.#update();
  }

  #update(): void {
    const held = this.#atWork && this.#referenced;
    if (held === this.#held) return;
    this.#held = held;
    if (held) this.#engine.hold();
    else this.#engine.unhold();
  }
}
