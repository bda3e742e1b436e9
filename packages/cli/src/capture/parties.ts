// Addresses for the two of a conversation, as its packets have them. A guest has no address of its own: it gets one for
// as long as it is there, 10.0.0.3 and fd52:6e67::3 for the monitor's third, and a port for each conversation. The
// host's side has the address that it is connected to; where there is none, one of those that are nobody's (RFC 5737).

import { isIPv4, isIPv6 } from "node:net";
import type { Endpoint } from "./packets.ts";

const PORT_FIRST = 1024;
const PORTS = 0x10000 - PORT_FIRST;
/** Of a name that has led nowhere, and of a Unix socket. */
const NOWHERE = Uint8Array.of(192, 0, 2, 1);
const UNIX = Uint8Array.of(192, 0, 2, 2);
const UNIX_PORT = 1;

/** The guest's address, in the family of those it speaks to. */
export function guestAddress(guestId: string, bytes: number): Uint8Array {
  const id = Number(guestId) || 0;
  if (bytes === 4) return Uint8Array.of(10, (id >>> 16) & 255, (id >>> 8) & 255, id & 255);
  const address = new Uint8Array(16);
  address.set([0xfd, 0x52, 0x6e, 0x67]);
  new DataView(address.buffer).setUint32(12, id);
  return address;
}

/** The port of the guest's, in its turn. */
export function portOf(conversation: number): number {
  return PORT_FIRST + (conversation % PORTS);
}

/** The host's side: of "1.2.3.4:443" or "[::1]:443"; of a name or a path, an address of nobody's. */
export function hostEndpoint(address: string, name: string, isUnix: boolean): Endpoint {
  if (isUnix) return { address: UNIX, port: UNIX_PORT };
  return endpointOf(address) ?? endpointOf(name) ?? { address: NOWHERE, port: portIn(name) };
}

export function portIn(text: string): number {
  const port = Number(/:(\d{1,5})$/.exec(text)?.[1] ?? 0);
  return port <= 0xffff ? port : 0;
}

/** Undefined: its host is no address. A zone, as fe80::1%eth0 has it, is left out. */
export function endpointOf(text: string): Endpoint | undefined {
  const host = /^\[?([^\]%]*)(?:%[^\]]*)?\]?:\d+$/.exec(text)?.[1] ?? "";
  const port = portIn(text);
  if (isIPv4(host)) return { address: Uint8Array.from(host.split("."), Number), port };
  return isIPv6(host) ? { address: ipv6Bytes(host), port } : undefined;
}

function ipv6Bytes(text: string): Uint8Array {
  // An IPv4 address in it is two words.
  const plain = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = "", tail] = plain.split("::");
  const words = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((word) => parseInt(word, 16));
  const before = words(head);
  const after = tail === undefined ? [] : words(tail);
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of before.entries()) view.setUint16(2 * i, word);
  for (const [i, word] of after.entries()) view.setUint16(16 - 2 * (after.length - i), word);
  return bytes;
}
