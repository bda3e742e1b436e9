// The guest: everything that a program may ask its host for.

import type { Agent, AgentOptions } from "node:http";
import type { Agent as HttpsAgent, AgentOptions as HttpsAgentOptions } from "node:https";
import type { Server } from "node:net";
import {
  Args,
  Exit,
  Explain,
  encodeUtf8,
  GetArgs,
  Log,
  LogLevel,
  Ping,
  Pong,
  Protocol,
  TEXT_MAX_BYTES,
  Verdict,
} from "@ringway/control";
import { type AbortOptions, onAbort, throwIfAborted } from "./abort.ts";
import { integer, invalidType, invalidValue } from "./argument-errors.ts";
import {
  type AttachDescriptor,
  type AttachMemory,
  type Attachment,
  attachDescriptor,
  attachmentOf,
  attachSocket,
  retry,
} from "./attach/attach.ts";
import { type AttachIvshmem, attachIvshmem } from "./attach/ivshmem.ts";
import { codeOf, detachedError, RingwayError } from "./errors.ts";
import { type ExplainTarget, explainBody } from "./explain.ts";
import { GuestFiles } from "./files/guest-files.ts";
import type { ConnectOptions, StreamOptions } from "./net/connect.ts";
import {
  type Connector,
  type ConnectorInit,
  createConnector,
  GuestHttpAgent,
  GuestHttpsAgent,
} from "./net/http.ts";
import type { ListenOptions, ServerOptions } from "./net/listen.ts";
import { serve } from "./net/serve.ts";
import { GuestServer } from "./net/server.ts";
import { GuestSocket } from "./net/socket.ts";
import { callArguments, requireSignal, requireTime } from "./net/socket-arguments.ts";
import { Engine } from "./stream/engine.ts";
import { decodeNothing } from "./stream/open-stream.ts";

export interface AttachOptions extends AbortOptions {
  /** Time limit, in milliseconds. Default 10 seconds. */
  readonly timeoutMs?: number | undefined;
  /**
   * How long, in microseconds, to keep looking at the pending words after activity before the guest sleeps; it stops to
   * while that rarely pays. 0 turns it off. Default 50.
   */
  readonly busyPollUs?: number | undefined;
  /**
   * A call for which the host has no room (streams, open files, ...) waits in line behind others. How long, in milliseconds, before
   * it fails if nothing is given back meanwhile. 0: it fails at once. Default 10 seconds.
   */
  readonly roomTimeoutMs?: number | undefined;
}

/** What the host wants the guest to run with. */
export interface GuestArgs {
  readonly argv: string[];
  readonly env: Record<string, string>;
}

interface GuestEvents {
  /** The guest is not attached any more: because of an error, or (undefined) by close(). */
  detach: [error: Error | undefined];
}

const ATTACH_TIMEOUT_MS = 10_000;
/** Measured: a 64-byte round trip takes 28 us with it and 60 without; 100 takes a core from the host that it waits for. */
const BUSY_POLL_US = 50;
const ROOM_TIMEOUT_MS = 10_000;

export class Guest extends GuestFiles<GuestEvents> {
  readonly #engine: Engine;
  readonly #attachment: Attachment;
  #closing: Promise<void> | undefined;

  private constructor(attachment: Attachment, options: AttachOptions) {
    const { busyPollUs = BUSY_POLL_US, roomTimeoutMs = ROOM_TIMEOUT_MS } = options;
    const engine = new Engine(attachment.memory, attachment.bell, busyPollUs, roomTimeoutMs);
    super(engine);
    this.#attachment = attachment;
    this.#engine = engine;
  }

  /**
   * Attaches to the monitor that listens at a Unix socket, or over a connection to it, or by memory and a doorbell, or, in a virtual
   * machine, to the one that serves it, which is waited for. Rejects with AbortError, ETIMEDOUT, what connecting to the socket
   * gives (ENOENT, ECONNREFUSED, ...), the errno with which the monitor turns the guest away, ProtocolError, or what is wrong with
   * the machine's devices (ENODEV, EACCES, EBUSY).
   */
  static async attach(
    to: string | AttachDescriptor | AttachMemory | AttachIvshmem,
    options: AttachOptions = {},
  ): Promise<Guest> {
    const { signal } = options;
    if (signal !== undefined) requireSignal(signal, "options.signal");
    for (const name of ["timeoutMs", "busyPollUs", "roomTimeoutMs"] as const) {
      if (options[name] !== undefined) requireTime(options[name], `options.${name}`);
    }
    throwIfAborted(signal);
    const deadline = performance.now() + (options.timeoutMs ?? ATTACH_TIMEOUT_MS);
    for (;;) {
      const attachment = await attachmentFor(to, deadline, signal);
      try {
        const guest = Guest.#on(attachment, options);
        await guest.#attach(deadline, signal);
        return guest;
      } catch (error) {
        const isLoss = attachment.monitorReturns && codeOf(error) === "ECONNRESET";
        if (!isLoss || performance.now() >= deadline) throw error;
        await attachment.bell.closed;
      }
    }
  }

  static #on(attachment: Attachment, options: AttachOptions): Guest {
    try {
      return new Guest(attachment, options);
    } catch (error) {
      attachment.bell.close();
      attachment.release();
      throw error;
    }
  }

  async #attach(deadline: number, signal: AbortSignal | undefined): Promise<void> {
    const engine = this.#engine;
    let attached = false;
    engine.hold();
    try {
      engine.start(
        () => {
          attached = true;
        },
        (error) => {
          this.#attachment.release();
          if (attached) this.emit("detach", error);
        },
      );
      // Looks by itself as well: a hypervisor drops the rings of a monitor that it has not accepted yet (ATT-4).
      await retry(deadline, signal, { syscall: "attach" }, () => {
        engine.run();
        if (engine.ended !== undefined) throw engine.ended;
        return attached ? true : undefined;
      });
    } catch (error) {
      engine.detach();
      throw error;
    } finally {
      engine.unhold();
    }
  }

  /** Is the monitor there? */
  get attached(): boolean {
    return this.#engine.ended === undefined;
  }

  /** Connects to a TCP server through the host; resolves once connected. The signal covers the connecting only. */
  connect(options: ConnectOptions): Promise<GuestSocket>;
  connect(
    port: number | string,
    host?: string,
    options?: Omit<ConnectOptions, "host" | "port">,
  ): Promise<GuestSocket>;
  connect(
    first: number | string | ConnectOptions,
    host?: string,
    rest?: Omit<ConnectOptions, "host" | "port">,
  ): Promise<GuestSocket> {
    return new Promise((resolve, reject) => {
      const isWhole = typeof first === "object" && first !== null;
      const { signal, ...whole } = isWhole ? first : { ...rest, host, port: first };
      if (signal !== undefined) requireSignal(signal, "options.signal");
      throwIfAborted(signal);
      this.#engine.check();
      this.#untilConnected(this.createConnection(whole), signal).then(resolve, reject);
    });
  }

  /**
   * As net.createConnection(): a socket that is connecting. The signal destroys it whenever it aborts. Without arguments: as
   * createSocket().
   */
  createConnection(options: ConnectOptions, onConnect?: () => void): GuestSocket;
  createConnection(port: number | string, host?: string, onConnect?: () => void): GuestSocket;
  createConnection(port: number | string, onConnect?: () => void): GuestSocket;
  createConnection(): GuestSocket;
  createConnection(...args: unknown[]): GuestSocket {
    if (args.length === 0) return this.createSocket();
    const { options, listener } = callArguments(args);
    const socket = this.createSocket(options);
    if (options.timeout) socket.setTimeout(options.timeout as number);
    return socket.connect(options as unknown as ConnectOptions, listener);
  }

  /** As `new net.Socket()`: call connect() on the result. For libraries that connect a socket themselves, such as pg. */
  createSocket(options: StreamOptions = {}): GuestSocket {
    return new GuestSocket(this.#engine, options);
  }

  /** A stream on which the monitor sends back what it gets. */
  async echo(options: StreamOptions = {}): Promise<GuestSocket> {
    const { signal, ...whole } = options;
    if (signal !== undefined) requireSignal(signal, "options.signal");
    throwIfAborted(signal);
    this.#engine.check();
    const open = {
      protocol: Protocol.ECHO,
      body: encodeUtf8(""),
      context: { syscall: "echo" },
      ringBytes: options.ringBytes,
      decode: decodeNothing,
    };
    const socket = new GuestSocket(this.#engine, whole, { open });
    return await this.#untilConnected(socket, signal);
  }

  #untilConnected(socket: GuestSocket, signal: AbortSignal | undefined): Promise<GuestSocket> {
    return new Promise((resolve, reject) => {
      const stop = onAbort(signal, (error) => socket.destroy(error));
      const settle = (): void => {
        stop();
        socket.removeListener("error", onError);
        socket.removeListener("connect", onConnect);
        socket.removeListener("close", onClose);
      };
      // Destroyed without an error: this guest leaves.
      const onClose = (): void => onError(detachedError(this.#engine.ended));
      const onError = (error: Error): void => {
        settle();
        reject(error);
      };
      const onConnect = (): void => {
        settle();
        resolve(socket);
      };
      socket.on("error", onError);
      socket.on("connect", onConnect);
      socket.on("close", onClose);
    });
  }

  /**
   * Listens on an address of the host's; resolves once it does. The signal closes the server whenever it aborts. The port is 0 where
   * none is given: the host picks one.
   */
  listen(
    options: ListenOptions & ServerOptions,
    onConnection?: (socket: GuestSocket) => void,
  ): Promise<GuestServer>;
  listen(port: number | string, onConnection?: (socket: GuestSocket) => void): Promise<GuestServer>;
  listen(
    port: number | string,
    host: string,
    onConnection?: (socket: GuestSocket) => void,
  ): Promise<GuestServer>;
  listen(...args: unknown[]): Promise<GuestServer> {
    const { options, listener } = callArguments(args);
    const where = options.path === undefined ? { port: 0, ...options } : options;
    return this.#listen(args[0], where, listener as (socket: GuestSocket) => void);
  }

  #listen(
    first: unknown,
    options: ListenOptions & ServerOptions,
    onConnection: ((socket: GuestSocket) => void) | undefined,
  ): Promise<GuestServer> {
    return new Promise((resolve, reject) => {
      if (first == null || typeof first === "function") {
        throw invalidType("options", "{ port, host }, or a port; { port: 0 } for any", first);
      }
      if (options.signal !== undefined) requireSignal(options.signal, "options.signal");
      throwIfAborted(options.signal);
      const server = this.createServer(options, onConnection);
      const onListening = (): void => {
        settle();
        resolve(server);
      };
      const onError = (error: Error): void => {
        settle();
        reject(error);
      };
      const onClose = (): void => onError(new RingwayError("ECANCELED", "the server was closed"));
      const settle = (): void => {
        server.removeListener("listening", onListening);
        server.removeListener("error", onError);
        server.removeListener("close", onClose);
      };
      server.on("listening", onListening);
      server.on("error", onError);
      server.on("close", onClose);
      server.listen(options);
    });
  }

  /** As net.createServer(): call listen() on the result. */
  createServer(options?: ServerOptions, onConnection?: (socket: GuestSocket) => void): GuestServer;
  createServer(onConnection: (socket: GuestSocket) => void): GuestServer;
  createServer(
    options: ServerOptions | ((socket: GuestSocket) => void) = {},
    onConnection?: (socket: GuestSocket) => void,
  ): GuestServer {
    this.#engine.check();
    return new GuestServer(this.#engine, options, onConnection);
  }

  /**
   * Listens, and lets a server of node:http, node:https, node:http2, node:tls or node:net serve what comes. Closing either closes the
   * other, its idle connections as well.
   */
  serve(
    server: Server,
    options: ListenOptions & ServerOptions,
    onListening?: () => void,
  ): Promise<GuestServer>;
  serve(server: Server, port: number | string, onListening?: () => void): Promise<GuestServer>;
  serve(server: Server, port: number | string, host: string, onListening?: () => void): Promise<GuestServer>;
  async serve(server: Server, ...args: unknown[]): Promise<GuestServer> {
    return await serve(this, server, args);
  }

  /** Arguments and environment that the host has for this guest. */
  async args({ signal }: AbortOptions = {}): Promise<GuestArgs> {
    const { argv, env } = await this.#engine.control.request(GetArgs, {}, Args, { syscall: "args" }, signal);
    const pairs = env.map((entry): [string, string] => {
      const at = entry.indexOf("=");
      return at < 0 ? [entry, ""] : [entry.slice(0, at), entry.slice(at + 1)];
    });
    return { argv: [...argv], env: Object.fromEntries(pairs) };
  }

  /** A line for the host's log; cut off at 8192 bytes, dropped where the guest is detached or logs too fast. */
  log(text: string, level: "debug" | "info" | "warn" | "error" | number = "info"): void {
    const levels = { debug: LogLevel.DEBUG, info: LogLevel.INFO, warn: LogLevel.WARN, error: LogLevel.ERROR };
    const number = typeof level === "number" ? level : levels[level];
    if (number === undefined) throw invalidValue("level", level, `must be one of ${Object.keys(levels)}`);
    if (typeof text !== "string") throw invalidType("text", "of type string", text);
    const line = cut(text.replaceAll("\0", "\ufffd"));
    this.#engine.touch(() => this.#engine.control.post(Log, { level: number, text: line }, true));
  }

  /** Tells the host that this guest's program has ended with `code`, 0 to 255; resolves when the host has read it. */
  async exit(code: number, options?: AbortOptions): Promise<void> {
    integer(code, "code", 0, 255);
    this.#engine.check();
    this.#engine.control.post(Exit, { code }, false);
    await this.ping(options);
  }

  /** A round trip over the control pipe: its time in milliseconds. */
  async ping({ signal }: AbortOptions = {}): Promise<number> {
    const start = performance.now();
    const data = encodeUtf8("ringway");
    const pong = await this.#engine.control.request(Ping, { data }, Pong, { syscall: "ping" }, signal);
    if (Buffer.compare(pong.data, data) !== 0)
      throw new RingwayError("EPROTO", "a pong carries other bytes than its ping");
    return performance.now() - start;
  }

  /** Would the policy allow this? Nothing is opened. */
  async explain(target: ExplainTarget, { signal }: AbortOptions = {}): Promise<Verdict> {
    return await this.#engine.control.request(
      Explain,
      explainBody(target),
      Verdict,
      { syscall: "explain" },
      signal,
    );
  }

  /** An agent for http.request(). */
  httpAgent(options?: AgentOptions): Agent {
    return new GuestHttpAgent(this, options);
  }

  /** An agent for https.request(); TLS runs in the guest. */
  httpsAgent(options?: HttpsAgentOptions): HttpsAgent {
    return new GuestHttpsAgent(this, options);
  }

  /** A connector for undici: `new Agent({ connect: guest.connector() })`, which is also a `dispatcher` for fetch(). */
  connector(init?: ConnectorInit): Connector {
    return createConnector(this, init);
  }

  /**
   * Leaves the monitor. Servers stop; bytes that streams which ended still had to send are given time to go out; streams that are open
   * are destroyed without an error, calls fail with ERR_RINGWAY_DETACHED.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (this.#engine.ended === undefined) {
      for (const server of this.#engine.servers) server.close();
      this.closeFiles();
      await this.#engine.quiet();
      this.#engine.detach();
    }
    await this.#attachment.bell.closed;
  }
}

async function attachmentFor(
  to: string | AttachDescriptor | AttachMemory | AttachIvshmem,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<Attachment> {
  if (typeof to === "string" && to !== "") return await attachSocket(to, deadline, signal);
  if (typeof to === "object" && to !== null) {
    if ("ivshmem" in to) return await attachIvshmem(to.ivshmem === true ? {} : to.ivshmem, deadline, signal);
    if ("fd" in to) integer(to.fd, "to.fd", 0);
    if ("fd" in to) return await attachDescriptor(to.fd, deadline, signal);
    if ("memory" in to && "doorbell" in to) return attachmentOf(to);
  }
  const what =
    "the path of the monitor's attach socket, { fd }, { ivshmem: true } or { memory, doorbell }; " +
    "a path from the environment, such as RINGWAY_SOCKET, may not be set";
  throw invalidType("to", what, to);
}

/** The longest start of `text` with at most TEXT_MAX_BYTES bytes. */
function cut(text: string): string {
  if (Buffer.byteLength(text) <= TEXT_MAX_BYTES) return text;
  let bytes = Buffer.from(text).subarray(0, TEXT_MAX_BYTES - 3);
  while (bytes.length > 0 && (bytes.at(-1)! & 0xc0) === 0x80) bytes = bytes.subarray(0, -1);
  if (bytes.length > 0 && bytes.at(-1)! >= 0xc0) bytes = bytes.subarray(0, -1);
  return `${bytes.toString()}…`;
}
