// A UDP socket of the host's: what is asked of it for one, bound or connected, and the stream that it becomes.

import { isIP } from "node:net";
import {
  ConnectReply,
  ConnectRequest,
  type InetAddress,
  inet,
  ListenReply,
  Protocol,
  parseIp,
  udpMessages,
} from "@ringway/control";
import { Errno } from "@ringway/linux";
import { errnoError } from "../../errors.ts";
import type { Engine } from "../../stream/engine.ts";
import { type OpenedStream, type OpenRequest, openStream } from "../../stream/open-stream.ts";
import { type Rings, ringWish } from "../../stream/room.ts";
import type { UdpSocketOptions } from "./arguments.ts";
import { addressBytes, isName, loopback } from "./peer.ts";

const { UdpBindFlags, UdpBindRequest } = udpMessages;

/** Room for the largest datagram, and for bursts of what comes. */
const UDP_RINGS: Rings = { toHostBytes: 128 * 1024, toGuestBytes: 256 * 1024 };

/** What the host says of a socket: its address, and its peer's where it is connected. */
export interface UdpOpened {
  readonly local: InetAddress;
  readonly peer: InetAddress | undefined;
}

export interface UdpRequest extends Omit<OpenRequest, "rings" | "signal"> {
  decode(body: Uint8Array): UdpOpened;
}

/** A socket at an address of the host's; or why the host is not asked for it. */
export function bindRequest(
  { reuseAddr, ipv6Only }: UdpSocketOptions,
  family: 4 | 6,
  port: number,
  address: string,
): UdpRequest | Error {
  const context = { syscall: "bind", address, port };
  const bytes = parseIp(address === "localhost" ? loopback(family) : address);
  if (bytes === undefined || bytes.length !== addressBytes(family)) return errnoError(Errno.EINVAL, context);
  const { SHARED, ONLY_IPV6 } = UdpBindFlags;
  const flags = (reuseAddr ? SHARED : 0) | (ipv6Only && family === 6 ? ONLY_IPV6 : 0);
  const body = UdpBindRequest.encode({ flags, address: inet(bytes, port) });
  const decode = (reply: Uint8Array): UdpOpened => ({
    local: ListenReply.decode(reply).bound,
    peer: undefined,
  });
  return { protocol: Protocol.UDP_BIND, body, context, decode };
}

/** A socket with one peer; or why the host is not asked for it. */
export function connectRequest(family: 4 | 6, port: number, address: string): UdpRequest | Error {
  const context = { syscall: "connect", address, port };
  if (!isName(address)) return errnoError(Errno.ENOENT, context);
  const literal = isIP(address);
  if (literal !== 0 && literal !== family) return errnoError(Errno.EINVAL, context);
  const body = ConnectRequest.encode({ host: address, port, timeoutMs: 0 });
  return { protocol: Protocol.UDP_CONNECT, body, context, decode: ConnectReply.decode };
}

export function openUdp(
  engine: Engine,
  ringBytes: number | undefined,
  { decode, ...request }: UdpRequest,
): Promise<OpenedStream<UdpOpened>> {
  return openStream(engine, { ...request, rings: ringWish(ringBytes, UDP_RINGS) }, decode);
}
