// The bell of a guest that is a process: one eventfd to ring, one to wait on, and the attach socket, whose hang-up means
// that the monitor is gone.

import { closeFd, ringForeign } from "@ringway/linux";
import type { BellListener, GuestBell } from "./bell.ts";
import { resetError } from "./errors.ts";
import { LoopWatch } from "./loop-watch.ts";

export class EventfdBell implements GuestBell {
  readonly #ring: number;
  readonly #rung: LoopWatch;
  readonly #socket: LoopWatch;
  #closed = false;

  /** Takes the three descriptors over: `ring` wakes the host, `rung` is rung by it, `socket` hangs up when it dies. */
  constructor(ring: number, rung: number, socket: number) {
    this.#ring = ring;
    this.#rung = new LoopWatch(rung);
    this.#socket = new LoopWatch(socket);
  }

  ring(): void {
    if (!this.#closed) ringForeign(this.#ring);
  }

  listen(listener: BellListener): void {
    const gone = (sentence: string): void => listener.gone(resetError("read", new Error(sentence)));
    this.#rung.start(
      () => listener.bell(),
      () => gone("the doorbell cannot be read any more"),
    );
    // The monitor sends nothing after its hello, so anything here, data too, is the end of it.
    const hungUp = (): void => gone("the monitor closed the attach socket");
    this.#socket.start(hungUp, hungUp);
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeFd(this.#ring);
    this.#rung.close();
    this.#socket.close();
  }
}
