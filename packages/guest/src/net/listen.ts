// What net.createServer() and server.listen() take, and what it means here.

import { type Incoming, inet, ListenReply, ListenRequest, Protocol, parseIp } from "@ringway/control";
import { Errno, invalidType, invalidValue, isThenable, requireSignal } from "@ringway/linux";
import { integer } from "../argument-errors.ts";
import { type ErrorContext, errnoError, unsupported } from "../errors.ts";
import { decodeNothing } from "../stream/open-stream.ts";
import type { RawOpened } from "./raw-stream.ts";
import { type SocketAddress, socketAddress } from "./socket-address.ts";
import { portNumber, requireNumber } from "./socket-arguments.ts";
import { type ListenPathOptions, listenPathBody } from "./unix.ts";

export interface ServerOptions {
  /** As in net.createServer(). */
  readonly allowHalfOpen?: boolean | undefined;
  /** As in net.createServer(): connections start paused. */
  readonly pauseOnConnect?: boolean | undefined;
  /** Of the connections' streams, in bytes. */
  readonly highWaterMark?: number | undefined;
  /** Accepted: the host's sockets never delay, and are kept alive. */
  readonly noDelay?: boolean | undefined;
  readonly keepAlive?: boolean | undefined;
  readonly keepAliveInitialDelay?: number | undefined;
  /** Streams posted ahead of connections. Default 16. */
  readonly acceptsAhead?: number | undefined;
  /** Size of each ring of an accepted connection, in bytes. Default as for connect(). */
  readonly ringBytes?: number | undefined;
}

export interface ListenOptions extends ListenPathOptions {
  /**
   * Of a Unix socket, as the policy names it: absolute, and as a file's in the guest's tree. As for net.Server, a port
   * goes before it.
   */
  readonly path?: string | undefined;
  /** 0 to 65,535, also as text; 0: the host picks one. */
  readonly port?: number | string | undefined;
  /** A literal address of the host's. Default "127.0.0.1". */
  readonly host?: string | undefined;
  /** Connections that may wait in the host's kernel, 0 to 65,535. Default 511. */
  readonly backlog?: number | undefined;
  /** Closes the server when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/** As net.Server's 'drop' tells it: literal addresses, and families "IPv4" or "IPv6". */
export interface DroppedConnection {
  readonly localAddress: string;
  readonly localPort: number;
  readonly localFamily: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly remoteFamily: string;
}

/** What a server has of its options. */
interface ServerSettings {
  readonly allowHalfOpen: boolean;
  readonly pauseOnConnect: boolean;
  readonly noDelay: boolean;
  readonly keepAlive: boolean;
  /** In seconds, as net.Server keeps it. */
  readonly keepAliveInitialDelay: number;
  readonly highWaterMark: number | undefined;
}

export function serverSettings(options: ServerOptions): ServerSettings {
  if (typeof options !== "object" || isThenable(options))
    throw invalidType("options", "of type object", options);
  const { keepAliveInitialDelay = 0, highWaterMark, acceptsAhead, ringBytes } = options;
  requireNumber(keepAliveInitialDelay, "options.keepAliveInitialDelay");
  if (highWaterMark !== undefined) requireNumber(highWaterMark, "options.highWaterMark");
  if (acceptsAhead !== undefined) integer(acceptsAhead, "options.acceptsAhead", 0);
  if (ringBytes !== undefined) integer(ringBytes, "options.ringBytes", 0);
  return {
    allowHalfOpen: options.allowHalfOpen ?? false,
    pauseOnConnect: Boolean(options.pauseOnConnect),
    noDelay: Boolean(options.noDelay),
    keepAlive: Boolean(options.keepAlive),
    keepAliveInitialDelay: Math.trunc(Math.max(0, keepAliveInitialDelay) / 1000),
    highWaterMark: highWaterMark !== undefined && highWaterMark < 0 ? undefined : highWaterMark,
  };
}

/** Where a server listens, once it does. */
export type Bound = SocketAddress | string;

/** How a server asks to listen. */
export interface ListenOpen {
  readonly protocol: number;
  readonly context: ErrorContext;
  readonly signal: AbortSignal | undefined;
  /** Of the Open; or why no host has such an address. */
  readonly body: Uint8Array | Error;
  /** Reads the body of Opened. */
  bound(reply: Uint8Array): Bound;
}

/** Throws as net.Server's listen() does. */
export function listenOpen(options: Record<string, unknown>, second: unknown): ListenOpen {
  const { host = "127.0.0.1", signal } = options;
  if (signal !== undefined) requireSignal(signal, "options.signal");
  refuse(options);
  const backlog = Math.min(Math.trunc(Number(options.backlog) || Number(second) || 511), 0xffff);
  if (typeof options.port !== "number" && typeof options.port !== "string") {
    const path = options.path as string;
    const context = { syscall: "listen", address: path };
    const bound = (reply: Uint8Array): Bound => decodeNothing(reply) ?? path;
    const body = listenPathBody(path, backlog, options, context);
    return { protocol: Protocol.UNIX_LISTEN, context, signal, body, bound };
  }
  const port = portNumber(options.port, "options.port");
  if (typeof host !== "string") throw invalidType("options.host", "of type string", host);
  const context = { syscall: "listen", address: host, port };
  const address = parseIp(host === "localhost" ? "127.0.0.1" : host);
  const body =
    address === undefined
      ? errnoError(Errno.EINVAL, context)
      : ListenRequest.encode({ backlog, address: inet(address, port) });
  const bound = (reply: Uint8Array): Bound => socketAddress(ListenReply.decode(reply).bound);
  return { protocol: Protocol.TCP_LISTEN, context, signal, body, bound };
}

/** Forms of listen() that a guest has not. */
function refuse(options: Record<string, unknown>): void {
  if (typeof options.fd === "number" || options.handle !== undefined) {
    throw unsupported(
      "listen",
      "a guest listens through its host: pass { port, host } or { path } instead of a descriptor or handle",
    );
  }
  if (typeof options.port === "number" || typeof options.port === "string") return;
  if (typeof options.path === "string" && options.path !== "") return;
  const isNamed = "port" in options || "path" in options;
  throw invalidValue("options", options, isNamed ? "is invalid" : 'must have the property "port" or "path"');
}

/** As net.Server's: of a Unix socket's connection there is nothing to tell. */
export function dropped(opened: RawOpened): DroppedConnection | undefined {
  if (opened === undefined || !("local" in opened)) return undefined;
  const { local, peer }: Incoming = opened;
  const [here, there] = [socketAddress(local), socketAddress(peer)];
  return {
    localAddress: here.address,
    localPort: here.port,
    localFamily: here.family,
    remoteAddress: there.address,
    remotePort: there.port,
    remoteFamily: there.family,
  };
}
