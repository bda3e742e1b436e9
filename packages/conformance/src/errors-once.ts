// Standard error of a testee that is started again and again: what a start only repeats of the one before it is shown
// once, such as the traceback of a program that dies of the same mistake each time.
//
//   REPEATING ── another byte than the last time ──> PASSING: what was held back, then all that comes
//       └── its end: dropped where it said all of the last time's, else shown

import type { Readable } from "node:stream";

/** More than this of a start is not compared with the next. */
const KEPT_BYTES = 64 * 1024;

export class ErrorsOnce {
  readonly #show: (bytes: Uint8Array) => void;
  /** What the last start said, if it was no more than KEPT_BYTES. */
  #last: Buffer = Buffer.alloc(0);

  constructor(show: (bytes: Uint8Array) => void) {
    this.#show = show;
  }

  /** Of one start, whose end comes before the next one is followed. */
  follow(stream: Readable): void {
    const last = this.#last;
    let said: Buffer = Buffer.alloc(0);
    let isRepeating = last.length > 0;
    stream.on("data", (bytes: Buffer) => {
      if (said.length <= KEPT_BYTES) said = Buffer.concat([said, bytes]);
      if (!isRepeating) this.#show(bytes);
      else if (!last.subarray(0, said.length).equals(said)) {
        isRepeating = false;
        this.#show(said);
      }
    });
    stream.once("close", () => {
      if (isRepeating && said.length < last.length) this.#show(said);
      this.#last = said.length <= KEPT_BYTES ? said : Buffer.alloc(0);
    });
  }
}
