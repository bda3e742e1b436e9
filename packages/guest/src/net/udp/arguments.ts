// What a program passes to a UDP socket, judged as node:dgram judges it: the same classes of error, codes and
// sentences.

import { invalidType, requireFunction, requireSignal } from "@ringway/linux";
import { nodeError, portNumber } from "../socket-arguments.ts";
import type { UdpSendCallback } from "./channel.ts";

export type UdpType = "udp4" | "udp6";

/** As dgram.createSocket() takes them. */
export interface UdpSocketOptions {
  readonly type: UdpType;
  /** Others that say so too may have the same address and port. */
  readonly reuseAddr?: boolean | undefined;
  /** The address "::" does not stand for IPv4's addresses too. */
  readonly ipv6Only?: boolean | undefined;
  /** Closes the socket when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Size of each ring, in bytes; the host rounds it. The largest datagrams need 128 KiB, which is the default. */
  readonly ringBytes?: number | undefined;
  /** Accepted, and passed over: the host resolves names, and its kernel has the buffers. */
  readonly lookup?: ((...args: never[]) => void) | undefined;
  readonly recvBufferSize?: number | undefined;
  readonly sendBufferSize?: number | undefined;
}

/** As dgram's bind() takes them. */
export interface UdpBindOptions {
  readonly port?: number | undefined;
  readonly address?: string | undefined;
  /** Accepted, and passed over. */
  readonly exclusive?: boolean | undefined;
}

export function socketOptions(given: UdpType | UdpSocketOptions | null | undefined): UdpSocketOptions {
  const options: UdpSocketOptions =
    typeof given === "object" && given !== null ? given : { type: given ?? "udp4" };
  const { type, lookup, signal } = options;
  if (type !== "udp4" && type !== "udp6") {
    const message = "Bad socket type specified. Valid types are: udp4, udp6";
    throw nodeError(TypeError, "ERR_SOCKET_BAD_TYPE", message);
  }
  if (lookup !== undefined) requireFunction(lookup, "lookup");
  if (signal !== undefined) requireSignal(signal, "options.signal");
  return options;
}

/** In any of bind()'s forms. As dgram takes them: what is no port is 0, and what is no address says nothing. */
export function bindArguments(args: readonly unknown[]): {
  readonly port: number;
  readonly address: string | undefined;
  readonly callback: (() => void) | undefined;
} {
  const [first, second] = args;
  const last = args.at(-1);
  const callback = typeof last === "function" ? (last as () => void) : undefined;
  const isWhole = typeof first === "object" && first !== null;
  const named = isWhole ? (first as UdpBindOptions).address : second;
  const port = isWhole ? (first as UdpBindOptions).port : first;
  const address = typeof named === "string" && named !== "" ? named : undefined;
  return { port: typeof port === "function" ? 0 : bindPort(port), address, callback };
}

function bindPort(port: unknown): number {
  return typeof port === "number" && port >= 0 && port <= 0xffff ? Math.trunc(port) : Number(port) || 0;
}

const KINDS = "of type string or an instance of Buffer, TypedArray, or DataView";

/** What send() is called with. */
export interface Sending {
  readonly pieces: Uint8Array[];
  /** 0 where the socket is connected. */
  readonly port: number;
  readonly address: string | undefined;
  readonly callback: UdpSendCallback | undefined;
}

/** In any of send()'s forms. Throws as dgram does. */
export function sendArguments(args: readonly unknown[], connected: boolean): Sending {
  let [buffer, offset, length, port, address, callback] = args;
  if (!connected) {
    if (address || (port && typeof port !== "function")) buffer = slice(buffer, offset, length);
    else [callback, port, address] = [port, offset, length];
  } else {
    if (typeof length === "number") {
      buffer = slice(buffer, offset, length);
      if (typeof port === "function") [callback, port] = [port, null];
    } else callback = offset;
    if (port || address) throw alreadyConnected();
  }
  const pieces = listOf(buffer);
  const to = connected ? 0 : sendPort(port);
  let done = typeof callback === "function" ? (callback as UdpSendCallback) : undefined;
  if (typeof address === "function") [done, address] = [address as UdpSendCallback, undefined];
  else if (address != null && typeof address !== "string") {
    throw invalidType("address", "of type string", address);
  }
  return { pieces, port: to, address: (address as string | null | undefined) ?? undefined, callback: done };
}

/** Where something is sent to: not port 0. */
export function sendPort(value: unknown): number {
  const port = portNumber(value, "Port");
  if (port > 0) return port;
  const message = "Port should be > 0 and < 65536. Received type number (0).";
  throw nodeError(RangeError, "ERR_SOCKET_BAD_PORT", message);
}

function listOf(buffer: unknown): Uint8Array[] {
  if (!Array.isArray(buffer)) {
    if (typeof buffer === "string") return [Buffer.from(buffer)];
    if (!ArrayBuffer.isView(buffer)) throw invalidType("buffer", KINDS, buffer);
    return [bytesOf(buffer)];
  }
  return buffer.map((each) => {
    if (typeof each === "string") return Buffer.from(each);
    if (!ArrayBuffer.isView(each)) throw invalidType("buffer list arguments", KINDS, buffer);
    return bytesOf(each);
  });
}

function slice(buffer: unknown, offset: unknown, length: unknown): Uint8Array {
  const whole = typeof buffer === "string" ? Buffer.from(buffer) : buffer;
  if (!ArrayBuffer.isView(whole)) throw invalidType("buffer", KINDS, buffer);
  const from = Number(offset) >>> 0;
  const bytes = Number(length) >>> 0;
  if (from > whole.byteLength) throw outOfBounds("offset");
  if (from + bytes > whole.byteLength) throw outOfBounds("length");
  return new Uint8Array(whole.buffer, whole.byteOffset + from, bytes);
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function outOfBounds(name: string): RangeError {
  return nodeError(RangeError, "ERR_BUFFER_OUT_OF_BOUNDS", `"${name}" is outside of buffer bounds`);
}

export function alreadyConnected(): Error {
  return nodeError(Error, "ERR_SOCKET_DGRAM_IS_CONNECTED", "Already connected");
}

export function notConnected(): Error {
  return nodeError(Error, "ERR_SOCKET_DGRAM_NOT_CONNECTED", "Not connected");
}
