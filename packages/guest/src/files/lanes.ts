// Lanes for work that is done several pieces at a time. Whoever hands it out waits for a free lane before each piece,
// and for the pieces at the end.
//
// Invariant: at most `most` pieces are under way; once one has failed, no other begins.

export class Lanes {
  readonly #most: number;
  #taken = 0;
  #onFree: (() => void)[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor(most: number) {
    this.#most = most;
  }

  /** Resolves when a lane is free; rejects as check() throws. */
  async free(): Promise<void> {
    while (this.#taken >= this.#most) await new Promise<void>((resolve) => this.#onFree.push(resolve));
    this.check();
  }

  /** Begins the work, where a lane is free and nothing has failed. Resolves when it is over, also where it fails. */
  async run(work: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) return;
    this.#taken++;
    try {
      await work();
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#taken--;
    this.#onFree.shift()?.();
  }

  /** Throws what a piece has failed with, the first one that did. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
