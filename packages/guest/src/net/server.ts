// A listener on the host, as a server that behaves like net.Server.
//
//   new ─ listen() ─▶ opening ─ Opened ─▶ listening ─ close() ─▶ new
//                        └─ refused, close() ─▶ new
//
// 'close' comes when the host has closed its listener and all connections have ended.
//
// What it posts with the host ahead of connections is in posting.ts. What the host cannot accept waits in its kernel's
// backlog.

import { EventEmitter } from "node:events";
import { type Incoming, type InetAddress, ListenReply, Protocol } from "@ringway/control";
import { Errno } from "@ringway/linux";
import { errnoError, RingwayError, resetError } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { Hold } from "../stream/hold.ts";
import { openStream } from "../stream/open-stream.ts";
import { type Rings, ringWish } from "../stream/room.ts";
import type { Stream } from "../stream/stream.ts";
import {
  type DroppedConnection,
  dropped,
  type ListenOptions,
  listenOpen,
  type ServerOptions,
  serverSettings,
} from "./listen.ts";
import { Posting } from "./posting.ts";
import { GuestSocket } from "./socket.ts";
import { type SocketAddress, socketAddress } from "./socket-address.ts";
import { callArguments, nodeError } from "./socket-arguments.ts";

/** Internal, for serve(): the server does not listen any more, though connections may still be open. */
export const LEFT: unique symbol = Symbol("left");

/** As net.Server's. */
export interface GuestServerEvents {
  [LEFT]: [];
  /** The host listens; address() says where. */
  listening: [];
  connection: [GuestSocket];
  /** The host has closed its listener, and all connections have ended. */
  close: [];
  /** It does not listen, or not any more. */
  error: [Error];
  /** A connection beyond maxConnections was closed. */
  drop: [DroppedConnection];
  /** An accept failed on the host (EMFILE, ...), or a stream could not be posted; the server goes on. */
  acceptError: [Error];
}

/** Accepts, and what became of some. */
const LISTENER_RINGS: Rings = { toHostBytes: 16 * 1024, toGuestBytes: 16 * 1024 };

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
  #opening: AbortController = new AbortController();
  #state: "new" | "opening" | "listening" = "new";
  #stream: Stream | undefined;
  #posting: Posting | undefined;
  #bound: InetAddress | undefined;
  #connections = 0;
  readonly #hold: Hold;
  /** The host has not closed its listener yet. */
  #unbinding = false;
  /** 'close' is to come, unless it listens again before. */
  #closing = false;
  #stopSignal: () => void = () => {};

  /** Internal: use Guest.listen() or Guest.createServer(). */
  constructor(
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
    return this.#state === "listening";
  }

  /** As net.Server, in all of its forms but those with a path or a handle; also after it was closed. */
  listen(port?: number | string, host?: string, backlog?: number, listener?: () => void): this;
  listen(port?: number | string, host?: string, listener?: () => void): this;
  listen(port?: number | string, backlog?: number, listener?: () => void): this;
  listen(port?: number | string, listener?: () => void): this;
  listen(listener?: () => void): this;
  listen(options: ListenOptions, listener?: () => void): this;
  listen(...args: unknown[]): this {
    if (this.#state !== "new") {
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
      this.once("close", this.#state === "new" ? () => callback(error) : callback);
    }
    this.#close();
    return this;
  }

  /** The address really bound, or null. */
  address(): SocketAddress | null {
    return this.#bound === undefined ? null : socketAddress(this.#bound);
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
    if (this.#state === "new" && !this.#closing) return Promise.resolve();
    return new Promise((resolve) => void this.close(() => resolve()));
  }

  #listen(options: Record<string, unknown>, second: unknown): void {
    const { context, signal, body } = listenOpen(options, second);
    this.#state = "opening";
    this.#closing = false;
    this.#opening = new AbortController();
    this.#hold.atWork = true;
    if (body === undefined) {
      process.nextTick(() => this.#fail(errnoError(Errno.EINVAL, context)));
      return;
    }
    this.#closeOn(signal);
    const opening = this.#opening.signal;
    openStream(
      this.#engine,
      {
        protocol: Protocol.TCP_LISTEN,
        body,
        rings: ringWish(undefined, LISTENER_RINGS),
        context,
        signal: opening,
      },
      (opened) => ListenReply.decode(opened).bound,
    ).then(
      ({ stream, opened }) => {
        if (opening.aborted) stream.finish();
        else this.#begin(stream, opened);
      },
      (error: Error) => {
        if (!opening.aborted) this.#fail(error);
      },
    );
  }

  #closeOn(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const close = (): void => void this.close();
    if (signal.aborted) process.nextTick(close);
    signal.addEventListener("abort", close, { once: true });
    this.#stopSignal = () => signal.removeEventListener("abort", close);
  }

  #begin(stream: Stream, bound: InetAddress): void {
    if (!stream.open) {
      this.#fail(resetError("listen", this.#engine.ended));
      return;
    }
    this.#state = "listening";
    this.#bound = bound;
    this.#stream = stream;
    this.#engine.servers.add(this);
    const { address, port } = socketAddress(bound);
    const posting = new Posting({
      engine: this.#engine,
      listener: stream,
      context: { syscall: "accept", address, port },
      acceptsAhead: Math.max(1, this.#options.acceptsAhead ?? 16),
      ringBytes: this.#options.ringBytes,
      onConnection: (stream, endpoints) => this.#connection(stream, endpoints),
      onAcceptError: (error) => this.emit("acceptError", error),
      onOver: (error) => this.#fail(error),
    });
    this.#posting = posting;
    this.emit("listening");
    this.#engine.touch(() => posting.step());
  }

  #connection(stream: Stream, endpoints: Incoming): void {
    if (this.maxConnections && this.#connections >= this.maxConnections) {
      stream.finish();
      this.emit("drop", dropped(endpoints));
      return;
    }
    const { allowHalfOpen, highWaterMark } = this;
    stream.holds = "connection";
    const accepted = { stream, opened: endpoints };
    const socket = new GuestSocket(this.#engine, { allowHalfOpen, highWaterMark }, { accepted });
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
    if (this.#state === "new") return;
    if (this.#state === "listening") this.#close();
    else this.#leave();
    this.emit("error", error);
  }

  /** 'close' comes also where it did not listen, as from net.Server. */
  #close(): void {
    this.#closing = true;
    if (this.#state !== "new") this.#leave();
    this.#emitCloseIfDone();
  }

  #leave(): void {
    this.#state = "new";
    this.#engine.servers.delete(this);
    this.#stopSignal();
    const reason = serverClosed();
    this.#opening.abort(reason);
    this.#posting?.stop(reason);
    this.#posting = undefined;
    const stream = this.#stream;
    this.#stream = undefined;
    this.#bound = undefined;
    if (stream?.open === true) {
      this.#unbinding = true;
      stream.finish(() => {
        this.#unbinding = false;
        this.#emitCloseIfDone();
      });
    }
    this.#hold.atWork = false;
    this.emit(LEFT);
  }

  #emitCloseIfDone(): void {
    if (!this.#closing || this.#unbinding || this.#connections > 0) return;
    this.#closing = false;
    process.nextTick(() => this.emit("close"));
  }
}

/** What a listen() that was under way fails with. */
export function serverClosed(): RingwayError {
  return new RingwayError("ECANCELED", "the server was closed", {
    errno: -Errno.ECANCELED,
    syscall: "listen",
  });
}

/** With events.captureRejections, as net.Server: a listener that is async and fails breaks its connection. */
Object.defineProperty(GuestServer.prototype, EventEmitter.captureRejectionSymbol, {
  value(this: GuestServer, error: Error, event: string, socket: GuestSocket): void {
    if (event === "connection") socket.destroy(error);
    else this.emit("error", error);
  },
});
