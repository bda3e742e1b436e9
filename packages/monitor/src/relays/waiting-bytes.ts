// The beginning of a step that takes bytes from a guest.

import { Closed, type HostPipe } from "@ringway/control";

/** Where nothing waits. */
export const Waiting = {
  /** The guest rings when there is something. */
  NONE: 0,
  /** The guest has ended its direction, and all of it is taken. */
  END: -1,
  /** The guest has reset the stream, whatever still waits. */
  RESET: -2,
} as const;

/** How many bytes of the guest's wait on the ring, or one of Waiting. */
export function waitingBytes(toHost: HostPipe["toHost"]): number {
  for (;;) {
    // Before the ring: what was put before END is there once END is seen (RING-6).
    const closed = toHost.peerClosed();
    if (closed === Closed.RESET) return Waiting.RESET;
    const readable = toHost.readable();
    if (readable > 0) return readable;
    if (closed === Closed.END) return Waiting.END;
    if (!toHost.wantData()) return Waiting.NONE;
  }
}
