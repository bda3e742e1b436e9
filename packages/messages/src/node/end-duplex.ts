// The end of what carried a stream: in peace where all is said, and at once where it is not.

import type { Duplex } from "node:stream";
import type { Ending } from "@ringway/messages";

/**
 * How long a peer may take to end its side when this one has: as long as a connection may take to come up. What it
 * sends meanwhile is dropped; were the socket destroyed at once, the kernel would answer it with a reset, and that
 * takes along what the peer has not read yet.
 */
const LINGER_MS = 5000;

/** Resolved when it is destroyed. */
export function endDuplex(duplex: Duplex, { reason }: Ending): Promise<void> {
  return new Promise((resolve) => {
    if (duplex.closed) return resolve();
    const timer = setTimeout(() => duplex.destroy(), LINGER_MS);
    timer.unref();
    duplex.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
    const isConnecting = "connecting" in duplex && duplex.connecting === true;
    if (isConnecting || (reason !== "Closed" && reason !== "EndOfStream")) {
      duplex.destroy();
      return;
    }
    const isOver = (): void => {
      // A stream that is autoDestroy, as sockets are, does it by itself.
      if (duplex.readableEnded && duplex.writableFinished) duplex.destroy();
    };
    duplex.once("end", isOver);
    duplex.once("finish", isOver);
    duplex.resume();
    duplex.end();
  });
}
