// What net.createServer() and server.listen() take, and what it means here.

import { type Incoming, inet, ListenRequest, parseIp } from "@ringway/control";
import { invalidType, invalidValue, isThenable, requireSignal } from "@ringway/linux";
import { integer } from "../argument-errors.ts";
import { type ErrorContext, unsupported } from "../errors.ts";
import { socketAddress } from "./socket-address.ts";
import { portNumber, requireNumber } from "./socket-arguments.ts";

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

export interface ListenOptions {
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

/** Throws as net.Server's listen() does. `body` is of an Open; undefined: no host has such an address. */
export function listenOpen(
  options: Record<string, unknown>,
  second: unknown,
): { context: ErrorContext; signal: AbortSignal | undefined; body: Uint8Array | undefined } {
  const { host = "127.0.0.1", signal } = options;
  if (signal !== undefined) requireSignal(signal, "options.signal");
  refuse(options);
  const port = portNumber(options.port, "options.port");
  if (typeof host !== "string") throw invalidType("options.host", "of type string", host);
  const context = { syscall: "listen", address: host, port };
  const address = parseIp(host === "localhost" ? "127.0.0.1" : host);
  if (address === undefined) return { context, signal, body: undefined };
  const backlog = Math.min(Math.trunc(Number(options.backlog) || Number(second) || 511), 0xffff);
  return { context, signal, body: ListenRequest.encode({ backlog, address: inet(address, port) }) };
}

/** Forms of listen() that a guest has not. */
function refuse(options: Record<string, unknown>): void {
  if (typeof options.fd === "number" || options.handle !== undefined) {
    throw unsupported(
      "listen",
      "a guest listens through its host: pass { port, host } instead of a descriptor or handle",
    );
  }
  if (typeof options.port === "number" || typeof options.port === "string") return;
  if (typeof options.path === "string") {
    throw unsupported(
      "listen",
      "a guest listens by TCP: pass { port, host } instead of a path",
      options.path,
    );
  }
  const isNamed = "port" in options || "path" in options;
  throw invalidValue("options", options, isNamed ? "is invalid" : 'must have the property "port" or "path"');
}

export function dropped({ local, peer }: Incoming): DroppedConnection {
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
