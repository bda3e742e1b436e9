// The reactor's timers by Node's, which vitest fakes.

import type { Timer } from "../src/reactor/timers.ts";

export class NodeTimers {
  readonly #begun: Map<Timer, NodeJS.Timeout> = new Map();

  after(delayMs: number, callback: () => void): Timer {
    const timer = { dueMs: performance.now() + delayMs, callback };
    const begun = setTimeout(() => {
      this.#begun.delete(timer);
      callback();
    }, delayMs);
    this.#begun.set(timer, begun);
    return timer;
  }

  cancel(timer: Timer | undefined): void {
    if (timer === undefined) return;
    clearTimeout(this.#begun.get(timer));
    this.#begun.delete(timer);
  }
}
