// A server of Node's (net, tls, http, https, http2) on a listener of the host's.

import { Server } from "node:net";
import { invalidType } from "./argument-errors.ts";
import type { ListenOptions, ServerOptions } from "./listen.ts";
import type { GuestServer } from "./server.ts";
import type { GuestSocket } from "./socket.ts";
import { callArguments } from "./socket-arguments.ts";

/** What serve() needs of a guest. */
export interface Listens {
  listen(
    options: ListenOptions & ServerOptions,
    onConnection: (socket: GuestSocket) => void,
  ): Promise<GuestServer>;
}

/**
 * What a server of Node's has of what it listens with: it asks that for its address, closes it, and is closed once it
 * has no handle and no connection. No document promises these names, but there is no other way in: a close() put over
 * the server's own could not have it stop its timers and its idle connections now, and emit 'close' only later.
 */
interface Served {
  _handle: Handle | null;
  _connections: number;
}

interface Handle {
  close(): void;
  ref(): void;
  unref(): void;
  /** 0, or an error's number. */
  getsockname(out: object): number;
}

/**
 * Gives the connections of a listener on the host to a server of Node's. It is told that it listens: its own time
 * limits begin then, and it knows its connections. `args` are those of the server's own listen().
 */
export async function serve(guest: Listens, server: Server, args: readonly unknown[]): Promise<GuestServer> {
  const { options, listener: onListening } = callArguments(args);
  if (!(server instanceof Server)) throw invalidType("server", "an instance of net.Server", server);
  if (args[0] == null || typeof args[0] === "function") {
    throw invalidType("options", "{ port, host }, or a port; { port: 0 } for any", args[0]);
  }
  const { allowHalfOpen, pauseOnConnect } = server as Pick<ServerOptions, "allowHalfOpen" | "pauseOnConnect">;
  const whole = { allowHalfOpen, pauseOnConnect, ...options };
  const served = server as unknown as Served;
  const listener = await guest.listen(whole, (socket) => {
    served._connections++;
    socket.once("close", () => served._connections--);
    server.emit("connection", socket);
  });
  join(server, listener);
  listener._onClose = () => {
    if (server.listening) server.close();
  };
  if (onListening !== undefined) server.once("listening", onListening);
  server.emit("listening");
  return listener;
}

/** Makes the listener what the server listens with, beside what it listens with already. */
function join(server: Server, listener: GuestServer): void {
  const served = server as unknown as Served;
  const other = served._handle;
  served._handle = {
    close() {
      listener._onClose = () => {};
      other?.close();
      // Counts as a connection until the host has closed its own.
      served._connections++;
      listener.close(() => {
        served._connections--;
        // Emits 'close' where nothing else is open.
        if (!server.listening) Server.prototype.close.call(server);
      });
    },
    ref() {
      other?.ref();
      listener.ref();
    },
    unref() {
      other?.unref();
      listener.unref();
    },
    getsockname(out) {
      if (other !== null) return other.getsockname(out);
      Object.assign(out, listener.address());
      return 0;
    },
  };
}
