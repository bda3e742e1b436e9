// Every message and body, against a second codec written from PROTOCOL.md alone: here, as a table of field types. What
// the table says is turned into bytes by naive code; the package must agree on them, both ways, and refuse every
// variant of them that is malformed. A message without a line in the table fails the test.

import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Body,
  ConnectRequest,
  FRAME_PAYLOAD_MAX,
  type Message,
  NewStream,
  ProtocolError,
  RECORD_MAX_BYTES,
  typeName,
  UDP_IPV6_MAX_BYTES,
  udpMessages,
  Violation,
} from "../src/index.ts";

// ── The naive codec ────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A field: values of it, their bytes, and bytes that no field of this type may have (with what follows cut off or not).
 */
interface Type {
  readonly values: fc.Arbitrary<unknown>;
  readonly sample: unknown;
  bytes(value: never): number[];
  readonly malformed: readonly (readonly [string, readonly number[]])[];
  /** Values that an encoder must refuse. */
  readonly unencodable: readonly unknown[];
}

const le32 = (n: number): number[] => [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, (n >>> 24) & 255];
const le64 = (n: bigint): number[] => [
  ...le32(Number(BigInt.asUintN(32, n))),
  ...le32(Number(BigInt.asUintN(32, n >> 32n))),
];
const utf8 = (text: string): number[] => [...new TextEncoder().encode(text)];
const MAX = Number.MAX_SAFE_INTEGER;

const u32: Type = {
  values: fc.oneof(fc.constantFrom(0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1), fc.nat(2 ** 32 - 1)),
  sample: 0x01020304,
  bytes: (value: number) => le32(value),
  malformed: [],
  unencodable: [-1, 2 ** 32, 1.5, Number.NaN],
};

const bool: Type = {
  values: fc.boolean(),
  sample: true,
  bytes: (value: boolean) => le32(value ? 1 : 0),
  malformed: [2, 3, 256, 2 ** 31, 2 ** 32 - 1].map((n) => [`bool ${n}`, le32(n)] as const),
  unencodable: [],
};

const u64: Type = {
  values: fc.oneof(fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1, 2 ** 32, MAX), fc.maxSafeNat()),
  sample: 0x1_0203_0405,
  bytes: (value: number) => le64(BigInt(value)),
  malformed: [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n].map(
    (n) => [`u64 ${n}`, le64(n)] as const,
  ),
  unencodable: [-1, 2 ** 53, 0.5, Number.NaN, Number.POSITIVE_INFINITY],
};

const i64: Type = {
  values: fc
    .oneof(fc.constantFrom(0, -1, 2 ** 32, -(2 ** 32), -(2 ** 32) - 1, MAX, -MAX), fc.maxSafeInteger())
    .map((n) => n + 0),
  sample: -5_000_000_000,
  bytes: (value: number) => le64(BigInt(value)),
  malformed: [2n ** 53n, -(2n ** 53n), -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n)].map(
    (n) => [`i64 ${n}`, le64(n)] as const,
  ),
  unencodable: [2 ** 53, -(2 ** 53), 0.5, Number.NaN],
};

/** Bytes that are no UTF-8. */
const notUtf8: readonly (readonly [string, number[]])[] = [
  ["a lone continuation", [0x80]],
  ["a cut off sequence", [0xe2, 0x82]],
  ["an overlong slash", [0xc0, 0xaf]],
  ["an overlong NUL", [0xc0, 0x80]],
  ["a surrogate", [0xed, 0xa0, 0x80]],
  ["beyond U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
  ["0xff", [0xff]],
];

function text(max: number): Type {
  const bytes = (value: string) => [...le32(utf8(value).length), ...utf8(value)];
  const characters = fc.string({ unit: "binary", maxLength: Math.min(60, Math.floor(max / 4)) });
  return {
    values: fc.oneof(
      characters.map((value) => value.replaceAll("\0", "0")),
      fc.constant("x".repeat(max)),
      fc.constant("é".repeat(Math.floor(max / 2))),
      fc.constant(""),
    ),
    sample: "aé€😀",
    bytes,
    malformed: [
      [`a text of ${max + 1} bytes`, bytes("x".repeat(max + 1))],
      [`a text of ${max + 1} bytes of two each`, bytes("é".repeat((max + 1) / 2 + 1))],
      ["a text of 2^32 - 1 bytes", le32(2 ** 32 - 1)],
      ["a text of 2^31 bytes", le32(2 ** 31)],
      ["NUL in the middle", bytes("a\0b")],
      ["NUL at the end", bytes("a\0")],
      ...notUtf8.map(([what, raw]) => [what, [...le32(raw.length), ...raw]] as const),
    ],
    unencodable: ["x".repeat(max + 1), "é".repeat(Math.floor(max / 2) + 1), "a\0b"],
  };
}

const path = text(4095);
const sentence = text(8192);

function blob(max: number): Type {
  const bytes = (value: ArrayLike<number>) => [...le32(value.length), ...Array.from(value)];
  return {
    values: fc.oneof(
      // The largest is slow to compare: now and then is enough.
      { weight: 10, arbitrary: fc.uint8Array({ maxLength: Math.min(max, 60) }) },
      { weight: 1, arbitrary: fc.constant(new Uint8Array(max).fill(0x2f)) },
      { weight: 1, arbitrary: fc.constant(new Uint8Array(0)) },
    ),
    sample: Uint8Array.of(0, 0x2f, 0xc3, 0x28, 0xff),
    bytes,
    malformed: [
      [`${max + 1} bytes`, bytes(new Uint8Array(max + 1))],
      ["2^32 - 1 bytes", le32(2 ** 32 - 1)],
      ["2^31 bytes", le32(2 ** 31)],
    ],
    unencodable: [new Uint8Array(max + 1)],
  };
}

const pathBytes = blob(4095);
const nameBytes = blob(255);

const rest: Type = {
  values: fc.uint8Array({ maxLength: 300 }),
  sample: Uint8Array.of(1, 0, 255),
  bytes: (value: Uint8Array) => [...value],
  malformed: [],
  unencodable: [],
};

const inetBytes = (family: number, port: number, address: number[]) => [
  ...le32(family),
  ...le32(port),
  ...address,
];
const sixteen = (...head: number[]) => [...head, ...new Array<number>(16 - head.length).fill(0)];
const inet: Type = {
  values: fc.oneof(
    fc.record({
      family: fc.constant(4),
      port: fc.nat(65535),
      address: fc.uint8Array({ minLength: 4, maxLength: 4 }),
    }),
    fc.record({
      family: fc.constant(6),
      port: fc.nat(65535),
      address: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    }),
  ),
  sample: { family: 4, port: 80, address: Uint8Array.of(127, 0, 0, 1) },
  bytes: ({ family, port, address }: { family: number; port: number; address: Uint8Array }) =>
    inetBytes(family, port, sixteen(...address)),
  malformed: [
    ...[0, 1, 2, 5, 10, 2 ** 32 - 4].map((n) => [`family ${n}`, inetBytes(n, 1, sixteen())] as const),
    ...[65536, 2 ** 31, 2 ** 32 - 1].map((n) => [`port ${n}`, inetBytes(6, n, sixteen())] as const),
    ...[4, 9, 15].map((at) => {
      const address = sixteen(10, 0, 0, 1);
      address[at] = 1;
      return [`padding byte ${at}`, inetBytes(4, 1, address)] as const;
    }),
  ],
  unencodable: [
    { family: 4, port: 1, address: new Uint8Array(16) },
    { family: 6, port: 1, address: new Uint8Array(4) },
    { family: 4, port: 65536, address: new Uint8Array(4) },
    { family: 4, port: -1, address: new Uint8Array(4) },
    { family: 4, port: 0.5, address: new Uint8Array(4) },
  ],
};

function list(item: Type): Type {
  const bytes = (values: readonly never[]) => [
    ...le32(values.length),
    ...values.flatMap((each) => item.bytes(each)),
  ];
  return {
    values: fc.array(item.values, { maxLength: 5 }),
    sample: [item.sample, item.sample],
    bytes,
    malformed: [
      // 4097 empty items would fit a frame: only the count is wrong.
      ["a list of 4097 items", [...le32(4097), ...new Array<number>(4097 * 8).fill(0)]],
      ["a list of 2^32 - 1 items", le32(2 ** 32 - 1)],
      ["a list with fewer items than it says", [...le32(3), ...item.bytes(item.sample as never)]],
      ...item.malformed.map(([what, raw]) => [`an item with ${what}`, [...le32(1), ...raw]] as const),
    ],
    unencodable: [new Array(4097).fill(item.sample), ...item.unencodable.map((each) => [each])],
  };
}

type Fields = Readonly<Record<string, Type>>;

function struct(fields: Fields): Type {
  const entries = Object.entries(fields);
  const sample = Object.fromEntries(entries.map(([name, type]) => [name, type.sample]));
  const bytes = (value: Record<string, unknown>) =>
    entries.flatMap(([name, type]) => type.bytes(value[name] as never));
  return {
    values: fc.record(Object.fromEntries(entries.map(([name, type]) => [name, type.values]))),
    sample,
    bytes: bytes as Type["bytes"],
    malformed: entries.flatMap(([name, type], i) =>
      type.malformed.map(([what, raw]) => {
        const before = entries.slice(0, i).flatMap(([, each]) => each.bytes(each.sample as never));
        const after = entries.slice(i + 1).flatMap(([, each]) => each.bytes(each.sample as never));
        return [`${name}: ${what}`, [...before, ...raw, ...after]] as const;
      }),
    ),
    unencodable: entries.flatMap(([name, type]) =>
      type.unencodable.map((value) => ({ ...sample, [name]: value })),
    ),
  };
}

// ── The catalogue, from PROTOCOL.md sections 8 to 19 ──────────────────────────────────────────────────────────────

const time = struct({ seconds: i64, nanoseconds: u32 });
const stat: Fields = {
  kind: u32,
  mode: u32,
  links: u32,
  uid: u32,
  gid: u32,
  inode: u64,
  size: u64,
  blocks: u64,
  accessed: time,
  modified: time,
  changed: time,
};
const attributes: Fields = {
  kind: u32,
  mode: u32,
  links: u32,
  uid: u32,
  gid: u32,
  device: u32,
  inodeLow: u32,
  inodeHigh: u32,
  size: u64,
  blocks: u64,
  accessed: time,
  modified: time,
  changed: time,
  created: time,
};
const refusal: Fields = { errno: u32, rule: sentence, reason: sentence };
const endpoints: Fields = { local: inet, peer: inet };

const messages: Readonly<Record<string, readonly [type: number, fields: Fields]>> = {
  Error: [0x8001, refusal],
  Done: [0x8002, {}],
  StatReply: [0x8003, stat],
  NewStream: [0x0101, { toHostBytes: u32, toGuestBytes: u32 }],
  StreamInfo: [0x8101, { id: u32, generation: u32, page: u32, toHostBytes: u32, toGuestBytes: u32 }],
  GetArgs: [0x0102, {}],
  Args: [0x8102, { argv: list(sentence), env: list(sentence) }],
  Log: [0x0103, { level: u32, text: sentence }],
  Exit: [0x0104, { code: u32 }],
  Ping: [0x0105, { data: rest }],
  Pong: [0x8105, { data: rest }],
  Explain: [0x0106, { protocol: u32, body: rest }],
  Verdict: [0x8106, { allowed: bool, rule: sentence, reason: sentence }],
  Open: [0x0201, { protocol: u32, body: rest }],
  Opened: [0x8201, { body: rest }],
  Refused: [0x8202, refusal],
  Accept: [0x0301, { id: u32, generation: u32 }],
  Incoming: [0x8301, endpoints],
  Read: [0x0401, { bytes: u32 }],
  Data: [0x8401, { data: rest }],
  Write: [0x0402, { data: rest }],
  Written: [0x8402, { bytes: u32 }],
  ReadAt: [0x0403, { offset: u64, bytes: u32 }],
  WriteAt: [0x0404, { offset: u64, data: rest }],
  Seek: [0x0405, { whence: u32, offset: i64 }],
  Position: [0x8405, { offset: u64 }],
  FileStat: [0x0406, {}],
  Truncate: [0x0407, { bytes: u64 }],
  Sync: [0x0408, { dataOnly: u32 }],
  Close: [0x0409, {}],
  WriteDone: [0x8501, { bytes: u64 }],
  WriteFailed: [0x8502, { bytes: u64, ...refusal }],
  Stat: [0x0601, { path }],
  Lstat: [0x0602, { path }],
  ReadDir: [0x0603, { path }],
  Entries: [0x8603, { more: bool, skipped: u32, entries: list(struct({ kind: u32, name: text(255) })) }],
  Mkdir: [0x0604, { mode: u32, parents: bool, path }],
  Unlink: [0x0605, { path }],
  Rmdir: [0x0606, { path }],
  Rename: [0x0607, { from: path, to: path }],
  Symlink: [0x0608, { target: path, path }],
  Readlink: [0x0609, { path }],
  Target: [0x8609, { target: path }],
  Chmod: [0x060a, { mode: u32, path }],
  Utimes: [0x060b, { accessed: time, modified: time, path }],
  Statfs: [0x060c, { path }],
  StatfsReply: [
    0x860c,
    {
      blockBytes: u32,
      blocks: u64,
      blocksFree: u64,
      blocksAvailable: u64,
      files: u64,
      filesFree: u64,
      nameMaxBytes: u32,
    },
  ],
  UdpSend: [0x0701, { segment: u32, data: rest }],
  UdpReceived: [0x8701, { segment: u32, data: rest }],
  UdpSendTo: [0x0702, { segment: u32, peer: inet, data: rest }],
  UdpReceivedFrom: [0x8702, { segment: u32, peer: inet, data: rest }],
  UdpLookup: [0x0703, { port: u32, host: text(253) }],
  UdpPeer: [0x8703, { peer: inet }],
  UdpSet: [0x0704, { option: u32, value: u32 }],
  UdpInterface: [0x0705, { interface: inet }],
  UdpJoin: [0x0706, { group: inet, source: inet, interface: inet }],
  UdpLeave: [0x0707, { group: inet, source: inet, interface: inet }],
  UdpError: [0x8708, { errno: u32, peer: inet, rule: sentence, reason: sentence }],
  UdpLost: [0x8709, { datagrams: u32 }],
  Resolve: [0x0801, { family: u32, name: text(253) }],
  Addresses: [0x8801, { ttlSeconds: u32, addresses: list(inet) }],
  Reverse: [0x0802, { address: inet }],
  Names: [0x8802, { ttlSeconds: u32, names: list(text(253)) }],
  UnixSend: [0x0901, { data: rest }],
  UnixReceived: [0x8901, { data: rest }],
  UnixIncoming: [0x8902, { pid: u32, uid: u32, gid: u32 }],
  MountOpen: [0x0a01, { at: u32, flags: u32, mode: u32, path: pathBytes }],
  MountHandle: [0x8a01, { handle: u32, ...attributes }],
  MountRelease: [0x0a02, { handle: u32 }],
  MountRead: [0x0a03, { handle: u32, offset: u64, bytes: u32 }],
  MountWrite: [0x0a04, { handle: u32, flags: u32, offset: u64, data: rest }],
  MountFlush: [0x0a05, { handle: u32 }],
  MountFsync: [0x0a06, { handle: u32, dataOnly: bool }],
  MountFallocate: [0x0a07, { handle: u32, mode: u32, offset: u64, bytes: u64 }],
  MountCopyRange: [0x0a08, { from: u32, to: u32, fromOffset: u64, toOffset: u64, bytes: u64 }],
  MountSeek: [0x0a09, { handle: u32, whence: u32, offset: u64 }],
  MountLock: [0x0a0a, { handle: u32, kind: u32, wait: bool, start: u64, bytes: u64 }],
  MountTestLock: [0x0a0b, { handle: u32, kind: u32, start: u64, bytes: u64 }],
  MountLockFound: [0x8a0b, { kind: u32, start: u64, bytes: u64 }],
  MountStat: [0x0a0c, { at: u32, follow: bool, path: pathBytes }],
  MountAttributes: [0x8a0c, attributes],
  MountSetAttr: [
    0x0a0d,
    {
      at: u32,
      follow: bool,
      valid: u32,
      mode: u32,
      uid: u32,
      gid: u32,
      size: u64,
      accessed: time,
      modified: time,
      path: pathBytes,
    },
  ],
  MountReadDir: [0x0a0e, { handle: u32, cookieLow: u32, cookieHigh: u32, entries: u32 }],
  MountNames: [
    0x8a0e,
    {
      entries: list(
        struct({
          cookieLow: u32,
          cookieHigh: u32,
          kind: u32,
          inodeLow: u32,
          inodeHigh: u32,
          name: nameBytes,
        }),
      ),
    },
  ],
  MountReadDirPlus: [0x0a0f, { handle: u32, cookieLow: u32, cookieHigh: u32, entries: u32 }],
  MountEntries: [
    0x8a0f,
    { entries: list(struct({ cookieLow: u32, cookieHigh: u32, ...attributes, name: nameBytes })) },
  ],
  MountMkdir: [0x0a10, { at: u32, mode: u32, path: pathBytes }],
  MountMknod: [0x0a11, { at: u32, mode: u32, path: pathBytes }],
  MountSymlink: [0x0a12, { at: u32, target: pathBytes, path: pathBytes }],
  MountLink: [0x0a13, { fromAt: u32, toAt: u32, from: pathBytes, to: pathBytes }],
  MountReadlink: [0x0a14, { at: u32, path: pathBytes }],
  MountUnlink: [0x0a15, { at: u32, path: pathBytes }],
  MountRmdir: [0x0a16, { at: u32, path: pathBytes }],
  MountRename: [0x0a17, { fromAt: u32, toAt: u32, flags: u32, from: pathBytes, to: pathBytes }],
  MountStatfs: [0x0a18, { at: u32, path: pathBytes }],
  MountGetXattr: [0x0a19, { at: u32, follow: bool, name: nameBytes, path: pathBytes }],
  MountSetXattr: [
    0x0a1a,
    { at: u32, follow: bool, flags: u32, name: nameBytes, path: pathBytes, value: rest },
  ],
  MountListXattr: [0x0a1b, { at: u32, follow: bool, path: pathBytes }],
  MountXattrs: [0x8a1b, { names: list(nameBytes) }],
  MountRemoveXattr: [0x0a1c, { at: u32, follow: bool, name: nameBytes, path: pathBytes }],
  MountWatch: [0x0a1d, { at: u32, flags: u32, path: pathBytes }],
  MountWatching: [0x8a1d, { watch: u32 }],
  MountUnwatch: [0x0a1e, { watch: u32 }],
  MountEvent: [0x8a1f, { watch: u32, events: u32, cookie: u32, path: pathBytes }],
  MountCancel: [0x0a20, { id: u32 }],
};

const bodies: Readonly<Record<string, Fields>> = {
  ConnectRequest: { port: u32, timeoutMs: u32, host: text(253) },
  ConnectReply: endpoints,
  ListenRequest: { backlog: u32, address: inet },
  ListenReply: { bound: inet },
  FileOpen: { flags: u32, mode: u32, path },
  FileOpened: stat,
  FileStreamOpen: { direction: u32, flags: u32, mode: u32, offset: u64, length: u64, path },
  FileStreamOpened: { length: u64, ...stat },
  UdpBindRequest: { flags: u32, address: inet },
  UnixConnectRequest: { kind: u32, timeoutMs: u32, path },
  UnixConnectReply: { pid: u32, uid: u32, gid: u32 },
  UnixListenRequest: { kind: u32, mode: u32, backlog: u32, path },
  MountRequest: { path: pathBytes },
  MountReply: { handles: u32, requests: u32, ...attributes },
};

// ── What the package has ───────────────────────────────────────────────────────────────────────────────────────────

type AnyBody = Body<Record<string, unknown>>;
type AnyMessage = Message<Record<string, unknown>>;

async function codecs(): Promise<{ messages: Map<string, AnyMessage>; bodies: Map<string, AnyBody> }> {
  const folder = new URL("../src/messages/", import.meta.url);
  const found = { messages: new Map<string, AnyMessage>(), bodies: new Map<string, AnyBody>() };
  for (const file of readdirSync(folder)) {
    const module: Record<string, unknown> = await import(new URL(file, folder).href);
    for (const [name, value] of Object.entries(module)) {
      if (typeof value !== "object" || value === null || !("encode" in value)) continue;
      if ("type" in value) {
        const each = value as AnyMessage;
        expect(found.messages.has(each.name)).toBe(false);
        found.messages.set(each.name, each);
        // What a log calls it is what a program calls it.
        expect(each.name === "Error" ? "ErrorReply" : each.name).toBe(name);
      } else found.bodies.set(name, value as AnyBody);
    }
  }
  return found;
}

const found = await codecs();
const protocol = readFileSync(new URL("../../../PROTOCOL.md", import.meta.url), "utf8");

describe("the catalogue", () => {
  test("of the package is the one that these tests cover, message for message and type for type", () => {
    const types = (entries: Iterable<readonly [string, number]>) => Object.fromEntries([...entries].sort());
    expect(types([...found.messages].map(([name, each]) => [name, each.type] as const))).toEqual(
      types(Object.entries(messages).map(([name, [type]]) => [name, type] as const)),
    );
    expect([...found.bodies.keys()].sort()).toEqual(Object.keys(bodies).sort());
  });

  test("of PROTOCOL.md is the same", () => {
    const section = protocol.slice(protocol.indexOf("### Catalogue"), protocol.indexOf("## 8."));
    const listed: [string, number][] = [];
    for (const row of section.split("\n").filter((line) => line.startsWith("|"))) {
      const cells = row.split("|").map((cell) => cell.trim());
      for (const [i, cell] of cells.entries()) {
        if (!cell.startsWith("0x")) continue;
        const names = cells[i + 1]!.split(" / ");
        for (const [k, type] of cell.split(" / ").entries()) listed.push([names[k]!, Number(type)]);
      }
    }
    expect(Object.fromEntries(listed)).toEqual(
      Object.fromEntries(Object.entries(messages).map(([name, [type]]) => [name, type])),
    );
  });

  test("has each type number once", () => {
    const types = [...found.messages.values()].map((each) => each.type);
    expect(new Set(types).size).toBe(types.length);
  });

  test("has bit 15 in the types of the host's messages, and in no other", () => {
    const fromHost = [
      ...[
        "Error",
        "Done",
        "StatReply",
        "StreamInfo",
        "Args",
        "Pong",
        "Verdict",
        "Opened",
        "Refused",
        "Incoming",
      ],
      ...["Data", "Written", "Position", "WriteDone", "WriteFailed", "Entries", "Target", "StatfsReply"],
      ...[
        "UdpReceived",
        "UdpReceivedFrom",
        "UdpPeer",
        "UdpError",
        "UdpLost",
        "Addresses",
        "Names",
        "UnixReceived",
        "UnixIncoming",
        "MountHandle",
        "MountLockFound",
        "MountAttributes",
        "MountNames",
        "MountEntries",
        "MountXattrs",
        "MountWatching",
        "MountEvent",
      ],
    ];
    for (const [name, { type }] of found.messages) {
      expect([name, (type & 0x8000) !== 0]).toEqual([name, fromHost.includes(name)]);
      expect(type).toBeLessThanOrEqual(0xffff);
    }
  });
});

const all: [string, AnyBody, Type, Fields][] = [
  ...Object.entries(messages).map(
    ([name, [, fields]]) =>
      [name, found.messages.get(name)!, struct(fields), fields] as [string, AnyBody, Type, Fields],
  ),
  ...Object.entries(bodies).map(
    ([name, fields]) =>
      [name, found.bodies.get(name)!, struct(fields), fields] as [string, AnyBody, Type, Fields],
  ),
];

const endsInRest = (fields: Fields): boolean => Object.values(fields).at(-1) === rest;

function refused(codec: AnyBody, payload: readonly number[]): boolean {
  try {
    codec.decode(Uint8Array.from(payload));
    return false;
  } catch (error) {
    if (error instanceof ProtocolError && error.violation === Violation.FRAME_MALFORMED) return true;
    throw error;
  }
}

describe.each(all)("%s", (_, codec, type, fields) => {
  // Several texts of the greatest length do not fit one payload together.
  const fits = (value: unknown): boolean => type.bytes(value as never).length <= FRAME_PAYLOAD_MAX;

  test("has the bytes that PROTOCOL.md says, and comes back from them", () => {
    fc.assert(
      fc.property(type.values.filter(fits), (value) => {
        const bytes = type.bytes(value as never);
        expect([...codec.encode(value as Record<string, unknown>)]).toEqual(bytes);
        expect(codec.decode(Uint8Array.from(bytes))).toEqual(value);
      }),
      { numRuns: 60 },
    );
  });

  test("comes back from the middle of a larger buffer, as a copy", () => {
    const bytes = type.bytes(type.sample as never);
    const large = new Uint8Array(bytes.length + 8).fill(0xaa);
    large.set(bytes, 3);
    const value = codec.decode(large.subarray(3, 3 + bytes.length));
    large.fill(0x55);
    expect(value).toEqual(type.sample);
  });

  test("is refused when it is cut off anywhere", () => {
    const bytes = type.bytes(type.sample as never);
    const restBytes = endsInRest(fields) ? 3 : 0;
    for (let length = 0; length < bytes.length; length++) {
      const whole = length >= bytes.length - restBytes && restBytes > 0;
      expect({ length, refused: refused(codec, bytes.slice(0, length)) }).toEqual({
        length,
        refused: !whole,
      });
    }
  });

  test("is refused with one byte too many", () => {
    const bytes = type.bytes(type.sample as never);
    for (const extra of [0, 1, 255]) expect(refused(codec, [...bytes, extra])).toBe(!endsInRest(fields));
  });

  test("is refused with a field out of its bounds", () => {
    for (const [what, payload] of type.malformed)
      expect({ what, refused: refused(codec, payload) }).toEqual({ what, refused: true });
  });

  test("never does anything but decode or refuse, whatever the bytes", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 120 }),
        fc.boolean(),
        fc.nat(),
        fc.nat(255),
        (noise, mutate, at, byte) => {
          const payload = mutate ? type.bytes(type.sample as never) : [...noise];
          if (mutate && payload.length > 0) payload[at % payload.length] = byte;
          if (refused(codec, payload)) return;
          // What is taken is taken without loss: strict decoding is one to one.
          expect([...codec.encode(codec.decode(Uint8Array.from(payload)))]).toEqual(payload);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("cannot be made with a value that the wire cannot carry", () => {
    for (const value of type.unencodable) {
      expect(() => codec.encode(value as Record<string, unknown>)).toThrow(RangeError);
    }
  });
});

describe("a payload as a whole", () => {
  test("may have 65,600 bytes and not one more", () => {
    const data = found.messages.get("Data")!;
    expect(data.encode({ data: new Uint8Array(FRAME_PAYLOAD_MAX) })).toHaveLength(65_600);
    expect(() => data.encode({ data: new Uint8Array(FRAME_PAYLOAD_MAX + 1) })).toThrow(RangeError);
    const args = found.messages.get("Args")!;
    expect(() => args.encode({ argv: new Array(9).fill("x".repeat(8000)), env: [] })).toThrow(RangeError);
  });

  test("has room for the data of one write of 65,536 bytes with its offset", () => {
    const write = found.messages.get("WriteAt")!;
    expect(write.encode({ offset: 0, data: new Uint8Array(65_536) })).toHaveLength(65_544);
    const mountWrite = found.messages.get("MountWrite")!;
    const at = { handle: 1, flags: 0, offset: 0 };
    expect(mountWrite.encode({ ...at, data: new Uint8Array(65_536) })).toHaveLength(65_552);
  });

  test("has room for the largest datagram with its peer, and for the largest record", () => {
    const peer = { family: 6, port: 53, address: new Uint8Array(16) };
    const sendTo = found.messages.get("UdpSendTo")!;
    expect(sendTo.encode({ segment: 0, peer, data: new Uint8Array(UDP_IPV6_MAX_BYTES) })).toHaveLength(
      65_555,
    );
    const record = found.messages.get("UnixSend")!;
    expect(record.encode({ data: new Uint8Array(RECORD_MAX_BYTES) })).toHaveLength(65_536);
  });
});

describe("for people", () => {
  test("a malformed payload is told with its message and its field", () => {
    const told = (decode: () => unknown): string => {
      try {
        decode();
      } catch (error) {
        return (error as Error).message;
      }
      return "";
    };
    expect(told(() => NewStream.decode(new Uint8Array(4)))).toBe(
      "NewStream.toGuestBytes: payload is too short (FRM-6)",
    );
    expect(told(() => NewStream.decode(new Uint8Array(9)))).toBe(
      "NewStream: payload has 1 bytes too many (FRM-6)",
    );
    expect(told(() => ConnectRequest.decode(new Uint8Array(0)))).toMatch(
      /^\w+: payload is too short \(FRM-6\)$/,
    );
  });

  test("a type is told in hex, with its name where it has one", () => {
    expect([typeName(0x0101), typeName(0x0999)]).toEqual(["NewStream (0x0101)", "0x0999"]);
  });
});

describe("datagramsOf", () => {
  test.each([
    [0, 0, 1],
    [0, 65_507, 1],
    [1, 2, 2],
    [1, 64, 64],
    [1400, 1401, 2],
    [1400, 64 * 1400, 64],
    [32_754, 65_507, 2],
  ])("a segment of %i and %i bytes: %i", (segment, bytes, count) => {
    expect(udpMessages.datagramsOf(segment, bytes)).toBe(count);
  });

  test.each([
    [1, 0],
    [1, 1],
    [1, 65],
    [1400, 1400],
    [1400, 64 * 1400 + 1],
    [0xffff_ffff, 65_507],
  ])("a segment of %i and %i bytes are no train", (segment, bytes) => {
    expect(udpMessages.datagramsOf(segment, bytes)).toBeUndefined();
  });
});
