// Who uses an open file: calls that are under way, and streams until they are closed. As with Node's FileHandle, the
// file is closed when the last of them is over, so none of them is cut off; until then others may begin.
//
//   OPEN ─ close(), nobody uses it ─────────────────▶ CLOSED
//     └─── close() ─▶ CLOSING ─ the last one is over ──▶ CLOSED

export class FileUses {
  #count = 0;
  /** Set while CLOSING: ends it. */
  #onLast: (() => void) | undefined;
  #closed = false;

  get closed(): boolean {
    return this.#closed;
  }

  /** Not once it is closed. */
  begin(): void {
    this.#count++;
  }

  /** Once for each begin(). */
  end(): void {
    if (--this.#count > 0 || this.#onLast === undefined) return;
    this.#closed = true;
    this.#onLast();
  }

  /** Resolves when it is closed. Called once. */
  close(): Promise<void> {
    if (this.#count === 0) {
      this.#closed = true;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#onLast = resolve;
    });
  }
}
