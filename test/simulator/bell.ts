// A bell between the sides: rings arrive late, merged with others, or from nowhere; but they arrive.

import type { Random } from "./random.ts";

export class SimulatedBell {
  /** When the ring that is under way arrives; undefined: none is. */
  dueAt: number | undefined;
  /** It has arrived, and was not taken. */
  arrived = false;
  readonly #random: Random;
  readonly #now: () => number;

  constructor(random: Random, now: () => number) {
    this.#random = random;
    this.#now = now;
  }

  ring(): void {
    const at = this.#now() + (this.#random.once(8) ? this.#random.below(300) : this.#random.below(6));
    // Two that are under way arrive as one, when the later would have.
    this.dueAt = Math.max(this.dueAt ?? 0, at);
  }

  /** Lets what is due arrive. */
  turn(): void {
    if (this.dueAt === undefined || this.dueAt > this.#now()) return;
    this.dueAt = undefined;
    this.arrived = true;
  }

  take(): boolean {
    const { arrived } = this;
    this.arrived = false;
    return arrived;
  }

  /** The receiver is gone, and what it had not taken with it. */
  lose(): void {
    this.dueAt = undefined;
    this.arrived = false;
  }
}
