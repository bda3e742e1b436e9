// The bell of a guest that is a virtual machine: a byte channel, one byte a ring, whatever it says (PROTOCOL.md
// BELL-8). The hypervisor carries the bytes to the monitor and back; it hangs up here when the monitor is gone
// (ATT-9).

import { ringChannel, ringDevice } from "@ringway/linux";
import { resetError } from "../errors.ts";
import type { BellListener, GuestBell } from "./bell.ts";
import { LoopWatch } from "./loop-watch.ts";

export class ByteChannelBell implements GuestBell {
  /** Resolves when the channel was closed: a virtio port can be opened again then. */
  readonly closed: Promise<void>;
  readonly #isSocket: boolean;
  readonly #watch: LoopWatch;
  #closed = false;

  /** Takes `fd` over: a non-blocking descriptor of a stream socket, or of a device such as a virtio port. */
  constructor(fd: number, isSocket: boolean) {
    this.#isSocket = isSocket;
    this.#watch = new LoopWatch(fd);
    this.closed = this.#watch.closed;
  }

  ring(): void {
    if (this.#closed) return;
    // That a channel is broken is found out by the watch.
    if (this.#isSocket) ringChannel(this.#watch.fd);
    else ringDevice(this.#watch.fd);
  }

  listen(listener: BellListener): void {
    this.#watch.start(
      () => listener.bell(),
      (cause) =>
        listener.gone(resetError("read", new Error("the monitor hung up the doorbell's channel", { cause }))),
    );
  }

  ref(): void {
    this.#watch.ref();
  }

  unref(): void {
    this.#watch.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
  }
}
