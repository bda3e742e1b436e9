// Internet addresses as the wire carries them, and as people write them.

import { ProtocolError, Violation } from "./errors.ts";
import type { Field } from "./wire.ts";

/** An IP address and a port; `address` has 4 or 16 bytes in network order. */
export interface InetAddress {
  readonly family: 4 | 6;
  readonly port: number;
  readonly address: Uint8Array;
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
    if (family === 4) to.put(new Uint8Array(12));
  },
};

function malformed(what: string): ProtocolError {
  return new ProtocolError(Violation.FRAME_MALFORMED, "TCP-2", what);
}

/** "127.0.0.1", or "2001:db8::1" as RFC 5952 writes it. */
export function formatIp(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((address[i]! << 8) | address[i + 1]!);
  const run = longestZeroRun(groups);
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  if (run.length < 2) return hex(groups);
  return `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}`;
}

function longestZeroRun(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
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

function parseIpv4(text: string): Uint8Array | undefined {
  if (text.length > "255.255.255.255".length) return undefined;
  const bytes = new Uint8Array(4);
  let numbers = 0;
  let number = -1;
  for (let i = 0; i <= text.length; i++) {
    const character = i < text.length ? text.charCodeAt(i) : DOT;
    if (character === DOT) {
      if (number < 0 || numbers === 4) return undefined;
      bytes[numbers++] = number;
      number = -1;
      continue;
    }
    const digit = character - ZERO;
    // No zeros in front.
    if (digit < 0 || digit > 9 || number === 0) return undefined;
    number = number < 0 ? digit : number * 10 + digit;
    if (number > 255) return undefined;
  }
  return numbers === 4 ? bytes : undefined;
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
