// What net.connect() takes, and what it means here: where a socket is to go, and how an error of the host's is told.
//
// The host resolves names and tries their addresses, so options about that (family, lookup, hints, autoSelectFamily,
// ...) are passed over. An option that would change what the peer sees, and cannot be had, is an error.

import { isIP, type OnReadOpts } from "node:net";
import { ConnectReply, ConnectRequest, HOST_MAX_BYTES, Protocol } from "@ringway/control";
import { Errno, invalidType, outOfRange, requireFunction } from "@ringway/linux";
import { errnoError, lookupError, unsupported } from "../errors.ts";
import { nodeError, portNumber, requireNumber } from "./socket-arguments.ts";
import type { SocketOpen } from "./socket-open.ts";
import { connectPathOpen } from "./unix.ts";

/** Options of every raw stream, named as node:net names them. */
export interface StreamOptions {
  /** False, the default: this side ends as soon as the other has. */
  readonly allowHalfOpen?: boolean | undefined;
  /**
   * Size of each of the two rings, in bytes; the host rounds it, and may give less. Default 256 KiB, and less the
   * more of the region is used.
   */
  readonly ringBytes?: number | undefined;
  /** Destroys the stream when it aborts, at any time. */
  readonly signal?: AbortSignal | undefined;
  readonly highWaterMark?: number | undefined;
  readonly readableHighWaterMark?: number | undefined;
  readonly writableHighWaterMark?: number | undefined;
  /** As in net.Socket: bytes go into one buffer, again and again, and to a callback; there is no 'data'. */
  readonly onread?: OnReadOpts | undefined;
  /** Accepted: the host's sockets never delay, and are kept alive. */
  readonly noDelay?: boolean | undefined;
  readonly keepAlive?: boolean | undefined;
  readonly keepAliveInitialDelay?: number | undefined;
}

/** Where a connection goes: to a port by TCP, or to a Unix socket of the host. */
export type ConnectTarget = TcpTarget | PathTarget;

export interface TcpTarget {
  /** A name, which the host resolves, or a literal address. Default "localhost". */
  readonly host?: string | undefined;
  readonly port: number | string;
  readonly path?: undefined;
  /** The host's time limit of connecting, in milliseconds; 0, the default, leaves it to the host. */
  readonly timeoutMs?: number | undefined;
}

export interface PathTarget {
  /** As the policy names it: absolute, and as a file's in the guest's tree. */
  readonly path: string;
  /** The host's time limit of connecting, in milliseconds; 0, the default, leaves it to the host. */
  readonly timeoutMs?: number | undefined;
}

/** As in net.connect(). */
export type ConnectOptions = StreamOptions &
  ConnectTarget & {
    /** As in net.connect(): calls setTimeout() of the socket. */
    readonly timeout?: number | undefined;
  };

/** Throws as net.Socket's connect() does. */
export function connectOpen(options: Record<string, unknown>, ringBytes: number | undefined): SocketOpen {
  const { host: named, timeoutMs = 0 } = options;
  if (options.port === undefined && options.path == null) {
    const message = 'The "options" or "port" or "path" argument must be specified';
    throw nodeError(TypeError, "ERR_MISSING_ARGS", message);
  }
  if (options.path) {
    requireTimeout(timeoutMs);
    return connectPathOpen(options.path, Math.ceil(timeoutMs), ringBytes);
  }
  refuse(options);
  if (typeof options.port !== "number" && typeof options.port !== "string") {
    throw invalidType("options.port", "one of type number or string", options.port);
  }
  const port = portNumber(options.port, "Port");
  const host = named || "localhost";
  if (typeof host !== "string") throw invalidType("options.host", "of type string", host);
  if (options.lookup != null && !isIP(host)) requireFunction(options.lookup, "options.lookup");
  requireTimeout(timeoutMs);
  const context = { syscall: "connect", address: host, port };
  const common = { protocol: Protocol.TCP_CONNECT, context, ringBytes, decode: ConnectReply.decode };
  const explain = (error: Error): Error => (isIP(host) ? error : lookupError(error, host));
  if (Buffer.byteLength(host) > HOST_MAX_BYTES || host.includes("\0")) {
    // There is no such name.
    return { ...common, body: new Uint8Array(), failure: explain(errnoError(Errno.ENOENT, context)) };
  }
  if (port === 0) {
    // Nobody listens there: the host would not even try.
    const failure = errnoError(Errno.ECONNREFUSED, { syscall: "connect", address: host });
    return { ...common, body: new Uint8Array(), failure };
  }
  const body = ConnectRequest.encode({ host, port, timeoutMs: Math.ceil(timeoutMs) });
  return { ...common, body, explain };
}

function requireTimeout(timeoutMs: unknown): asserts timeoutMs is number {
  requireNumber(timeoutMs, "options.timeoutMs");
  if (timeoutMs >= 0 && timeoutMs <= 0xffffffff) return;
  throw outOfRange("options.timeoutMs", ">= 0 && <= 4294967295", timeoutMs);
}

function refuse({ localAddress, localPort }: Record<string, unknown>): void {
  if (localAddress || localPort) {
    const which = localAddress ? "localAddress" : "localPort";
    throw unsupported("bind", `the host picks where a connection comes from: leave out options.${which}`);
  }
}
