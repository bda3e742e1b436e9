// What has been had so far, as the ways to let go of it, for an attempt that may fail halfway.

export class Undo {
  readonly #steps: (() => unknown)[] = [];

  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Runs all steps, the last first. Where some fail, the others are run all the same; then this rejects as the first. */
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
