// Letting go of what has been had so far by an attempt that may fail halfway.

import { runAll } from "./run-all.ts";

export class Undo {
  readonly #steps: (() => unknown)[] = [];

  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Runs all steps, the last first, as runAll(). */
  async run(): Promise<void> {
    await runAll(this.#steps.reverse());
  }
}
