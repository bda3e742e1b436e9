// A listener on the host, as a server that behaves like net.Server.
//
//   new ─ listen() ─▶ opening ─ Opened ─▶ listening ─ close() ─▶ new
//                        └─ refused, close() ─▶ new
//
// 'close' comes when the host has closed its listener and all connections have ended.
//
// Each time that it listens is in listening.ts; here is what net.Server has around it.

import { EventEmitter } from "node:events";
import type { Engine } from "../stream/engine.ts";
import { Hold } from "../stream/hold.ts";
import type { Stream } from "../stream/stream.ts";
import {
  type DroppedConnection,
  dropped,
  type ListenOptions,
  listenOpen,
  type ServerOptions,
  serverSettings,
} from "./listen.ts";
import { Listening } from "./listening.ts";
import type { RawOpened } from "./raw-stream.ts";
import { GuestSocket } from "./socket.ts";
import type { SocketAddress } from "./socket-address.ts";
import { callArguments, nodeError } from "./socket-arguments.ts";

/** What serve() is told of a server: by no event, so that its listeners are the program's alone. */
export interface ServerWatch {
  /** It does not listen any more, though connections may still be open. */
  left(): void;
  /** 'close' comes next. */
  closed(): void;
}

/** As net.Server's. */
export interface GuestServerEvents {
  /** The host listens; address() says where. */
  listening: [];
  connection: [GuestSocket];
  /** The host has closed its listener, and all connections have ended. */
  close: [];
  /** It does not listen, or not any more. */
  error: [Error];
  /** A connection beyond maxConnections was closed; of a Unix socket there is nothing to tell. */
  drop: [DroppedConnection | undefined];
  /** An accept failed on the host (EMFILE, ...), or a stream could not be posted; the server goes on. */
  acceptError: [Error];
}

/**
 * A listener on the host, as net.Server: Guest.listen() and Guest.createServer() make it. Its 'error' is a
 * RingwayError: EADDRINUSE, EADDRNOTAVAIL, EINVAL (no literal address), ECONNRESET (the monitor went), ...; a
 * RefusedError where the policy says no.
 */
export class GuestServer extends EventEmitter<GuestServerEvents> {
  /** As net.Server: connections beyond this many are destroyed at once. */
  maxConnections: number | undefined = undefined;
  /** As net.Server: what connections begin with. */
  allowHalfOpen: boolean;
  pauseOnConnect: boolean;
  noDelay: boolean;
  keepAlive: boolean;
  keepAliveInitialDelay: number;
  highWaterMark: number | undefined;
  readonly #engine: Engine;
  readonly #options: ServerOptions;
  /** Undefined: it does not listen, nor asks to. */
  #listening: Listening | undefined;
  #connections = 0;
  readonly #hold: Hold;
  /** Listeners that the host has not closed yet. */
  #unbinding = 0;
  /** 'close' is to come, unless it listens again before. */
  #closing = false;
  #stopSignal: () => void = () => {};
  /** Until it is closed. */
  #watch: ServerWatch | undefined;

  /** @internal Use Guest.listen() or Guest.createServer(). */
  static make(
    engine: Engine,
    first?: ServerOptions | ((socket: GuestSocket) => void) | null,
    second?: (socket: GuestSocket) => void,
  ): GuestServer {
    return new GuestServer(engine, first, second);
  }

  /** @internal For serve(). */
  static watch(server: GuestServer, watch: ServerWatch): void {
    server.#watch = watch;
  }

  private constructor(
    engine: Engine,
    first: ServerOptions | ((socket: GuestSocket) => void) | null = {},
    second?: (socket: GuestSocket) => void,
  ) {
    super();
    const [options, listener] = typeof first === "function" ? [{}, first] : [first ?? {}, second];
    const settings = serverSettings(options);
    this.#engine = engine;
    this.#hold = new Hold(engine);
    this.#options = options;
    this.allowHalfOpen = settings.allowHalfOpen;
    this.pauseOnConnect = settings.pauseOnConnect;
    this.noDelay = settings.noDelay;
    this.keepAlive = settings.keepAlive;
    this.keepAliveInitialDelay = settings.keepAliveInitialDelay;
    this.highWaterMark = settings.highWaterMark;
    if (typeof listener === "function") this.on("connection", listener);
  }

  /** Does the host listen for it? */
  get listening(): boolean {
    return this.#listening?.bound !== undefined;
  }

  /** As net.Server, in all of its forms but those with a handle; also after it was closed. */
  listen(port?: number | string, host?: string, backlog?: number, listener?: () => void): this;
  listen(port?: number | string, host?: string, listener?: () => void): this;
  listen(port?: number | string, backlog?: number, listener?: () => void): this;
  listen(port?: number | string, listener?: () => void): this;
  listen(path: string, backlog?: number, listener?: () => void): this;
  listen(path: string, listener?: () => void): this;
  listen(listener?: () => void): this;
  listen(options: ListenOptions, listener?: () => void): this;
  listen(...args: unknown[]): this {
    if (this.#listening !== undefined) {
      const message = "Listen method has been called more than once without closing.";
      throw nodeError(Error, "ERR_SERVER_ALREADY_LISTEN", message);
    }
    const { options, listener } = callArguments(args);
    if (listener !== undefined) this.once("listening", listener);
    const anyPort = args.length === 0 || typeof args[0] === "function";
    const isAny = anyPort || options.port === null || ("port" in options && options.port === undefined);
    this.#listen(
      isAny ? { ...options, port: 0 } : options,
      args.slice(1).find((arg) => Number(arg) >= 0),
    );
    return this;
  }

  /** As net.Server: no more connections; 'close' once those that are open have ended. */
  close(callback?: (error?: Error) => void): this {
    if (typeof callback === "function") {
      const error = nodeError(Error, "ERR_SERVER_NOT_RUNNING", "Server is not running.");
      this.once("close", this.#listening === undefined ? () => callback(error) : callback);
    }
    this.#close();
    return this;
  }

  /** The address really bound, or null: of a Unix socket its path, which is text. */
  address<Address extends SocketAddress | string = SocketAddress>(): Address | null {
    return (this.#listening?.bound ?? null) as Address | null;
  }

  /** As net.Server: how many connections are open. */
  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.#connections);
    return this;
  }

  /** As net.Server: while it listens, it keeps the process alive, unless it was unreferenced. */
  ref(): this {
    this.#hold.referenced = true;
    return this;
  }

  unref(): this {
    this.#hold.referenced = false;
    return this;
  }

  /** Stops listening, and waits for the connections that are open. */
  [Symbol.asyncDispose](): Promise<void> {
    if (this.#listening === undefined && !this.#closing) return Promise.resolve();
    return new Promise((resolve) => void this.close(() => resolve()));
  }

  #listen(options: Record<string, unknown>, second: unknown): void {
    const open = listenOpen(options, second);
    const { acceptsAhead = 16, ringBytes } = this.#options;
    this.#closing = false;
    this.#hold.atWork = true;
    this.#listening = new Listening({
      engine: this.#engine,
      open,
      acceptsAhead: Math.max(1, acceptsAhead),
      ringBytes,
      onListening: () => {
        this.#engine.servers.add(this);
        this.emit("listening");
      },
      onConnection: (stream, endpoints) => this.#connection(stream, endpoints),
      onAcceptError: (error) => this.emit("acceptError", error),
      onFailed: (error) => this.#fail(error),
    });
    if (!(open.body instanceof Error)) this.#closeOn(open.signal);
  }

  #closeOn(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const close = (): void => void this.close();
    if (signal.aborted) process.nextTick(close);
    signal.addEventListener("abort", close, { once: true });
    this.#stopSignal = () => signal.removeEventListener("abort", close);
  }

  #connection(stream: Stream, endpoints: RawOpened): void {
    if (this.maxConnections && this.#connections >= this.maxConnections) {
      stream.finish();
      this.emit("drop", dropped(endpoints));
      return;
    }
    const { allowHalfOpen, highWaterMark } = this;
    stream.holds = "connection";
    const accepted = { stream, opened: endpoints };
    const socket = GuestSocket.make(this.#engine, { allowHalfOpen, highWaterMark }, { accepted });
    socket.server = this;
    this.#connections++;
    socket.once("close", () => {
      this.#connections--;
      this.#emitCloseIfDone();
    });
    if (this.pauseOnConnect) socket.pause();
    else socket.read(0);
    this.emit("connection", socket);
  }

  /** 'close' follows where it has listened. */
  #fail(error: Error): void {
    if (this.listening) this.#close();
    else this.#leave();
    this.emit("error", error);
  }

  /** 'close' comes also where it did not listen, as from net.Server. */
  #close(): void {
    this.#closing = true;
    this.#leave();
    this.#emitCloseIfDone();
  }

  #leave(): void {
    const listening = this.#listening;
    if (listening === undefined) return;
    this.#listening = undefined;
    this.#engine.servers.delete(this);
    this.#stopSignal();
    this.#unbinding++;
    listening.close(() => {
      this.#unbinding--;
      this.#emitCloseIfDone();
    });
    this.#hold.atWork = false;
    this.#watch?.left();
  }

  #emitCloseIfDone(): void {
    if (!this.#closing || this.#unbinding > 0 || this.#connections > 0) return;
    this.#closing = false;
    process.nextTick(() => {
      const watch = this.#watch;
      this.#watch = undefined;
      watch?.closed();
      this.emit("close");
    });
  }
}

/** With events.captureRejections, as net.Server: a listener that is async and fails breaks its connection. */
Object.defineProperty(GuestServer.prototype, EventEmitter.captureRejectionSymbol, {
  value(this: GuestServer, error: Error, event: string, socket: GuestSocket): void {
    if (event === "connection") socket.destroy(error);
    else this.emit("error", error);
  },
});
