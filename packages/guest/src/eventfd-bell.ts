// The bell of a guest that is a process: one eventfd to ring, one to wait on, and the attach socket, whose hang-up means
// that the monitor is gone.

import { closeFd, ringForeign } from "@ringway/linux";
import type { BellListener, GuestBell } from "./bell.ts";
import { BellThread } from "./bell-thread.ts";

export class EventfdBell implements GuestBell {
  readonly #ring: number;
  readonly #thread: BellThread;
  #closed = false;

  /** Takes the three descriptors over: `ring` wakes the host, `rung` is rung by it, `socket` hangs up when it dies. */
  constructor(ring: number, rung: number, socket: number) {
    this.#ring = ring;
    this.#thread = new BellThread({ kind: "eventfd", rung, socket }, "the monitor closed the attach socket");
  }

  ring(): void {
    if (!this.#closed) ringForeign(this.#ring);
  }

  listen(listener: BellListener): void {
    this.#thread.start(listener);
  }

  ref(): void {
    this.#thread.ref();
  }

  unref(): void {
    this.#thread.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeFd(this.#ring);
    this.#thread.end();
  }
}
