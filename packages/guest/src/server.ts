// A listener on the host, as a server that behaves like net.Server.
//
//   new ─ listen() ─▶ opening ─ Opened ─▶ listening ─ close() ─▶ new; 'close' when the host has closed its listener, and all
//                        └─ refused, close() ─▶ new                   connections have ended
//
// Fresh streams are posted to the host ahead of connections (Accept), so that a connection costs no round trip; each that is
// served is replaced. What the host cannot accept waits in its kernel's backlog.

import { EventEmitter, setMaxListeners } from "node:events";
import {
  Accept,
  Closed,
  ErrorReply,
  FrameReader,
  FrameWriter,
  Incoming,
  type InetAddress,
  ListenReply,
  Protocol,
  ProtocolError,
  Violation,
} from "@ringway/control";
import { Errno } from "@ringway/linux";
import type { Channel } from "./channel.ts";
import type { Engine } from "./engine.ts";
import { errnoError, RingwayError, replyError, resetError } from "./errors.ts";
import {
  type DroppedConnection,
  dropped,
  type ListenOptions,
  listenOpen,
  type ServerOptions,
  serverSettings,
} from "./listen.ts";
import { openChannel } from "./open-channel.ts";
import { type Rings, ringWish, STREAM_RINGS } from "./room.ts";
import { GuestSocket, type SocketAddress, socketAddress } from "./socket.ts";
import { callArguments, nodeError } from "./socket-arguments.ts";
import { isUnknown } from "./unknown.ts";

interface ServerEvents {
  listening: [];
  connection: [GuestSocket];
  close: [];
  error: [Error];
  /** A connection beyond maxConnections was closed. */
  drop: [DroppedConnection];
  /** An accept failed on the host (EMFILE, ...), or a stream could not be posted; the server goes on. */
  acceptError: [Error];
}

/** Accepts, and what became of some. */
const LISTENER_RINGS: Rings = { toHostBytes: 16 * 1024, toGuestBytes: 16 * 1024 };
const RETRY_MS = 100;

export class GuestServer extends EventEmitter<ServerEvents> {
  /** As net.Server: connections beyond this many are destroyed at once. */
  maxConnections: number | undefined = undefined;
  /** As net.Server: what connections begin with. */
  allowHalfOpen: boolean;
  pauseOnConnect: boolean;
  noDelay: boolean;
  keepAlive: boolean;
  keepAliveInitialDelay: number;
  highWaterMark: number | undefined;
  /** Internal: what else is to close with this. */
  _onClose: () => void = () => {};
  readonly #engine: Engine;
  readonly #options: ServerOptions;
  #opening: AbortController = new AbortController();
  #state: "new" | "opening" | "listening" = "new";
  #channel: Channel | undefined;
  #reader: FrameReader | undefined;
  #writer: FrameWriter | undefined;
  #bound: InetAddress | undefined;
  #connections = 0;
  #referenced = true;
  #held = false;
  /** The host has not closed its listener yet. */
  #unbinding = false;
  /** 'close' is to come, unless it listens again before. */
  #closing = false;
  #stopSignal: () => void = () => {};
  /** Streams wanted ahead; shrinks where the host takes fewer. */
  #target: number;
  /** Streams being made, and those that the host has, by the Accept's request id. */
  #making = 0;
  readonly #posted: Map<number, Channel> = new Map();
  #toPost: Channel[] = [];
  #nextRequestId = 2;
  #retry: NodeJS.Timeout | undefined;

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
    this.#options = options;
    this.allowHalfOpen = settings.allowHalfOpen;
    this.pauseOnConnect = settings.pauseOnConnect;
    this.noDelay = settings.noDelay;
    this.keepAlive = settings.keepAlive;
    this.keepAliveInitialDelay = settings.keepAliveInitialDelay;
    this.highWaterMark = settings.highWaterMark;
    this.#target = this.#acceptsAhead;
    if (typeof listener === "function") this.on("connection", listener);
  }

  get #acceptsAhead(): number {
    return Math.max(1, this.#options.acceptsAhead ?? 16);
  }

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

  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.#connections);
    return this;
  }

  ref(): this {
    this.#referenced = true;
    this.#updateHold();
    return this;
  }

  unref(): this {
    this.#referenced = false;
    this.#updateHold();
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
    // One for each stream that is being made.
    setMaxListeners(0, this.#opening.signal);
    this.#target = this.#acceptsAhead;
    this.#updateHold();
    if (body === undefined) {
      process.nextTick(() => this.#fail(errnoError(Errno.EINVAL, context)));
      return;
    }
    this.#closeOn(signal);
    const opening = this.#opening.signal;
    openChannel(
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
      ({ channel, opened }) => {
        if (opening.aborted) channel.finish();
        else this.#begin(channel, opened);
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

  #begin(channel: Channel, bound: InetAddress): void {
    if (!channel.open) {
      this.#fail(resetError("listen", this.#engine.ended));
      return;
    }
    this.#state = "listening";
    this.#bound = bound;
    this.#channel = channel;
    this.#engine.servers.add(this);
    this.#reader = new FrameReader(channel.pipe.toGuest);
    this.#writer = new FrameWriter(channel.pipe.toHost);
    channel.user = {
      step: () => this.#step(),
      lost: (error) => {
        this.#channel = undefined;
        this.#fail(error);
      },
    };
    this.#fillUp();
    this.emit("listening");
    this.#engine.touch(() => this.#step());
  }

  #step(): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    const closed = channel.pipe.toGuest.peerClosed();
    for (;;) {
      const frame = this.#reader!.next(channel.signal);
      if (frame === undefined) break;
      if (isUnknown(frame, ErrorReply.type)) continue;
      if (frame.type !== ErrorReply.type) {
        throw new ProtocolError(Violation.FRAME_TYPE, "LSN-2", `type ${frame.type} on a listener`);
      }
      this.#onError(frame.requestId, ErrorReply.decode(frame.payload));
      if (this.#channel === undefined) return;
    }
    if (closed !== Closed.OPEN) {
      if (closed === Closed.END) this.#reader!.end();
      this.#fail(resetError("accept"));
      return;
    }
    this.#post();
  }

  #onError(requestId: number, reply: ErrorReply): void {
    const error = replyError(reply, { syscall: "accept", ...this.#boundContext() });
    const posted = this.#posted.get(requestId);
    if (posted !== undefined) {
      this.#posted.delete(requestId);
      posted.abort();
      if (this.#target > 1) this.#target--;
      this.#retryLater();
    }
    this.emit("acceptError", error);
  }

  #boundContext(): { address?: string; port?: number } {
    const address = this.address();
    return address === null ? {} : { address: address.address, port: address.port };
  }

  /** Makes streams until as many as wanted are posted. */
  #fillUp(): void {
    const missing = this.#target - this.#posted.size - this.#toPost.length - this.#making;
    for (let i = 0; i < missing; i++) {
      this.#making++;
      this.#newStream().then(
        (channel) => {
          this.#making--;
          if (this.#channel === undefined) return channel.abort();
          this.#toPost.push(channel);
          this.#engine.touch(() => this.#post());
        },
        (error: Error) => {
          this.#making--;
          if (this.#channel === undefined) return;
          this.#retryLater();
          this.emit("acceptError", error);
        },
      );
    }
  }

  /** Waits for its turn, as every call does. */
  #newStream(): Promise<Channel> {
    const { control, room } = this.#engine;
    const wish = ringWish(this.#options.ringBytes, STREAM_RINGS);
    const { signal } = this.#opening;
    return room.run("stream", () => control.newStream(wish, { syscall: "accept" }, signal), signal);
  }

  #retryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      if (this.#channel !== undefined) this.#fillUp();
    }, RETRY_MS).unref();
  }

  #post(): void {
    const listener = this.#channel;
    if (listener === undefined) return;
    const { toHost } = listener.pipe;
    while (this.#toPost.length > 0) {
      const channel = this.#toPost[0]!;
      const requestId = this.#nextRequestId;
      const accept = { id: channel.pipe.id, generation: channel.pipe.generation };
      if (channel.open) {
        // Its Incoming may come at once.
        this.#expect(channel, requestId);
        while (!this.#writer!.send(Accept, requestId, accept, listener.signal)) {
          if (!toHost.wantSpace(64)) return;
        }
        this.#posted.set(requestId, channel);
        this.#nextRequestId = (requestId + 1) >>> 0 || 2;
      }
      this.#toPost.shift();
    }
    toHost.unwantSpace();
  }

  #expect(channel: Channel, requestId: number): void {
    const reader = new FrameReader(channel.pipe.toGuest);
    channel.user = {
      lost: () => this.#posted.delete(requestId),
      step: () => {
        const closed = channel.pipe.toGuest.peerClosed();
        let frame = reader.next(channel.signal);
        while (frame !== undefined && isUnknown(frame, Incoming.type)) frame = reader.next(channel.signal);
        if (frame === undefined) {
          if (closed === Closed.OPEN) return;
          if (closed === Closed.END) reader.end();
          this.#posted.delete(requestId);
          channel.abort();
          this.#retryLater();
          return;
        }
        if (frame.type !== Incoming.type) {
          throw new ProtocolError(Violation.FRAME_TYPE, "LSN-3", `type ${frame.type} on a posted stream`);
        }
        const endpoints = Incoming.decode(frame.payload);
        this.#posted.delete(requestId);
        this.#fillUp();
        this.#connection(channel, endpoints);
      },
    };
    channel.pipe.toGuest.wantData();
  }

  #connection(channel: Channel, endpoints: Incoming): void {
    if (this.maxConnections && this.#connections >= this.maxConnections) {
      channel.finish();
      this.emit("drop", dropped(endpoints));
      return;
    }
    const { allowHalfOpen, highWaterMark } = this;
    const socket = new GuestSocket(this.#engine, { allowHalfOpen, highWaterMark });
    socket.server = this;
    this.#connections++;
    socket.once("close", () => {
      this.#connections--;
      this.#emitCloseIfDone();
    });
    channel.holds = "connection";
    socket._adopt({ channel, opened: endpoints });
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
    this.#opening.abort(new RingwayError("ECANCELED", "the server was closed", { errno: -Errno.ECANCELED }));
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const channel = this.#channel;
    this.#channel = undefined;
    this.#bound = undefined;
    for (const each of [...this.#posted.values(), ...this.#toPost]) each.abort();
    this.#posted.clear();
    this.#toPost = [];
    if (channel?.open === true) {
      this.#unbinding = true;
      channel.finish(() => {
        this.#unbinding = false;
        this.#emitCloseIfDone();
      });
    }
    this.#updateHold();
    this._onClose();
  }

  #emitCloseIfDone(): void {
    if (!this.#closing || this.#unbinding || this.#connections > 0) return;
    this.#closing = false;
    process.nextTick(() => this.emit("close"));
  }

  #updateHold(): void {
    const hold = this.#referenced && this.#state !== "new";
    if (hold === this.#held) return;
    this.#held = hold;
    if (hold) this.#engine.hold();
    else this.#engine.unhold();
  }
}

/** With events.captureRejections, as net.Server: a listener that is async and fails breaks its connection. */
Object.defineProperty(GuestServer.prototype, EventEmitter.captureRejectionSymbol, {
  value(this: GuestServer, error: Error, event: string, socket: GuestSocket): void {
    if (event === "connection") socket.destroy(error);
    else this.emit("error", error);
  },
});
