// The bell of a guest that is a virtual machine: a byte channel, one byte a ring, whatever it says (PROTOCOL.md BELL-8). The
// hypervisor carries the bytes to the monitor and back; it hangs up here when the monitor is gone (ATT-9).

import { ringChannel, ringDevice } from "@ringway/linux";
import type { BellListener, GuestBell } from "./bell.ts";
import { BellThread } from "./bell-thread.ts";

export class ChannelBell implements GuestBell {
  /** Resolves when the channel was closed: a virtio port can be opened again then. */
  readonly closed: Promise<void>;
  readonly #channel: number;
  readonly #isSocket: boolean;
  readonly #thread: BellThread;
  #closed = false;

  /** Takes `channel` over: a non-blocking descriptor of a stream socket, or of a device such as a virtio port. */
  constructor(channel: number, isSocket: boolean) {
    this.#channel = channel;
    this.#isSocket = isSocket;
    this.#thread = new BellThread({ kind: "channel", channel }, "the monitor hung up the doorbell's channel");
    this.closed = this.#thread.ended;
  }

  ring(): void {
    if (this.#closed) return;
    // A channel that broke is found out by the thread.
    if (this.#isSocket) ringChannel(this.#channel);
    else ringDevice(this.#channel);
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
    this.#thread.end(true);
  }
}
