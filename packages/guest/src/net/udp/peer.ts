// Whom datagrams go to: addresses and names as a program gives them, and as the wire has them.

import { HOST_MAX_BYTES, type InetAddress, inet, parseIp, udpMessages } from "@ringway/control";
import { Errno } from "@ringway/linux";
import { errnoError, lookupError } from "../../errors.ts";
import type { UdpChannel } from "./channel.ts";

const { UdpLookup, UdpPeer } = udpMessages;

export function addressBytes(family: 4 | 6): number {
  return family === 4 ? 4 : 16;
}

export function unspecified(family: 4 | 6): string {
  return family === 4 ? "0.0.0.0" : "::";
}

export function loopback(family: 4 | 6): string {
  return family === 4 ? "127.0.0.1" : "::1";
}

export function isSame(a: InetAddress, b: InetAddress): boolean {
  if (a === b) return true;
  if (a.port !== b.port || a.address.length !== b.address.length) return false;
  for (let i = 0; i < a.address.length; i++) if (a.address[i] !== b.address[i]) return false;
  return true;
}

/** Can the host be asked for it? */
export function isName(text: string): boolean {
  return Buffer.byteLength(text) <= HOST_MAX_BYTES && !text.includes("\0");
}

/** An address of the socket's family; a name is the host's to find. */
export async function findPeer(
  channel: UdpChannel,
  family: 4 | 6,
  port: number,
  host: string,
  syscall: string,
): Promise<InetAddress> {
  const context = { syscall, address: host, port };
  const literal = parseIp(host);
  if (literal !== undefined) {
    if (literal.length === addressBytes(family)) return inet(literal, port);
    throw errnoError(Errno.EINVAL, context);
  }
  if (!isName(host)) throw lookupError(errnoError(Errno.ENOENT, context), host);
  try {
    return (await channel.call(UdpLookup, { port, host }, UdpPeer, context)).peer;
  } catch (error) {
    throw lookupError(error as Error, host);
  }
}
