// Mistakes with fields and messages (PROTOCOL.md sections 7 to 19): of version 1.0, and of what 1.1 adds.

import { type Mistake, of } from "./mistake.ts";

const wire = of("wire");
const utf8 = of("utf8");
const address = of("address");
const hello = of("hello");
const udp = of("messages/udp");
const resolve = of("messages/resolve");
const unix = of("messages/unix");
const handles = of("messages/mount/handles");
const names = of("messages/mount/names");

export const FIELD_MISTAKES: readonly Mistake[] = [
  wire("takes 2 for true", "FRM-6", "if (value > 1) throw", "if (false) throw"),
  wire("takes numbers over 2^53 - 1", "FRM-6", "if (high > 0x1fffff) throw", "if (false) throw"),
  wire(
    "writes the high half of a u64 first",
    "FRM-5",
    "to.u32(value % 2 ** 32); to.u32(Math.floor(value / 2 ** 32));",
    "to.u32(Math.floor(value / 2 ** 32)); to.u32(value % 2 ** 32);",
  ),
  wire("has no numbers below 0", "FRM-5", "const value = from.i32() * 2 ** 32 + low;", "const value = low;"),
  wire(
    "reads the sign of the low half",
    "FRM-5",
    "return high * 2 ** 32 + low;",
    "return high * 2 ** 32 + (low | 0);",
  ),
  wire(
    "takes texts over their bound",
    "LIM-1",
    "if (length > maxBytes) throw malformed(`a text of",
    "if (false) throw malformed(`a text of",
  ),
  wire("sends texts over their bound", "FRM-5", "if (bytes.length > maxBytes) throw", "if (false) throw"),
  wire(
    "takes NUL in a text",
    "FRM-6",
    'if (value.includes("\\0")) throw malformed',
    "if (false) throw malformed",
  ),
  wire(
    "takes a text that is not UTF-8",
    "FRM-6",
    "if (value === undefined) throw malformed",
    'if (value === undefined) return ""; if (false) throw malformed',
  ),
  utf8("takes surrogates in UTF-8", "FRM-6", "|| (code >= 0xd800 && code <= 0xdfff)", ""),
  wire(
    "passes over bytes behind the last field",
    "FRM-6",
    "if (this.#at !== this.#bytes.length) {",
    "if (false) {",
  ),
  wire("takes lists of any length", "FRM-6", "if (count > LIST_MAX) throw", "if (false) throw"),
  wire(
    "loses the last item of a list",
    "FRM-5",
    "for (let i = 0; i < count; i++) items.push",
    "for (let i = 1; i < count; i++) items.push",
  ),
  address(
    "takes addresses of any family",
    "TCP-2",
    "if (family !== 4 && family !== 6) throw",
    "if (false) throw",
  ),
  address(
    "takes ports over 65535",
    "TCP-2",
    "if (port > 0xffff) throw malformed",
    "if (false) throw malformed",
  ),
  address(
    "does not look at the padding of an IPv4 address",
    "TCP-2",
    "if (family === 4 && bytes.subarray(4).some((byte) => byte !== 0)) throw",
    "if (false) throw",
  ),
  hello(
    "takes the errno of the hello for its pages",
    "HEL-1",
    "regionPages: word(5)",
    "regionPages: word(4)",
  ),
  hello("takes a monitor of any major version", "HEL-3", "if (word(2) !== VERSION_MAJOR)", "if (false)"),
  hello(
    "takes any other program for a monitor",
    "HEL-3",
    "if (word(0) !== MAGIC_LOW || word(1) !== MAGIC_HIGH)",
    "if (false)",
  ),
  // ── Version 1.1 ──
  wire(
    "takes names of bytes over their bound",
    "MNT-14",
    "export function bytes(maxBytes) { return { read(from) { const length = from.u32(); if (length > maxBytes)",
    "export function bytes(maxBytes) { return { read(from) { const length = from.u32(); if (false)",
  ),
  udp(
    "sends the peer before the segment",
    "UDP-4",
    '"UdpSendTo", { segment: u32, peer: inetAddress, data: rest, }',
    '"UdpSendTo", { peer: inetAddress, segment: u32, data: rest, }',
  ),
  udp(
    "has no segment in what comes",
    "UDP-5",
    '"UdpReceived", { segment: u32, data: rest }',
    '"UdpReceived", { data: rest }',
  ),
  udp("knows UdpReceived by the type of UdpReceivedFrom", "UDP-4", "message(0x8701,", "message(0x8702,"),
  udp("knows UdpLost by another type", "UDP-10", "message(0x8709,", "message(0x870a,"),
  udp("knows UdpError by another type", "UDP-9", "message(0x8708,", "message(0x870b,"),
  udp(
    "binds with the address before the flags",
    "UDP-2",
    "body({ flags: u32, address: inetAddress })",
    "body({ address: inetAddress, flags: u32 })",
  ),
  udp(
    "looks up the name before the port",
    "UDP-8",
    "port: u32, host: text(HOST_MAX_BYTES),",
    "host: text(HOST_MAX_BYTES), port: u32,",
  ),
  udp(
    "sets the option to the value",
    "UDP-12",
    '"UdpSet", { option: u32, value: u32 }',
    '"UdpSet", { value: u32, option: u32 }',
  ),
  udp(
    "swaps the source and the interface of a group",
    "UDP-13",
    "{ group: inetAddress, source: inetAddress, interface: inetAddress }",
    "{ group: inetAddress, interface: inetAddress, source: inetAddress }",
  ),
  udp("has no peer in a UdpError", "UDP-9", "errno: u32, peer: inetAddress, rule", "errno: u32, rule"),
  udp(
    "counts losses as a bool",
    "UDP-10",
    "{ datagrams: u32 }",
    "{ datagrams: { read: (from) => Math.min(1, from.u32()), write: u32.write } }",
  ),
  resolve(
    "asks for the name before the family",
    "RSL-2",
    "{ family: u32, name: hostName }",
    "{ name: hostName, family: u32 }",
  ),
  resolve(
    "has addresses without their time",
    "RSL-2",
    "ttlSeconds: u32, addresses: list(inetAddress),",
    "addresses: list(inetAddress),",
  ),
  resolve(
    "has the names before their time",
    "RSL-3",
    "{ ttlSeconds: u32, names: list(hostName) }",
    "{ names: list(hostName), ttlSeconds: u32 }",
  ),
  unix(
    "swaps kind and timeout of unix-connect",
    "UNX-1",
    "{ kind: u32, timeoutMs: u32, path }",
    "{ timeoutMs: u32, kind: u32, path }",
  ),
  unix(
    "swaps mode and backlog of unix-listen",
    "UNX-2",
    "{ kind: u32, mode: u32, backlog: u32, path }",
    "{ kind: u32, backlog: u32, mode: u32, path }",
  ),
  unix(
    "takes a peer's user for its group",
    "UNX-3",
    "{ pid: u32, uid: u32, gid: u32 }",
    "{ pid: u32, gid: u32, uid: u32 }",
  ),
  handles(
    "swaps flags and mode of MountOpen",
    "MNT-7",
    "at: u32, flags: u32, mode: u32, path,",
    "at: u32, mode: u32, flags: u32, path,",
  ),
  handles(
    "has offsets of 32 bits in MountRead",
    "MNT-9",
    "handle: u32, offset: u64, bytes: u32,",
    "handle: u32, offset: u32, bytes: u32,",
  ),
  handles(
    "waits for locks that it only tries",
    "MNT-18",
    "{ handle: u32, kind: u32, wait: bool, start: u64, bytes: u64 }",
    "{ handle: u32, kind: u32, wait: { read: (from) => from.u32() === 1, write: (to) => to.u32(1) }, start: u64, bytes: u64 }",
  ),
  handles(
    "copies the wrong way",
    "MNT-12",
    "{ from: u32, to: u32, fromOffset: u64, toOffset: u64, bytes: u64 }",
    "{ to: u32, from: u32, fromOffset: u64, toOffset: u64, bytes: u64 }",
  ),
  names(
    "swaps the halves of a cookie",
    "MNT-14",
    "const readDir = { handle: u32, cookieLow: u32, cookieHigh: u32, entries: u32 };",
    "const readDir = { handle: u32, cookieHigh: u32, cookieLow: u32, entries: u32 };",
  ),
  names(
    "renames the other way around",
    "MNT-16",
    "{ fromAt: u32, toAt: u32, flags: u32, from: path, to: path }",
    "{ fromAt: u32, toAt: u32, flags: u32, to: path, from: path }",
  ),
  names(
    "swaps name and value of an attribute",
    "MNT-17",
    "{ at: u32, follow: bool, flags: u32, name, path, value: rest }",
    "{ at: u32, follow: bool, flags: u32, path, name, value: rest }",
  ),
  names(
    "has no cookie in events",
    "MNT-21",
    "{ watch: u32, events: u32, cookie: u32, path }",
    "{ watch: u32, events: u32, path }",
  ),
];
