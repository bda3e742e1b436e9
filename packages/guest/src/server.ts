// A listener on the host, as a server that behaves like net.Server.
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
  ListenRequest,
  Protocol,
  ProtocolError,
  parseIp,
  Violation,
} from "@ringway/control";
import type { Channel } from "./channel.ts";
import type { Engine } from "./engine.ts";
import { errnoError, RingwayError, replyError, resetError } from "./errors.ts";
import { openChannel } from "./open-channel.ts";
import { type Rings, ringWish, STREAM_RINGS } from "./room.ts";
import { GuestSocket, type SocketAddress, socketAddress } from "./socket.ts";
import { isUnknown } from "./unknown.ts";

export interface ServerOptions {
  /** As in net.createServer(). */
  readonly allowHalfOpen?: boolean | undefined;
  /** As in net.createServer(): connections start paused. */
  readonly pauseOnConnect?: boolean | undefined;
  readonly highWaterMark?: number | undefined;
  /** Streams posted ahead of connections. Default 16. */
  readonly acceptsAhead?: number | undefined;
  /** Size of each ring of an accepted connection, in bytes. Default as for connect(). */
  readonly ringBytes?: number | undefined;
}

export interface ListenOptions {
  /** Default 0: the host picks one. */
  readonly port?: number | undefined;
  /** A literal address of the host's. Default "127.0.0.1". */
  readonly host?: string | undefined;
  readonly backlog?: number | undefined;
  /** Closes the server when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

interface ServerEvents {
  listening: [];
  connection: [GuestSocket];
  close: [];
  error: [Error];
  /** An accept failed on the host (EMFILE, ...), or a stream could not be posted; the server goes on. */
  acceptError: [Error];
}

/** Accepts, and what became of some. */
const LISTENER_RINGS: Rings = { toHostBytes: 16 * 1024, toGuestBytes: 16 * 1024 };
const RETRY_MS = 100;
const ECANCELED = 125;

export class GuestServer extends EventEmitter<ServerEvents> {
  /** As net.Server: connections beyond this many are destroyed at once. */
  maxConnections: number | undefined = undefined;
  readonly #engine: Engine;
  readonly #options: ServerOptions;
  readonly #opening: AbortController = new AbortController();
  #state: "new" | "opening" | "listening" | "closed" = "new";
  #channel: Channel | undefined;
  #reader: FrameReader | undefined;
  #writer: FrameWriter | undefined;
  #bound: InetAddress | undefined;
  #connections = 0;
  #referenced = true;
  #held = false;
  /** The host has not closed its listener yet. */
  #unbinding = false;
  #closeEmitted = false;
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
  constructor(engine: Engine, options: ServerOptions = {}, listener?: (socket: GuestSocket) => void) {
    super();
    this.#engine = engine;
    this.#options = options;
    // One for each stream that is being made.
    setMaxListeners(0, this.#opening.signal);
    this.#target = Math.max(1, options.acceptsAhead ?? 16);
    if (listener !== undefined) this.on("connection", listener);
  }

  get listening(): boolean {
    return this.#state === "listening";
  }

  listen(port?: number, host?: string, backlog?: number, listener?: () => void): this;
  listen(port?: number, host?: string, listener?: () => void): this;
  listen(port?: number, listener?: () => void): this;
  listen(options: ListenOptions, listener?: () => void): this;
  listen(...args: unknown[]): this {
    const last = args.at(-1);
    if (typeof last === "function") this.once("listening", last as () => void);
    const plain = args.filter((arg) => typeof arg !== "function");
    const options: ListenOptions =
      typeof plain[0] === "object" && plain[0] !== null
        ? plain[0]
        : { port: plain[0] as number, host: plain[1] as string, backlog: plain[2] as number };
    this.#listen(options);
    return this;
  }

  /** As net.Server: no more connections; 'close' once those that are open have ended. */
  close(callback?: (error?: Error) => void): this {
    if (callback !== undefined) {
      if (this.#state === "new" || this.#closeEmitted) {
        const error = new RingwayError("ERR_SERVER_NOT_RUNNING", "Server is not running.");
        process.nextTick(callback, error);
      } else this.once("close", callback);
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
    if (this.#state === "new" || this.#closeEmitted) return Promise.resolve();
    return new Promise((resolve) => void this.close(() => resolve()));
  }

  #listen(options: ListenOptions): void {
    if (this.#state !== "new") {
      throw new RingwayError("ERR_SERVER_ALREADY_LISTEN", "Listen method has been called more than once");
    }
    this.#state = "opening";
    const host = options.host ?? "127.0.0.1";
    const port = options.port ?? 0;
    if (!Number.isInteger(port) || port < 0 || port > 65535) {
      throw new RangeError(`options.port should be >= 0 and < 65536. Received ${port}.`);
    }
    const context = { syscall: "listen", address: host, port };
    const address = parseIp(host === "localhost" ? "127.0.0.1" : host);
    this.#updateHold();
    if (address === undefined) {
      process.nextTick(() => this.#fail(errnoError(22, context)));
      return;
    }
    const { signal } = options;
    if (signal !== undefined) {
      const close = (): void => void this.close();
      if (signal.aborted) process.nextTick(close);
      signal.addEventListener("abort", close, { once: true });
      this.#stopSignal = () => signal.removeEventListener("abort", close);
    }
    const body = ListenRequest.encode({
      backlog: options.backlog ?? 511,
      address: { family: address.length === 4 ? 4 : 6, port, address },
    });
    openChannel(
      this.#engine,
      {
        protocol: Protocol.TCP_LISTEN,
        body,
        rings: ringWish(undefined, LISTENER_RINGS),
        context,
        signal: this.#opening.signal,
      },
      (opened) => ListenReply.decode(opened).bound,
    ).then(
      ({ channel, opened }) => this.#begin(channel, opened),
      (error: Error) => {
        if (this.#state === "opening") this.#fail(error);
      },
    );
  }

  #begin(channel: Channel, bound: InetAddress): void {
    if (this.#state !== "opening") {
      channel.finish();
      return;
    }
    if (!channel.open) {
      this.#fail(resetError("listen", this.#engine.ended));
      return;
    }
    this.#state = "listening";
    this.#bound = bound;
    this.#channel = channel;
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
    return room.run(() => control.newStream(wish, { syscall: "accept" }, signal), signal);
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
    if (this.maxConnections !== undefined && this.#connections >= this.maxConnections) {
      channel.abort();
      return;
    }
    const { allowHalfOpen, highWaterMark, pauseOnConnect } = this.#options;
    const socket = new GuestSocket(this.#engine, { allowHalfOpen, highWaterMark });
    this.#connections++;
    socket.once("close", () => {
      this.#connections--;
      this.#emitCloseIfDone();
    });
    socket._adopt({ channel, opened: endpoints });
    if (pauseOnConnect) socket.pause();
    else socket.read(0);
    this.emit("connection", socket);
  }

  #fail(error: Error): void {
    if (this.#state === "closed") return;
    this.#close();
    this.emit("error", error);
  }

  #close(): void {
    if (this.#state === "closed") return;
    const wasNew = this.#state === "new";
    this.#state = "closed";
    this.#stopSignal();
    this.#opening.abort(new RingwayError("ECANCELED", "the server was closed", { errno: -ECANCELED }));
    clearTimeout(this.#retry);
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
    if (!wasNew) this.#emitCloseIfDone();
  }

  #emitCloseIfDone(): void {
    if (this.#state !== "closed" || this.#unbinding || this.#connections > 0 || this.#closeEmitted) return;
    this.#closeEmitted = true;
    process.nextTick(() => this.emit("close"));
  }

  #updateHold(): void {
    const hold = this.#referenced && (this.#state === "opening" || this.#state === "listening");
    if (hold === this.#held) return;
    this.#held = hold;
    if (hold) this.#engine.hold();
    else this.#engine.unhold();
  }
}
