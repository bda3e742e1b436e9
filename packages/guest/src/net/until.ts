// What node:net says by events, as promises: a socket that connects, a server that listens.

import type { EventEmitter } from "node:events";
import { onAbort } from "../abort.ts";
import { detachedError } from "../errors.ts";
import type { StreamEngine } from "../stream/stream.ts";
import { serverClosed } from "./listening.ts";
import type { GuestServer } from "./server.ts";
import type { GuestSocket } from "./socket.ts";

/** An abort destroys the socket. */
export async function untilConnected(
  socket: GuestSocket,
  engine: StreamEngine,
  signal: AbortSignal | undefined,
): Promise<GuestSocket> {
  const stop = onAbort(signal, (error) => socket.destroy(error));
  // Closed without an error: this guest leaves.
  await until(socket, "connect", stop, () => detachedError(engine.ended));
  return socket;
}

export async function untilListening(server: GuestServer): Promise<GuestServer> {
  const nothing = (): void => {};
  await until(server, "listening", nothing, serverClosed);
  return server;
}

/** Rejects at 'error', and at 'close' with what `closed` gives. `settled` is called in the turn of the event. */
function until(
  emitter: EventEmitter,
  event: string,
  settled: () => void,
  closed: () => Error,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      settled();
      emitter.removeListener(event, onEvent);
      emitter.removeListener("error", onError);
      emitter.removeListener("close", onClose);
    };
    const onEvent = (): void => {
      settle();
      resolve();
    };
    const onError = (error: Error): void => {
      settle();
      reject(error);
    };
    const onClose = (): void => onError(closed());
    emitter.on(event, onEvent);
    emitter.on("error", onError);
    emitter.on("close", onClose);
  });
}
