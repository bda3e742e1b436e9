// A guest's network: connections and servers as node:net has them, and what node:http, node:https and undici take to
// use them.

import type { Agent, AgentOptions } from "node:http";
import type { Agent as HttpsAgent, AgentOptions as HttpsAgentOptions } from "node:https";
import { isIP, type Server } from "node:net";
import { encodeUtf8, Protocol } from "@ringway/control";
import { invalidType, invalidValue, isThenable, requireObject } from "@ringway/linux";
import { type AbortOptions, throwIfAborted } from "./abort.ts";
import { GuestFiles } from "./guest-files.ts";
import type { ConnectOptions, ConnectTarget, StreamOptions } from "./net/connect.ts";
import {
  type Connector,
  type ConnectorInit,
  createConnector,
  GuestHttpAgent,
  GuestHttpsAgent,
} from "./net/http.ts";
import type { ListenOptions, ServerOptions } from "./net/listen.ts";
import { type GuestLookup, lookupOver } from "./net/lookup.ts";
import { GuestNames } from "./net/names.ts";
import { serve } from "./net/serve.ts";
import { GuestServer } from "./net/server.ts";
import { GuestSocket } from "./net/socket.ts";
import { callArguments, isPath } from "./net/socket-arguments.ts";
import type { UdpSocketOptions, UdpType } from "./net/udp/arguments.ts";
import type { UdpRemote } from "./net/udp/incoming.ts";
import { GuestUdpSocket } from "./net/udp/socket.ts";
import { untilConnected, untilListening } from "./net/until.ts";
import type { Engine } from "./stream/engine.ts";
import { decodeNothing } from "./stream/open-stream.ts";

/** Text that says no port is a path, as for net.connect(). */
function targetOf(first: number | string, host: string | undefined): ConnectTarget {
  return isPath(first) ? { path: first } : { host, port: first };
}

export abstract class GuestNetwork<
  Events extends Record<keyof Events, unknown[]>,
> extends GuestFiles<Events> {
  readonly #engine: Engine;
  readonly #names: GuestNames;
  /**
   * As dns.lookup(), by the host, and of names that its policy lets this guest reach: the `lookup` of net.connect(),
   * http.request() and undici. A program that connects to an address that it got here is judged as one that connects
   * to the name. Fails with ENOTFOUND, EAI_AGAIN, ETIMEDOUT, or a RefusedError.
   */
  readonly lookup: GuestLookup;

  /** @internal */
  protected constructor(engine: Engine) {
    super(engine);
    this.#engine = engine;
    this.#names = new GuestNames(engine);
    this.lookup = lookupOver(this.#names);
  }

  /** @internal Ends the stream of names. */
  protected closeNames(): void {
    this.#names.close();
  }

  /** As dns.promises.reverse(), by the host: the names of an address that its policy lets this guest reach. */
  async reverse(address: string, { signal }: AbortOptions = {}): Promise<string[]> {
    if (typeof address !== "string") throw invalidType("address", "of type string", address);
    if (isIP(address) === 0) throw invalidValue("address", address, "must be an IP address");
    return await this.#names.reverse(address, signal);
  }

  /**
   * Connects through the host, to a TCP server, or to a Unix socket by its path; resolves once connected. The signal
   * covers the connecting only.
   */
  connect(options: ConnectOptions): Promise<GuestSocket>;
  connect(
    port: number | string,
    host?: string,
    options?: StreamOptions & { readonly timeout?: number; readonly timeoutMs?: number },
  ): Promise<GuestSocket>;
  async connect(
    first: number | string | ConnectOptions,
    host?: string,
    rest?: StreamOptions & { readonly timeout?: number; readonly timeoutMs?: number },
  ): Promise<GuestSocket> {
    if (isThenable(first)) throw invalidType("options", "{ port, host }, or a port", first);
    const isWhole = typeof first === "object" && first !== null;
    const { signal, ...whole }: ConnectOptions = isWhole ? first : { ...rest, ...targetOf(first, host) };
    throwIfAborted(signal);
    this.#engine.check();
    return await untilConnected(this.createConnection(whole), this.#engine, signal);
  }

  /**
   * As net.createConnection(): a socket that is connecting. The signal destroys it whenever it aborts. Without
   * arguments: as createSocket().
   */
  createConnection(options: ConnectOptions, onConnect?: () => void): GuestSocket;
  createConnection(port: number | string, host?: string, onConnect?: () => void): GuestSocket;
  createConnection(port: number | string, onConnect?: () => void): GuestSocket;
  createConnection(path: string, onConnect?: () => void): GuestSocket;
  createConnection(): GuestSocket;
  createConnection(...args: unknown[]): GuestSocket {
    if (args.length === 0) return this.createSocket();
    const { options, listener } = callArguments(args);
    const socket = this.createSocket(options);
    if (options.timeout) socket.setTimeout(options.timeout as number);
    return socket.connect(options as unknown as ConnectOptions, listener);
  }

  /**
   * As `new net.Socket()`: call connect() on the result. For libraries that connect a socket themselves, such as pg.
   */
  createSocket(options: StreamOptions = {}): GuestSocket {
    if (isThenable(options)) throw invalidType("options", "of type object", options);
    return GuestSocket.make(this.#engine, options);
  }

  /** A stream on which the monitor sends back what it gets. */
  async echo(options: StreamOptions = {}): Promise<GuestSocket> {
    requireObject(options, "options");
    const { signal, ...whole } = options;
    throwIfAborted(signal);
    this.#engine.check();
    const open = {
      protocol: Protocol.ECHO,
      body: encodeUtf8(""),
      context: { syscall: "echo" },
      ringBytes: options.ringBytes,
      decode: decodeNothing,
    };
    const socket = GuestSocket.make(this.#engine, whole, { open });
    return await untilConnected(socket, this.#engine, signal);
  }

  /**
   * Listens on an address of the host's, or on a Unix socket by its path; resolves once it does. The signal closes the
   * server whenever it aborts. The port is 0 where none is given: the host picks one.
   */
  listen(
    options: ListenOptions & ServerOptions,
    onConnection?: (socket: GuestSocket) => void,
  ): Promise<GuestServer>;
  listen(port: number | string, onConnection?: (socket: GuestSocket) => void): Promise<GuestServer>;
  listen(path: string, onConnection?: (socket: GuestSocket) => void): Promise<GuestServer>;
  listen(
    port: number | string,
    host: string,
    onConnection?: (socket: GuestSocket) => void,
  ): Promise<GuestServer>;
  async listen(...args: unknown[]): Promise<GuestServer> {
    const [first] = args;
    const { options, listener } = callArguments(args);
    if (first == null || typeof first === "function") {
      throw invalidType("options", "{ port, host }, { path }, a port or a path; { port: 0 } for any", first);
    }
    const { signal } = options;
    throwIfAborted(signal as AbortSignal | undefined);
    const server = this.createServer(options, listener as (socket: GuestSocket) => void);
    const where = options.path == null ? { port: 0, ...options } : options;
    server.listen(where);
    return await untilListening(server);
  }

  /**
   * As dgram.createSocket(): a UDP socket, "udp4" where nothing is said. The signal closes it whenever it aborts.
   */
  udp(
    options: UdpType | UdpSocketOptions = "udp4",
    onMessage?: (data: Buffer, remote: UdpRemote) => void,
  ): GuestUdpSocket {
    this.#engine.check();
    return GuestUdpSocket.make(this.#engine, options, onMessage);
  }

  /** As net.createServer(): call listen() on the result. */
  createServer(options?: ServerOptions, onConnection?: (socket: GuestSocket) => void): GuestServer;
  createServer(onConnection: (socket: GuestSocket) => void): GuestServer;
  createServer(
    options: ServerOptions | ((socket: GuestSocket) => void) = {},
    onConnection?: (socket: GuestSocket) => void,
  ): GuestServer {
    this.#engine.check();
    return GuestServer.make(this.#engine, options, onConnection);
  }

  /**
   * Listens, and lets a server of node:http, node:https, node:http2, node:tls or node:net serve what comes. Closing
   * either closes the other, its idle connections as well. A port, or a path, as for listen().
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
}
