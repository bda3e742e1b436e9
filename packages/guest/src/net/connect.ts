// What net.connect() takes, and what it means here: where a socket is to go, and how an error of the host's is told.
//
// The host resolves names and tries their addresses, so options about that (family, lookup, hints, autoSelectFamily,
// ...) are passed over. An option that would change what the peer sees, and cannot be had, is an error.

import { isIP, type OnReadOpts } from "node:net";
import { ConnectReply, ConnectRequest, HOST_MAX_BYTES, Protocol, type TcpEndpoints } from "@ringway/control";
import { Errno, invalidType, outOfRange, requireFunction } from "@ringway/linux";
import { type ErrorContext, errnoError, lookupError, unsupported } from "../errors.ts";
import { nodeError, portNumber, requireNumber } from "./socket-arguments.ts";

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

/** Where a connection goes. */
export interface ConnectTarget {
  /** A name, which the host resolves, or a literal address. Default "localhost". */
  readonly host?: string | undefined;
  readonly port: number | string;
  /** The host's time limit of connecting, in milliseconds; 0, the default, leaves it to the host. */
  readonly timeoutMs?: number | undefined;
}

export interface ConnectOptions extends StreamOptions, ConnectTarget {
  /** As in net.connect(): calls setTimeout() of the socket. */
  readonly timeout?: number | undefined;
}

/** How a socket gets its stream. Internal. */
export interface SocketOpen {
  readonly protocol: number;
  readonly body: Uint8Array;
  readonly context: ErrorContext;
  readonly ringBytes: number | undefined;
  decode(body: Uint8Array): TcpEndpoints | undefined;
  /** What went wrong, as the program is to hear it. */
  explain?(error: Error): Error;
  /** It cannot be asked for at all. */
  readonly failure?: Error | undefined;
}

/** Throws as net.Socket's connect() does. */
export function connectOpen(options: Record<string, unknown>, ringBytes: number | undefined): SocketOpen {
  const { host: named, timeoutMs = 0 } = options;
  if (options.port === undefined && options.path == null) {
    const message = 'The "options" or "port" or "path" argument must be specified';
    throw nodeError(TypeError, "ERR_MISSING_ARGS", message);
  }
  refuse(options);
  if (typeof options.port !== "number" && typeof options.port !== "string") {
    throw invalidType("options.port", "one of type number or string", options.port);
  }
  const port = portNumber(options.port, "Port");
  const host = named || "localhost";
  if (typeof host !== "string") throw invalidType("options.host", "of type string", host);
  if (options.lookup != null && !isIP(host)) requireFunction(options.lookup, "options.lookup");
  requireNumber(timeoutMs, "options.timeoutMs");
  if (!(timeoutMs >= 0 && timeoutMs <= 0xffffffff)) {
    throw outOfRange("options.timeoutMs", ">= 0 && <= 4294967295", timeoutMs);
  }
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

function refuse({ path, localAddress, localPort }: Record<string, unknown>): void {
  if (path != null) {
    throw unsupported(
      "connect",
      "a guest connects by TCP: pass { host, port } instead of a path",
      String(path),
    );
  }
  if (localAddress || localPort) {
    const which = localAddress ? "localAddress" : "localPort";
    throw unsupported("bind", `the host picks where a connection comes from: leave out options.${which}`);
  }
}
