// Letting go of several things, each of which may fail. Undo: of what has been had so far by an attempt that may fail
// halfway.

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

/** One step after the other; one that fails keeps no other from running. Rejects as the first that failed. */
export async function runAll(steps: Iterable<() => unknown>): Promise<void> {
  let failed: { readonly error: unknown } | undefined;
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failed ??= { error };
    }
  }
  if (failed !== undefined) throw failed.error;
}
