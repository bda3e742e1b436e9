// What has been had so far, as the ways to let go of it, for an attempt that may fail halfway.

export class Undo {
  readonly #steps: (() => unknown)[] = [];

  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Runs all steps, the last first; one that fails keeps no other from running. Rejects as the first that failed. */
  async run(): Promise<void> {
    let failed: { readonly error: unknown } | undefined;
    for (const step of this.#steps.reverse()) {
      try {
        await step();
      } catch (error) {
        failed ??= { error };
      }
    }
    if (failed !== undefined) throw failed.error;
  }
}
