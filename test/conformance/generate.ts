// Writes the vectors, packages/conformance/vectors/*.json, from the catalogue and from what stands here. Nothing of
// @ringway/control is used: what it does is what the vectors judge.
//
//   npx tsx test/conformance/generate.ts

import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  encodeFields,
  encodeValue,
  type Fields,
  type Layout,
  le32,
  le64,
  SHAPES,
  type Shape,
  type Type,
  toHex,
  type Value,
} from "../../packages/conformance/src/catalogue.ts";
import type {
  AttachVector,
  BellVector,
  FrameVector,
  MessageVector,
  RingVector,
  SuperblockVector,
  Vector,
} from "../../packages/conformance/src/vectors.ts";

const MAX = Number.MAX_SAFE_INTEGER;

/** Hex with a space after each field of four bytes, and runs of one byte cut short: "61*8193". */
function hexParts(bytes: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    let run = 1;
    while (bytes[at + run] === bytes[at]) run++;
    if (run > 24) {
      parts.push(`${toHex([bytes[at]!])}*${run}`);
      at += run;
      continue;
    }
    // Up to the next long run, in words.
    let end = at;
    for (let next = at; next < bytes.length && end - at < 4; next++) {
      let ahead = 1;
      while (bytes[next + ahead] === bytes[next]) ahead++;
      if (ahead > 24) break;
      end = next + 1;
    }
    parts.push(toHex(bytes.slice(at, end)));
    at = end;
  }
  return parts.join(" ");
}

// ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Values that a field of this name may have, where its type alone does not say: usual, smallest, largest. */
const NAMED: Readonly<Record<string, readonly [Value, Value, Value]>> = {
  code: [1, 0, 255],
  whence: [2, 0, 1],
  dataOnly: [1, 0, 1],
  direction: [1, 2, 1],
  flags: [13, 1, 63],
  mode: [0o644, 0, 0o777],
  port: [443, 1, 65535],
  host: ["example.com", "a", "x".repeat(253)],
  level: [30, 20, 50],
  kind: [1, 1, 4],
};

function values(type: Type, name: string): readonly [Value, Value, Value] {
  const named = NAMED[name];
  if (named !== undefined) return named;
  switch (type.kind) {
    case "u32":
      // Another one for each name, so that no two fields can be swapped unseen.
      return [
        0x01020300 + ([...name].reduce((sum, each) => sum * 3 + each.charCodeAt(0), 0) % 251),
        0,
        0xffff_ffff,
      ];
    case "bool":
      return [true, false, true];
    case "u64":
      return [
        0x1_0203_0400 + ([...name].reduce((sum, each) => sum * 3 + each.charCodeAt(0), 0) % 251),
        0,
        MAX,
      ];
    case "i64":
      return [-5_000_000_000, -MAX, MAX];
    case "rest":
      return ["0100ff", "", "00".repeat(40)];
    case "text":
      return [
        "/tmp/aé€😀",
        type.max > 4000 ? "" : "n",
        `/${"é".repeat(Math.floor(Math.min(type.max, 255) / 2))}`,
      ];
    case "inet":
      return [
        { family: 4, port: 80, address: "7f000001" },
        { family: 4, port: 0, address: "00000000" },
        { family: 6, port: 65535, address: "20010db8000000000000000000000001" },
      ];
    case "list": {
      const [usual, , largest] = values(type.of, "");
      return [[usual, largest], [], [largest]];
    }
    case "struct": {
      const of = Object.entries(type.fields).map(([field, each]) => [field, values(each, field)] as const);
      const pick = (i: 0 | 1 | 2): Fields =>
        Object.fromEntries(of.map(([field, three]) => [field, three[i]]));
      return [pick(0), pick(1), pick(2)];
    }
  }
}

const text = (bytes: readonly number[]): number[] => [...le32(bytes.length), ...bytes];

/** Bytes that no field of this type may have. */
function malformed(type: Type): (readonly [string, readonly number[]])[] {
  switch (type.kind) {
    case "u32":
    case "rest":
      return [];
    case "bool":
      return [2, 256, 0xffff_ffff].map((n) => [`a bool of ${n}`, le32(n)] as const);
    case "u64":
      return [2n ** 53n, 2n ** 64n - 1n].map((n) => [`a u64 of ${n}`, le64(n)] as const);
    case "i64":
      return [2n ** 53n, -(2n ** 53n), -(2n ** 63n)].map((n) => [`an i64 of ${n}`, le64(n)] as const);
    case "text":
      return [
        [`a text of ${type.max + 1} bytes`, text(new Array<number>(type.max + 1).fill(0x61))],
        ["a text that says it has 2^32 - 1 bytes", le32(0xffff_ffff)],
        ["a text with NUL", text([0x61, 0, 0x62])],
        ["a text with a lone continuation byte", text([0x80])],
        ["a text with a sequence cut off", text([0xe2, 0x82])],
        ["a text with an overlong slash", text([0xc0, 0xaf])],
        ["a text with a surrogate", text([0xed, 0xa0, 0x80])],
        ["a text beyond U+10FFFF", text([0xf4, 0x90, 0x80, 0x80])],
      ];
    case "inet": {
      const inet = (family: number, port: number, address: number[]) => [
        ...le32(family),
        ...le32(port),
        ...address,
        ...new Array<number>(16 - address.length).fill(0),
      ];
      return [
        ["an address of family 2", inet(2, 80, [127, 0, 0, 1])],
        ["an address of family 0", inet(0, 80, [])],
        ["a port of 65536", inet(6, 65536, [])],
        ["an IPv4 address with something behind it", inet(4, 80, [127, 0, 0, 1, 0, 0, 0, 1])],
        [
          "an IPv4 address with something at its end",
          inet(4, 80, [127, 0, 0, 1, ...new Array<number>(11).fill(0), 1]),
        ],
      ];
    }
    case "list":
      return [
        ["a list of 4097 items", [...le32(4097), ...new Array<number>(4097 * 8).fill(0)]],
        ["a list that says it has 2^32 - 1 items", le32(0xffff_ffff)],
        ["a list with an item too few", [...le32(2), ...encodeValue(type.of, values(type.of, "")[0])]],
        ...malformed(type.of)
          .slice(0, 3)
          .map(([what, bytes]) => [`an item with ${what}`, [...le32(1), ...bytes]] as const),
      ];
    case "struct":
      return malformedStruct(type.fields);
  }
}

/** Types whose whole list some message has shown: those that follow show a part. */
const shown = new Set<string>();

function malformedStruct(fields: Layout): (readonly [string, readonly number[]])[] {
  const entries = Object.entries(fields);
  const usual = (part: typeof entries): number[] =>
    part.flatMap(([name, type]) => encodeValue(type, values(type, name)[0]));
  const seen = new Set<string>();
  return entries.flatMap(([name, type], i) => {
    const key = JSON.stringify(type);
    const all = malformed(type);
    const some = seen.has(key) ? all.slice(0, 1) : shown.has(key) ? all.slice(0, 3) : all;
    seen.add(key);
    shown.add(key);
    return some.map(
      ([what, bytes]) =>
        [
          `${name} is ${what}`,
          [...usual(entries.slice(0, i)), ...bytes, ...usual(entries.slice(i + 1))],
        ] as const,
    );
  });
}

/** Fields that no payload can carry. */
function unencodable(type: Type): readonly Value[] {
  switch (type.kind) {
    case "text":
      return ["x".repeat(type.max + 1), "a\0b"];
    case "u64":
      return [2 ** 53];
    case "i64":
      return [2 ** 53];
    default:
      return [];
  }
}

function messageVectors(name: string, { from, clauses, fields }: Shape): MessageVector[] {
  const made: MessageVector[] = [];
  const add = (what: string, more: string, rest: Partial<MessageVector>): void => {
    const all = [...clauses, ...more.split(" ").filter((clause) => clause !== "")];
    made.push({
      name: `${name}: ${what}`,
      clauses: [...new Set(all)],
      kind: "message",
      message: name,
      from,
      ...rest,
    });
  };
  const valid = (what: string, value: Fields, more = "FRM-5"): void =>
    add(what, more, { fields: value, payload: hexParts(encodeFields(fields, value)) });
  const three = values({ kind: "struct", fields }, "");
  for (const [i, what] of ["usual values", "smallest values", "largest values"].entries()) {
    if (i === 0 || Object.keys(fields).length > 0) valid(what, three[i] as Fields);
  }
  const usual = three[0] as Fields;
  for (const [field, type] of Object.entries(fields)) {
    if (type.kind === "text" && field !== "reason") {
      valid(`${field} of ${type.max} bytes`, { ...usual, [field]: "x".repeat(type.max) }, "LIM-1");
    }
  }
  const violation = "FRAME_MALFORMED";
  const bad = (what: string, bytes: readonly number[], more = "FRM-6"): void =>
    add(what, more, { payload: hexParts(bytes), violation });
  const bytes = encodeFields(fields, usual);
  const ends = Object.values(fields).at(-1)?.kind;
  if (ends !== "rest") bad("one byte too many", [...bytes, 0]);
  if (bytes.length > 0 && !(ends === "rest" && Object.keys(fields).length === 1)) {
    bad("nothing of it", []);
    bad("its last byte is missing", ends === "rest" ? bytes.slice(0, 3) : bytes.slice(0, -1));
  }
  for (const [what, each] of malformedStruct(fields)) {
    bad(
      what,
      each,
      what.includes("address") || what.includes("port")
        ? "FRM-6 TCP-2"
        : /\d{3,5} (bytes|items)/.test(what)
          ? "FRM-6 LIM-1"
          : "FRM-6",
    );
  }
  const refused = new Set<string>();
  for (const [field, type] of Object.entries(fields)) {
    if (refused.has(type.kind) || from === "host") continue;
    refused.add(type.kind);
    for (const value of unencodable(type)) {
      const what =
        typeof value === "string" ? (value.length > 10 ? `${value.length} bytes` : "NUL in it") : `${value}`;
      add(`${field} cannot be sent with ${what}`, "FRM-5", {
        fields: { ...usual, [field]: value },
        invalid: true,
      });
    }
  }
  return made;
}

// ── Frames ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function frameVectors(): FrameVector[] {
  const header = (bytes: number, type: number, request: number): number[] => [
    ...le32(bytes),
    ...le32(type),
    ...le32(request),
  ];
  const frame = (type: number, request: number, payload: readonly number[]): number[] => [
    ...header(payload.length, type, request),
    ...payload,
  ];
  const vector = (
    name: string,
    clauses: string,
    bytes: readonly number[],
    frames: readonly (readonly [number, number, readonly number[]])[],
    then: FrameVector["then"],
    more: { ring?: number; violation?: string; ends?: true } = {},
  ): FrameVector => ({
    name,
    clauses: clauses.split(" "),
    kind: "frame",
    ring: more.ring ?? 4096,
    bytes: hexParts(bytes),
    frames: frames.map(([type, request, payload]) => ({ type, request, payload: hexParts(payload) })),
    then,
    ...(more.violation === undefined ? {} : { violation: more.violation }),
    ...(more.ends === undefined ? {} : { ends: more.ends }),
  });
  const cut = { violation: "FRAME_LENGTH", ends: true } as const;
  const done = [0x8002, 7, []] as const;
  const zeros = (count: number): number[] => new Array<number>(count).fill(0);
  const fill = (count: number): number[] =>
    zeros(count).map((_, i) => (i < 1000 ? 0x11 : i < count - 1 ? 0x22 : 0x33));
  return [
    vector("a frame without a payload", "FRM-1", frame(...done), [done], "again"),
    vector(
      "two frames back to back, no padding between odd lengths",
      "FRM-1",
      [...frame(0x8401, 1, [1, 2, 3]), ...frame(0x8401, 2, [4])],
      [
        [0x8401, 1, [1, 2, 3]],
        [0x8401, 2, [4]],
      ],
      "again",
    ),
    vector(
      "the largest request id",
      "FRM-1 FRM-2",
      frame(0x8002, 0xffff_ffff, []),
      [[0x8002, 0xffff_ffff, []]],
      "again",
    ),
    vector("a header that lacks a byte", "FRM-3", header(0, 0x8002, 1).slice(0, 11), [], "again"),
    vector("a payload that lacks a byte", "FRM-3", frame(0x8401, 1, [1, 2, 3]).slice(0, 14), [], "again"),
    vector(
      "a whole frame, then a part of one",
      "FRM-3",
      [...frame(...done), ...frame(0x8401, 1, [1, 2]).slice(0, 13)],
      [done],
      "again",
    ),
    vector(
      "an end after a header that lacks a byte",
      "FRM-3",
      header(0, 0x8002, 1).slice(0, 11),
      [],
      "violation",
      cut,
    ),
    vector("an end after a header alone", "FRM-3", header(3, 0x8401, 1), [], "violation", cut),
    vector(
      "an end after a payload that lacks a byte",
      "FRM-3",
      frame(0x8401, 1, [1, 2, 3]).slice(0, 14),
      [],
      "violation",
      cut,
    ),
    vector(
      "an end after a whole frame and a byte of another",
      "FRM-3",
      [...frame(...done), 0],
      [done],
      "violation",
      cut,
    ),
    vector(
      "frames before the end",
      "FRM-3 RING-6",
      [...frame(...done), ...frame(0x8002, 8, [])],
      [done, [0x8002, 8, []]],
      "end",
    ),
    vector(
      "a frame that fills its ring",
      "FRM-3",
      frame(0x8401, 1, fill(4084)),
      [[0x8401, 1, fill(4084)]],
      "again",
    ),
    vector(
      "frames that fill a ring, one after the other",
      "FRM-3 FRM-1",
      [...frame(0x8401, 1, fill(4084)), ...frame(0x8401, 2, fill(4084)), ...frame(...done)],
      [[0x8401, 1, fill(4084)], [0x8401, 2, fill(4084)], done],
      "again",
    ),
    vector(
      "the largest frame of all",
      "FRM-3 LIM-1",
      frame(0x8401, 1, zeros(65_600)),
      [[0x8401, 1, zeros(65_600)]],
      "again",
      { ring: 131_072 },
    ),
    vector(
      "a byte over its ring, judged by the header alone",
      "FRM-3 LIM-1",
      header(4085, 0x8401, 1),
      [],
      "violation",
      { violation: "FRAME_LENGTH" },
    ),
    vector("a byte over the largest frame", "FRM-3 LIM-1", header(65_601, 0x8401, 1), [], "violation", {
      ring: 131_072,
      violation: "FRAME_LENGTH",
    }),
    vector("a payload of 2^32 - 1 bytes", "FRM-3", header(0xffff_ffff, 0x8401, 1), [], "violation", {
      violation: "FRAME_LENGTH",
    }),
    vector(
      "a payload of 2^32 - 12 bytes: with its header 2^32",
      "FRM-3",
      header(0xffff_fff4, 0x8401, 1),
      [],
      "violation",
      { violation: "FRAME_LENGTH" },
    ),
    vector(
      "a good frame, then one too long",
      "FRM-3",
      [...frame(...done), ...header(5000, 0x8401, 1)],
      [done],
      "violation",
      { violation: "FRAME_LENGTH" },
    ),
    vector(
      "a request of the guest's, from the host",
      "FRM-4",
      frame(0x0401, 1, [0, 0, 0, 0]),
      [],
      "violation",
      { violation: "FRAME_TYPE" },
    ),
    vector("type 0, from the host", "FRM-4", frame(0, 0, []), [], "violation", { violation: "FRAME_TYPE" }),
    vector(
      "unknown and nobody asked: passed over",
      "FRM-7",
      [...frame(0x8f00, 0, [1, 2, 3]), ...frame(...done), ...frame(0xffff, 0, [])],
      [done],
      "again",
    ),
    vector(
      "unknown, to a request",
      "FRM-7",
      [...frame(...done), ...frame(0x8f00, 3, [])],
      [done],
      "violation",
      { violation: "FRAME_TYPE" },
    ),
  ];
}

// ── Superblock, attach, hello ───────────────────────────────────────────────────────────────────────────────────────

function superblockVectors(): SuperblockVector[] {
  const vector = (
    name: string,
    clauses: string,
    words: Record<string, number>,
    status: "ok" | "violation",
  ): SuperblockVector => ({
    name,
    clauses: clauses.split(" "),
    kind: "superblock",
    pages: 64,
    words,
    status,
  });
  return [
    vector("as it should be", "SB-1 SB-2", {}, "ok"),
    vector("a region that is larger than it says", "SB-2", { "0x010": 60 }, "ok"),
    vector("a magic that is off in its low word", "SB-2", { "0x000": 0x474e4953 }, "violation"),
    vector("a magic that is off in its high word", "SB-2", { "0x004": 0x31594158 }, "violation"),
    vector("no magic at all", "SB-2", { "0x000": 0, "0x004": 0 }, "violation"),
    vector(
      "a magic in the other byte order",
      "SB-1 SB-2",
      { "0x000": 0x52494e47, "0x004": 0x57415931 },
      "violation",
    ),
    vector("more pages than there are", "SB-2", { "0x010": 65 }, "violation"),
    vector("2^32 - 1 pages", "SB-2 LIM-1", { "0x010": 0xffff_ffff }, "violation"),
    vector("no pages", "SB-2 TRU-6", { "0x010": 0 }, "violation"),
    vector("fewer pages than its own places need", "TRU-6", { "0x010": 8 }, "violation"),
    vector("major version 2", "VER-1", { "0x008": 2 }, "violation"),
    vector("major version 0", "VER-1", { "0x008": 0 }, "violation"),
    vector("a newer minor version", "VER-2", { "0x00c": 9 }, "ok"),
    vector("features that nobody knows", "VER-3", { "0x014": 0x8000_0001 }, "ok"),
    vector("doorbells on the superblock", "TRU-6", { "0x018": 0 }, "violation"),
    vector("doorbells past the region", "TRU-6", { "0x018": 64 }, "violation"),
    vector("doorbells that end past the region", "TRU-6", { "0x018": 61 }, "violation"),
    vector("doorbells whose page wraps around", "TRU-6", { "0x018": 0xffff_fffe }, "violation"),
    vector("doorbells on the last four pages", "REG-2 TRU-6", { "0x018": 60 }, "ok"),
    vector("a control pipe on the superblock", "TRU-6", { "0x01c": 0 }, "violation"),
    vector("a control pipe past the region", "TRU-6", { "0x01c": 64 }, "violation"),
    vector("a control pipe whose page wraps around", "TRU-6", { "0x01c": 0xffff_fff8 }, "violation"),
    vector("a control pipe on the last pages", "REG-2 TRU-6", { "0x01c": 57 }, "ok"),
    vector("a control pipe that ends a page past the region", "TRU-6", { "0x01c": 58 }, "violation"),
    vector("a control ring of no bytes", "PIPE-3", { "0x020": 0 }, "violation"),
    vector("a control ring below 4096 bytes", "PIPE-3 LIM-1", { "0x024": 2048 }, "violation"),
    vector("a control ring that is no power of two", "PIPE-3", { "0x020": 12288 }, "violation"),
    vector("a control ring of 32 MiB", "PIPE-3 LIM-1", { "0x024": 33_554_432 }, "violation"),
    vector("a control ring of 2^31 bytes", "PIPE-3 LIM-1", { "0x020": 0x8000_0000 }, "violation"),
    vector("control rings of other capacities", "PIPE-3", { "0x020": 4096, "0x024": 65536 }, "ok"),
    vector("a largest stream id above the bound", "SB-1 LIM-1", { "0x028": 0xffff_ffff }, "ok"),
  ];
}

function attachVectors(): AttachVector[] {
  const vector = (
    name: string,
    clauses: string,
    words: Record<string, number>,
    rest: Partial<AttachVector> = {},
  ): AttachVector => ({
    name,
    clauses: clauses.split(" "),
    kind: "attach",
    words,
    ...rest,
  });
  const answer = (
    name: string,
    clauses: string,
    words: Record<string, number | "request">,
    status: string,
  ): AttachVector => vector(name, clauses, {}, { answer: words, status });
  return [
    vector("the first attach of all", "ATT-2", { "0x088": 0, "0x100": 0 }),
    vector("after others, all answered", "ATT-2", { "0x088": 41, "0x100": 41 }),
    vector("after one that was not answered", "ATT-2", { "0x088": 41, "0x100": 42 }),
    vector("a reply ahead of the request", "ATT-2", { "0x088": 42, "0x100": 41 }),
    vector("at the wrap: 0 is skipped", "ATT-2", { "0x088": 0xffff_ffff, "0x100": 0xffff_ffff }),
    vector("at the wrap: the request is the last number", "ATT-2", { "0x088": 5, "0x100": 0xffff_ffff }),
    vector("at the wrap: 0 and 1 are both taken", "ATT-2", { "0x088": 0xffff_ffff, "0x100": 1 }),
    vector("at the wrap: 1 is the reply", "ATT-2", { "0x088": 1, "0x100": 0xffff_ffff }),
    vector("at the wrap: the value after the request is the reply", "ATT-2", { "0x088": 1, "0x100": 0 }),
    vector("the value after the request is the reply", "ATT-2", { "0x088": 42, "0x100": 41, "0x104": 1 }),
    vector("words of a guest before", "ATT-2", { "0x104": 2, "0x108": 0, "0x200": 77 }),
    answer("answered, READY", "ATT-4 SB-4", { "0x084": 1, "0x088": "request" }, "attached"),
    answer("answered, DRAINING", "ATT-4 SB-4", { "0x084": 3, "0x088": "request" }, "attached"),
    answer("answered, FAILED", "ATT-4 ERR-4", { "0x084": 4, "0x08c": 7, "0x088": "request" }, "failed"),
    answer(
      "READY, but the answer is to another request",
      "ATT-4",
      { "0x084": 1, "0x088": 0x7777_7777 },
      "waiting",
    ),
    answer("RESETTING, no answer", "ATT-1 ATT-4", { "0x084": 2, "0x088": 0 }, "waiting"),
    vector(
      "answered, with a host state that cannot be",
      "SB-4",
      {},
      {
        answer: { "0x084": 5, "0x088": "request" },
        violation: "SUPERBLOCK",
      },
    ),
  ];
}

function helloVectors(): MessageVector[] {
  const words = (...each: number[]): string => each.map((word) => toHex(le32(word))).join(" ");
  const magic = [0x474e4952, 0x31594157] as const;
  const hello = (
    name: string,
    clauses: string,
    payload: string,
    rest: Partial<MessageVector>,
  ): MessageVector => ({
    name: `Hello: ${name}`,
    clauses: clauses.split(" "),
    kind: "message",
    message: "Hello",
    from: "host",
    payload,
    ...rest,
  });
  const violation = "SUPERBLOCK";
  return [
    hello("a guest is taken", "HEL-1 HEL-2", words(...magic, 1, 0, 0, 65536, 0, 0), {
      fields: { errno: 0, regionPages: 65536 },
    }),
    hello("a guest is turned away", "HEL-1 HEL-2", words(...magic, 1, 0, 24, 0, 0, 0), {
      fields: { errno: 24, regionPages: 0 },
    }),
    hello("a newer minor version", "HEL-3 VER-2", words(...magic, 1, 9, 0, 64, 0, 0), {
      fields: { errno: 0, regionPages: 64 },
    }),
    hello("another major version", "HEL-3 VER-1", words(...magic, 2, 0, 0, 64, 0, 0), { violation }),
    hello("another magic", "HEL-3", words(magic[0], magic[1] + 1, 1, 0, 0, 64, 0, 0), { violation }),
    hello("28 bytes", "HEL-1", words(...magic, 1, 0, 0, 64, 0), { violation }),
    hello("36 bytes", "HEL-1", words(...magic, 1, 0, 0, 64, 0, 0, 0), { violation }),
    hello("nothing", "HEL-1", "", { violation }),
  ];
}

// ── Rings and doorbells ─────────────────────────────────────────────────────────────────────────────────────────────

function ringVectors(): RingVector[] {
  type Rest = Partial<Omit<RingVector, "name" | "clauses" | "kind">>;
  const vector = (name: string, clauses: string, rest: Rest): RingVector => ({
    name,
    clauses: clauses.split(" "),
    kind: "ring",
    toHost: 4096,
    toGuest: 4096,
    start: 0,
    words: {},
    do: {},
    reply: {},
    after: {},
    ...rest,
  });
  const ok = { status: "ok" } as const;
  const hex = (...bytes: number[]): string => toHex(bytes);
  return [
    vector("recv: what was written", "RING-3", {
      words: { "0x100": 3 },
      data: [[0, hex(1, 2, 3)]],
      do: { recv: 100 },
      reply: { ...ok, data: hex(1, 2, 3) },
      after: { "0x180": 3 },
    }),
    vector("recv: less than what was written", "RING-3", {
      words: { "0x100": 3 },
      data: [[0, hex(1, 2, 3)]],
      do: { recv: 2 },
      reply: { ...ok, data: hex(1, 2) },
      after: { "0x180": 2 },
    }),
    vector("recv: nothing there", "RING-5 RING-9", {
      words: { "0x100": 0 },
      do: { recv: 100 },
      reply: { status: "again" },
      after: { "0x180": 0, "0x188": 1 },
    }),
    vector("recv: a full ring, all of it usable", "RING-5", {
      words: { "0x100": 4096 },
      data: [[0, "07*4096"]],
      do: { recv: 65536 },
      reply: { ...ok, data: "07*4096" },
      after: { "0x180": 4096 },
    }),
    vector("recv: around the end of the data area", "RING-3", {
      start: 4094,
      words: { "0x100": 4098 },
      data: [
        [4094, hex(1, 2)],
        [0, hex(3, 4)],
      ],
      do: { recv: 100 },
      reply: { ...ok, data: hex(1, 2, 3, 4) },
      after: { "0x180": 4098 },
    }),
    vector("recv: around 2^32", "RING-3 RING-4", {
      start: 0xffff_fffe,
      words: { "0x100": 2 },
      data: [
        [4094, hex(1, 2)],
        [0, hex(3, 4)],
      ],
      do: { recv: 100 },
      reply: { ...ok, data: hex(1, 2, 3, 4) },
      after: { "0x180": 2 },
    }),
    vector("recv: a full ring around 2^32", "RING-4 RING-5", {
      start: 0xffff_f800,
      words: { "0x100": 0x800 },
      data: [[0, "09*4096"]],
      do: { recv: 65536 },
      reply: { ...ok, data: "09*4096" },
      after: { "0x180": 0x800 },
    }),
    vector("recv: the tail, END is set", "RING-6", {
      words: { "0x100": 2, "0x104": 1 },
      data: [[0, hex(8, 9)]],
      do: { recv: 100 },
      reply: { ...ok, data: hex(8, 9) },
      after: { "0x180": 2 },
    }),
    vector("recv: END and nothing left", "RING-6", {
      words: { "0x100": 0, "0x104": 1 },
      do: { recv: 100 },
      reply: { status: "end" },
      after: { "0x180": 0 },
    }),
    vector("recv: RESET and nothing left", "RING-8", {
      words: { "0x100": 0, "0x104": 2 },
      do: { recv: 100 },
      reply: { status: "reset" },
      after: { "0x180": 0 },
    }),
    vector("recv: a position one past the furthest", "RING-4", {
      words: { "0x100": 4097 },
      do: { recv: 100 },
      violation: "RING_POSITION",
      after: { "0x180": 0 },
    }),
    vector("recv: a position before the last", "RING-4", {
      start: 100,
      words: { "0x100": 99 },
      do: { recv: 100 },
      violation: "RING_POSITION",
      after: { "0x180": 100 },
    }),
    vector("recv: a position before the last, across 2^32", "RING-4", {
      words: { "0x100": 0xffff_ffff },
      do: { recv: 100 },
      violation: "RING_POSITION",
      after: { "0x180": 0 },
    }),
    vector("recv: a closed word of 3", "RING-10", {
      words: { "0x104": 3 },
      do: { recv: 100 },
      violation: "RING_FLAG",
      after: {},
    }),
    vector("send: into an empty ring", "RING-3", {
      do: { send: hex(1, 2, 3) },
      reply: { ...ok, bytes: 3 },
      after: { "0x000": 3 },
      found: [[0, hex(1, 2, 3)]],
    }),
    vector("send: all that fits", "RING-5", {
      do: { send: "05*5000" },
      reply: { ...ok, bytes: 4096 },
      after: { "0x000": 4096 },
      found: [[0, "05*4096"]],
    }),
    vector("send: around the end of the data area", "RING-3", {
      start: 4094,
      do: { send: hex(1, 2, 3, 4) },
      reply: { ...ok, bytes: 4 },
      after: { "0x000": 4098 },
      found: [
        [4094, hex(1, 2)],
        [0, hex(3, 4)],
      ],
    }),
    vector("send: around 2^32", "RING-3 RING-4", {
      start: 0xffff_fffe,
      do: { send: hex(1, 2, 3, 4) },
      reply: { ...ok, bytes: 4 },
      after: { "0x000": 2 },
      found: [
        [4094, hex(1, 2)],
        [0, hex(3, 4)],
      ],
    }),
    vector("send: a full ring around 2^32", "RING-4 RING-5", {
      start: 0xffff_f801,
      do: { send: "06*5000" },
      reply: { ...ok, bytes: 4096 },
      after: { "0x000": 0x801 },
      found: [[0, "06*4096"]],
    }),
    vector("send: the host reads no more", "RING-7", {
      words: { "0x084": 1 },
      do: { send: hex(1) },
      reply: { status: "closed" },
      after: { "0x000": 0 },
    }),
    vector("send: the stream broke", "RING-7 RING-8", {
      words: { "0x084": 1, "0x104": 2 },
      do: { send: hex(1) },
      reply: { status: "reset" },
      after: { "0x000": 0 },
    }),
    vector("send: a read position past what was written", "RING-4", {
      start: 50,
      words: { "0x080": 51 },
      do: { send: hex(1) },
      violation: "RING_POSITION",
      after: { "0x000": 50 },
    }),
    vector("send: a read position before the last", "RING-4", {
      start: 50,
      words: { "0x080": 49 },
      do: { send: hex(1) },
      violation: "RING_POSITION",
      after: { "0x000": 50 },
    }),
    vector("send: a consumer's closed word of 2", "RING-10", {
      words: { "0x084": 2 },
      do: { send: hex(1) },
      violation: "RING_FLAG",
      after: { "0x000": 0 },
    }),
    vector("other capacities: the data to the guest lies behind that to the host", "PIPE-1 PIPE-3", {
      toHost: 16384,
      toGuest: 8192,
      start: 8190,
      words: { "0x100": 8194 },
      data: [
        [8190, hex(1, 2)],
        [0, hex(3, 4)],
      ],
      do: { recv: 100 },
      reply: { ...ok, data: hex(1, 2, 3, 4) },
      after: { "0x180": 8194 },
    }),
    vector("the smallest and the largest ring", "PIPE-3 LIM-1", {
      toHost: 16_777_216,
      toGuest: 4096,
      do: { send: hex(1, 2) },
      reply: { ...ok, bytes: 2 },
      after: { "0x000": 2 },
      found: [[0, hex(1, 2)]],
    }),
  ];
}

function bellVectors(): BellVector[] {
  return [1, 31, 32, 33, 63, 1023, 1024, 1025, 2047, 2048, 16_384, 31_743, 32_736, 32_767].map((id) => {
    const leaf = Math.floor(id / 32);
    const middle = Math.floor(leaf / 32);
    const at = (offset: number): string => `0x${offset.toString(16).padStart(4, "0")}`;
    return {
      name: `stream ${id}: leaf word ${leaf} bit ${id % 32}, middle word ${middle} bit ${leaf % 32}, top bit ${middle}`,
      clauses: ["BELL-1", "BELL-2", "BELL-3", "BELL-4"],
      kind: "bell",
      id,
      words: {
        [at(0x80)]: 2 ** middle,
        [at(0x100 + 4 * middle)]: 2 ** (leaf % 32),
        [at(0x1000 + 4 * leaf)]: 2 ** (id % 32),
      },
    };
  });
}

// ── Files ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const of = (...names: string[]): Vector[] => names.flatMap((name) => messageVectors(name, SHAPES[name]!));

/** What each file holds, as text: one vector on a line. */
export function generate(): Map<string, string> {
  shown.clear();
  const files: Record<string, readonly Vector[]> = {
    "superblock.json": superblockVectors(),
    "attach.json": attachVectors(),
    "hello.json": helloVectors(),
    "ring.json": ringVectors(),
    "bell.json": bellVectors(),
    "frames.json": frameVectors(),
    "common.json": of("Error", "Done", "StatReply"),
    "control.json": of(
      "NewStream",
      "StreamInfo",
      "GetArgs",
      "Args",
      "Log",
      "Exit",
      "Ping",
      "Pong",
      "Explain",
      "Verdict",
    ),
    "stream.json": of("Open", "Opened", "Refused"),
    "tcp.json": of("ConnectRequest", "ConnectReply", "ListenRequest", "ListenReply", "Accept", "Incoming"),
    "file.json": of(
      ...[
        "FileOpen",
        "FileOpened",
        "Read",
        "Data",
        "Write",
        "Written",
        "ReadAt",
        "WriteAt",
        "Seek",
        "Position",
      ],
      ...["FileStat", "Truncate", "Sync", "Close"],
    ),
    "file-stream.json": of("FileStreamOpen", "FileStreamOpened", "WriteDone", "WriteFailed"),
    "fs.json": of(
      ...["Stat", "Lstat", "ReadDir", "Entries", "Mkdir", "Unlink", "Rmdir", "Rename", "Symlink", "Readlink"],
      ...["Target", "Chmod", "Utimes", "Statfs", "StatfsReply"],
    ),
  };
  return new Map(
    Object.entries(files).map(([file, vectors]) => [
      file,
      `[\n${vectors.map((each) => JSON.stringify(each)).join(",\n")}\n]\n`,
    ]),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = new URL("../../packages/conformance/vectors/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  for (const [file, contents] of generate()) writeFileSync(new URL(file, folder), contents);
}
