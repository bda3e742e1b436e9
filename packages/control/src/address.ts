// Addresses as the wire carries them, and as people write them: the one place where text becomes an address and an
// address text, so that what is judged, what is connected to and what the logs say cannot differ.
//
//   "10.0.0.1:80" ─ splitHostPort ─▶ "10.0.0.1" ─ parseIp ─▶ 4 or 16 bytes ─ inet ─▶ InetAddress
//         └────────────────────────────── formatEndpoint ──────────────────────────────┘
//
// - zone ids (fe80::1%eth0) are no addresses: nothing can say what an interface of one side means to the other;
// - the old IPv4 forms of inet_aton (127.1, 0x7f000001, 010.0.0.1) are none either;
// - an IPv4-mapped IPv6 address (::ffff:a.b.c.d) stays what it is on the wire; whoever judges takes unmapIp() of it.

import { ProtocolError, Violation } from "./errors.ts";
import type { Field } from "./wire.ts";

/** An IP address and a port; `address` has 4 or 16 bytes in network order. */
export interface InetAddress {
  readonly family: 4 | 6;
  readonly port: number;
  readonly address: Uint8Array;
}

/** Of 4 or 16 bytes. */
export function inet(address: Uint8Array, port: number): InetAddress {
  return { family: address.length === 4 ? 4 : 6, port, address };
}

/** Family, port, then 16 bytes, of which IPv4 uses the first four and the rest are zero (TCP-2). */
export const inetAddress: Field<InetAddress> = {
  read(from) {
    const family = from.u32();
    const port = from.u32();
    const bytes = from.take(16);
    if (family !== 4 && family !== 6) throw malformed(`address family ${family}`);
    if (port > 0xffff) throw malformed(`port ${port}`);
    if (family === 4 && bytes.subarray(4).some((byte) => byte !== 0)) throw malformed("padding is not zero");
    return { family, port, address: family === 4 ? bytes.slice(0, 4) : bytes };
  },
  write(to, { family, port, address }) {
    if (address.length !== (family === 4 ? 4 : 16))
      throw new RangeError("address length does not fit its family");
    if (!Number.isInteger(port) || port < 0 || port > 0xffff) throw new RangeError(`not a port: ${port}`);
    to.u32(family);
    to.u32(port);
    to.put(address);
    if (family === 4) for (let i = 0; i < 3; i++) to.u32(0);
  },
};

function malformed(what: string): ProtocolError {
  return new ProtocolError(Violation.FRAME_MALFORMED, "TCP-2", what);
}

/** "127.0.0.1", or "2001:db8::1" as RFC 5952 writes it, of 4 or 16 bytes. */
export function formatIp(address: Uint8Array): string {
  if (address.length === 4) return `${address[0]}.${address[1]}.${address[2]}.${address[3]}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((address[i]! << 8) | address[i + 1]!);
  const run = longestZeroRun(groups);
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  if (run.length < 2) return hex(groups);
  return `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}`;
}

/** The first of the longest runs of zero groups. */
function longestZeroRun(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

/** "127.0.0.1:80", "[::1]:80". */
export function formatEndpoint({ address, port }: InetAddress): string {
  return formatHostPort(formatIp(address), port);
}

/** "example.com:80"; "[::1]:80" where the host is an IPv6 address. */
export function formatHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

const HOST_PORT = /^(?:\[([^[\]]*)\]|([^:[\]]+))(?::([0-9]{1,9}))?$/;

/** Of "host:port", "[host]:port", or either without a port. What host and port are worth is not looked at. */
export function splitHostPort(
  text: string,
): { readonly host: string; readonly port: number | undefined } | undefined {
  const [, bracketed, bare = "", port] = HOST_PORT.exec(text) ?? [];
  if (bracketed === undefined && bare === "") return undefined;
  return { host: bracketed ?? bare, port: port === undefined ? undefined : Number(port) };
}

/** The IPv4 address that an IPv4-mapped one IS; any other as it stands. */
export function unmapIp(address: Uint8Array): Uint8Array {
  if (address.length === 4) return address;
  for (let i = 0; i < 12; i++) if (address[i] !== (i < 10 ? 0 : 0xff)) return address;
  return address.slice(12);
}

/** The endpoint of a literal address, IPv4-mapped as IPv4; undefined where `host` is none. */
export function parseInet(host: string, port: number): InetAddress | undefined {
  const address = parseIp(host);
  return address && inet(unmapIp(address), port);
}

/** The address in its one canonical form, IPv4-mapped as IPv4; undefined where the text is none. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseIp(text);
  return address && formatIp(unmapIp(address));
}

const DOT = 46;
const ZERO = 48;

/** Bytes of a literal address, 4 or 16 of them, or undefined where `text` is none. No zone ids, no short forms. */
export function parseIp(text: string): Uint8Array | undefined {
  if (!text.includes(":")) return parseIpv4(text);
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const left = parseGroups(halves[0]!, halves.length === 1);
  const right = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (left === undefined || right === undefined) return undefined;
  const missing = 16 - left.length - right.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return Uint8Array.from([...left, ...new Array<number>(missing).fill(0), ...right]);
}

/** Each connect asks, of names too: so by one look at each character, and bytes are made for an address alone. */
function parseIpv4(text: string): Uint8Array | undefined {
  if (text.length > "255.255.255.255".length) return undefined;
  let word = 0;
  let numbers = 0;
  let number = -1;
  for (let i = 0; i <= text.length; i++) {
    const character = i < text.length ? text.charCodeAt(i) : DOT;
    if (character === DOT) {
      if (number < 0 || numbers === 4) return undefined;
      word = (word << 8) | number;
      numbers++;
      number = -1;
      continue;
    }
    const digit = character - ZERO;
    // No zeros in front.
    if (digit < 0 || digit > 9 || number === 0) return undefined;
    number = number < 0 ? digit : number * 10 + digit;
    if (number > 255) return undefined;
  }
  return numbers === 4 ? Uint8Array.of(word >>> 24, word >>> 16, word >>> 8, word) : undefined;
}

/** Bytes of "a:b:c", whose last group may be an IPv4 address where `last` says that it ends the text. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [index, group] of groups.entries()) {
    if (last && index === groups.length - 1 && group.includes(".")) {
      const v4 = parseIpv4(group);
      if (v4 === undefined) return undefined;
      bytes.push(...v4);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 255);
    } else return undefined;
  }
  return bytes;
}
