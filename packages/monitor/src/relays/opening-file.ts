// A stream whose file is being opened on disk: it can only be given up.

import { guestGaveUp, type Relay, type Stream } from "../reactor/stream.ts";

export class OpeningFileRelay implements Relay {
  readonly transfers = true;
  readonly #stream: Stream;
  #disposed = false;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** The guest gave up, or is gone: what was opened is to be closed. */
  get disposed(): boolean {
    return this.#disposed;
  }

  step(): boolean {
    if (guestGaveUp(this.#stream.pipe)) this.#stream.reset();
    return false;
  }

  dispose(): void {
    this.#disposed = true;
  }
}
