// echo: sends back what it gets (STR-9). For tests, and for measuring rings without a socket.

import { Closed } from "@ringway/control";
import type { Relay, Stream } from "../guests/stream.ts";

/** Bytes moved in one step before others get their turn. */
const BUDGET_BYTES = 256 * 1024;

export class EchoRelay implements Relay {
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  step(): boolean {
    const stream = this.#stream;
    const { toHost, toGuest } = stream.pipe;
    const memory = stream.guest.region.bytes;
    let budget = BUDGET_BYTES;
    for (;;) {
      const closed = toHost.peerClosed();
      if (closed === Closed.RESET) {
        stream.reset();
        return false;
      }
      const readable = toHost.readable();
      if (readable === 0) {
        if (closed === Closed.END) {
          stream.end();
          return false;
        }
        if (toHost.wantData()) continue;
        return false;
      }
      if (budget <= 0) return true;
      if (toGuest.abandoned()) {
        budget -= readable;
        if (toHost.advance(readable)) stream.signal();
        continue;
      }
      const writable = toGuest.writable();
      if (writable === 0) {
        if (toGuest.wantSpace(1)) continue;
        return false;
      }
      const length = Math.min(toHost.spanBytes(readable), toGuest.spanBytes(writable), budget);
      const from = toHost.spanOffset();
      memory.copyWithin(toGuest.spanOffset(), from, from + length);
      budget -= length;
      const guestWantsSpace = toHost.advance(length);
      const guestWantsData = toGuest.advance(length);
      if (guestWantsSpace || guestWantsData) stream.signal();
      stream.guest.countToHost(length);
      stream.guest.countToGuest(length);
    }
  }

  dispose(): void {}
}
