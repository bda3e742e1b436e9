// A server of Node's (net, tls, http, https, http2) on listeners of the host's.
//
// Such a server takes a connection by its event 'connection', and knows nothing of what listens for it. So while it
// is served, the calls that are about listening are put over its own, on the object:
//
//   as it is ── serve() ──> served ── close() of it, or of one of its listeners ──> closing
//      ↑                                                                               │ the last listener is closed,
//      └───────────── its own close(), which emits 'close' ────────────────────────────┘ its connections are gone
//
// One that listens by itself as well goes on with that until then.

import { Server } from "node:net";
import { invalidType } from "@ringway/linux";
import type { ListenOptions, ServerOptions } from "./listen.ts";
import { GuestServer } from "./server.ts";
import type { GuestSocket } from "./socket.ts";
import { callArguments, nodeError } from "./socket-arguments.ts";

/** What serve() needs of a guest. */
export interface Listens {
  listen(
    options: ListenOptions & ServerOptions,
    onConnection: (socket: GuestSocket) => void,
  ): Promise<GuestServer>;
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
  const listener = await guest.listen(whole, (socket) => void server.emit("connection", socket));
  Served.of(server).add(listener);
  if (onListening !== undefined) server.once("listening", onListening);
  server.emit("listening");
  return listener;
}

type ClosedCallback = (error?: Error) => void;
type CountCallback = (error: Error | null, count: number) => void;

const all: WeakMap<Server, Served> = new WeakMap();

class Served {
  readonly #server: Server;
  /** Those that are not closed, with their connections, yet. */
  readonly #listeners: Set<GuestServer> = new Set();
  #closing = false;

  static of(server: Server): Served {
    const served = all.get(server) ?? new Served(server);
    all.set(server, served);
    return served;
  }

  private constructor(server: Server) {
    this.#server = server;
    const own = { close: server.close.bind(server), address: server.address.bind(server) };
    const count = server.getConnections.bind(server);
    const [ref, unref] = [server.ref.bind(server), server.unref.bind(server)];
    this.#own = own;
    const over: PropertyDescriptorMap = {
      listening: { get: () => this.#listens() },
      address: { value: () => own.address() ?? this.#first().address() },
      close: { value: (callback?: ClosedCallback) => this.#close(callback) },
      getConnections: { value: (callback: CountCallback) => this.#count(count, callback) },
      ref: { value: () => this.#each(ref, (listener) => listener.ref()) },
      unref: { value: () => this.#each(unref, (listener) => listener.unref()) },
      [Symbol.asyncDispose]: {
        value: () => new Promise<void>((resolve) => void this.#close(() => resolve())),
      },
    };
    for (const name of Reflect.ownKeys(over)) {
      Object.defineProperty(server, name, { ...over[name as string], configurable: true });
    }
    this.#names = Reflect.ownKeys(over);
  }

  readonly #own: { close(callback?: ClosedCallback): Server; address(): ReturnType<Server["address"]> };
  readonly #names: readonly PropertyKey[];

  add(listener: GuestServer): void {
    this.#listeners.add(listener);
    GuestServer.watch(listener, {
      left: () => void this.#close(),
      closed: () => {
        this.#listeners.delete(listener);
        if (this.#listeners.size === 0) this.#over();
      },
    });
  }

  #first(): GuestServer {
    const [listener] = this.#listeners;
    return listener!;
  }

  #listens(): boolean {
    return !this.#closing || (Reflect.get(Server.prototype, "listening", this.#server) as boolean);
  }

  #each(own: () => void, call: (listener: GuestServer) => void): Server {
    own();
    for (const listener of this.#listeners) call(listener);
    return this.#server;
  }

  #count(own: (callback: CountCallback) => void, callback: CountCallback): Server {
    let total = 0;
    let left = this.#listeners.size + 1;
    const add: CountCallback = (error, count) => {
      total += count;
      if (error !== null || --left === 0) callback(error, total);
    };
    own(add);
    for (const listener of this.#listeners) listener.getConnections(add);
    return this.#server;
  }

  #close(callback?: ClosedCallback): Server {
    const isLate = this.#closing;
    if (callback !== undefined) {
      const error = nodeError(Error, "ERR_SERVER_NOT_RUNNING", "Server is not running.");
      this.#server.once("close", () => (isLate ? callback(error) : callback()));
    }
    if (isLate) return this.#server;
    this.#closing = true;
    for (const listener of this.#listeners) listener.close();
    // A server of node:http.
    const { closeIdleConnections } = this.#server as { closeIdleConnections?(): void };
    closeIdleConnections?.call(this.#server);
    return this.#server;
  }

  #over(): void {
    all.delete(this.#server);
    for (const name of this.#names) Reflect.deleteProperty(this.#server, name);
    this.#own.close();
  }
}
