// Every message and body, against the conformance suite's catalogue, which is written from PROTOCOL.md alone: its table
// of field types, and its naive encoder. The package must agree with it on bytes, both ways, and refuse every variant
// of them that is malformed. A message that the catalogue does not have fails the test.

import { readdirSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BODIES,
  encodeValue,
  type Layout,
  le32,
  le64,
  MESSAGES,
  type Type,
  type Value,
} from "../../conformance/src/catalogue.ts";
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

// ── Values of each type ────────────────────────────────────────────────────────────────────────────────────────────

type Bytes = readonly number[];
/** What is wrong, and the bytes. */
type Malformed = readonly (readonly [string, Bytes])[];

/** Of a type: values, and bytes that no field of it may have (with what follows cut off or not). */
interface Kind {
  readonly values: fc.Arbitrary<unknown>;
  readonly sample: unknown;
  readonly malformed: Malformed;
  /** Values that an encoder must refuse. */
  readonly unencodable: readonly unknown[];
}

/** The catalogue's values are JSON, with bytes in hex. */
function asJson(value: unknown): Value {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(asJson);
  if (typeof value !== "object") return value as Value;
  return Object.fromEntries(Object.entries(value!).map(([name, each]) => [name, asJson(each)]));
}

const bytesOf = (type: Type, value: unknown): number[] => encodeValue(type, asJson(value));

const utf8 = (text: string): number[] => [...new TextEncoder().encode(text)];
const counted = (bytes: Bytes): number[] => [...le32(bytes.length), ...bytes];
const MAX = Number.MAX_SAFE_INTEGER;

const u32: Kind = {
  values: fc.oneof(fc.constantFrom(0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1), fc.nat(2 ** 32 - 1)),
  sample: 0x01020304,
  malformed: [],
  unencodable: [-1, 2 ** 32, 1.5, Number.NaN],
};

const bool: Kind = {
  values: fc.boolean(),
  sample: true,
  malformed: [2, 3, 256, 2 ** 31, 2 ** 32 - 1].map((n) => [`bool ${n}`, le32(n)] as const),
  unencodable: [],
};

const u64: Kind = {
  values: fc.oneof(fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1, 2 ** 32, MAX), fc.maxSafeNat()),
  sample: 0x1_0203_0405,
  malformed: [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n].map(
    (n) => [`u64 ${n}`, le64(n)] as const,
  ),
  unencodable: [-1, 2 ** 53, 0.5, Number.NaN, Number.POSITIVE_INFINITY],
};

const i64: Kind = {
  values: fc
    .oneof(fc.constantFrom(0, -1, 2 ** 32, -(2 ** 32), -(2 ** 32) - 1, MAX, -MAX), fc.maxSafeInteger())
    .map((n) => n + 0),
  sample: -5_000_000_000,
  malformed: [2n ** 53n, -(2n ** 53n), -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n)].map(
    (n) => [`i64 ${n}`, le64(n)] as const,
  ),
  unencodable: [2 ** 53, -(2 ** 53), 0.5, Number.NaN],
};

/** Bytes that are no UTF-8. */
const notUtf8: Malformed = [
  ["a lone continuation", [0x80]],
  ["a cut off sequence", [0xe2, 0x82]],
  ["an overlong slash", [0xc0, 0xaf]],
  ["an overlong NUL", [0xc0, 0x80]],
  ["a surrogate", [0xed, 0xa0, 0x80]],
  ["beyond U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
  ["0xff", [0xff]],
];

function text(max: number): Kind {
  const characters = fc.string({ unit: "binary", maxLength: Math.min(60, Math.floor(max / 4)) });
  const tooLong = ["x".repeat(max + 1), "é".repeat(Math.floor(max / 2) + 1)] as const;
  return {
    values: fc.oneof(
      characters.map((value) => value.replaceAll("\0", "0")),
      fc.constant("x".repeat(max)),
      fc.constant("é".repeat(Math.floor(max / 2))),
      fc.constant(""),
    ),
    sample: "aé€😀",
    malformed: [
      [`a text of ${max + 1} bytes`, counted(utf8(tooLong[0]))],
      [`a text of ${max + 1} bytes of two each`, counted(utf8("é".repeat((max + 1) / 2 + 1)))],
      ["a text of 2^32 - 1 bytes", le32(2 ** 32 - 1)],
      ["a text of 2^31 bytes", le32(2 ** 31)],
      ["NUL in the middle", counted(utf8("a\0b"))],
      ["NUL at the end", counted(utf8("a\0"))],
      ...notUtf8.map(([what, raw]) => [what, counted(raw)] as const),
    ],
    unencodable: [...tooLong, "a\0b"],
  };
}

function blob(max: number): Kind {
  return {
    values: fc.oneof(
      // The largest is slow to compare: now and then is enough.
      { weight: 10, arbitrary: fc.uint8Array({ maxLength: Math.min(max, 60) }) },
      { weight: 1, arbitrary: fc.constant(new Uint8Array(max).fill(0x2f)) },
      { weight: 1, arbitrary: fc.constant(new Uint8Array(0)) },
    ),
    sample: Uint8Array.of(0, 0x2f, 0xc3, 0x28, 0xff),
    malformed: [
      [`${max + 1} bytes`, counted(new Array<number>(max + 1).fill(0))],
      ["2^32 - 1 bytes", le32(2 ** 32 - 1)],
      ["2^31 bytes", le32(2 ** 31)],
    ],
    unencodable: [new Uint8Array(max + 1)],
  };
}

const rest: Kind = {
  values: fc.uint8Array({ maxLength: 300 }),
  sample: Uint8Array.of(1, 0, 255),
  malformed: [],
  unencodable: [],
};

const inetBytes = (family: number, port: number, address: Bytes): number[] => [
  ...le32(family),
  ...le32(port),
  ...address,
];
const sixteen = (...head: number[]) => [...head, ...new Array<number>(16 - head.length).fill(0)];
const inet: Kind = {
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

function list(type: Type): Kind {
  const item = kindOf(type);
  return {
    values: fc.array(item.values, { maxLength: 5 }),
    sample: [item.sample, item.sample],
    malformed: [
      // 4097 empty items would fit a frame: only the count is wrong.
      ["a list of 4097 items", [...le32(4097), ...new Array<number>(4097 * 8).fill(0)]],
      ["a list of 2^32 - 1 items", le32(2 ** 32 - 1)],
      ["a list with fewer items than it says", [...le32(3), ...bytesOf(type, item.sample)]],
      ...item.malformed.map(([what, raw]) => [`an item with ${what}`, [...le32(1), ...raw]] as const),
    ],
    unencodable: [new Array(4097).fill(item.sample), ...item.unencodable.map((each) => [each])],
  };
}

function struct(layout: Layout): Kind {
  const fields = Object.entries(layout).map(([name, type]) => ({ name, type, kind: kindOf(type) }));
  const sample = Object.fromEntries(fields.map(({ name, kind }) => [name, kind.sample]));
  const samples = fields.map(({ type, kind }) => bytesOf(type, kind.sample));
  return {
    values: fc.record(Object.fromEntries(fields.map(({ name, kind }) => [name, kind.values]))),
    sample,
    malformed: fields.flatMap(({ name, kind }, i) =>
      kind.malformed.map(([what, raw]) => {
        const [before, after] = [samples.slice(0, i), samples.slice(i + 1)];
        return [`${name}: ${what}`, [...before.flat(), ...raw, ...after.flat()]] as const;
      }),
    ),
    unencodable: fields.flatMap(({ name, kind }) =>
      kind.unencodable.map((value) => ({ ...sample, [name]: value })),
    ),
  };
}

const PLAIN = { u32, bool, u64, i64, rest, inet } as const;

function kindOf(type: Type): Kind {
  switch (type.kind) {
    case "text":
      return text(type.max);
    case "bytes":
      return blob(type.max);
    case "list":
      return list(type.of);
    case "struct":
      return struct(type.fields);
    default:
      return PLAIN[type.kind];
  }
}

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
const TYPES = Object.entries(MESSAGES).map(([name, { type }]) => [name, type!] as const);
const protocol = readFileSync(new URL("../../../PROTOCOL.md", import.meta.url), "utf8");

describe("the catalogue", () => {
  test("of the package is the suite's, message for message and type for type", () => {
    const types = (entries: Iterable<readonly [string, number]>) => Object.fromEntries([...entries].sort());
    expect(types([...found.messages].map(([name, each]) => [name, each.type] as const))).toEqual(
      types(TYPES),
    );
    expect([...found.bodies.keys()].sort()).toEqual(Object.keys(BODIES).sort());
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
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(TYPES));
  });

  test("has each type number once", () => {
    const types = [...found.messages.values()].map((each) => each.type);
    expect(new Set(types).size).toBe(types.length);
  });

  test("has bit 15 in the types of the host's messages, and in no other", () => {
    for (const [name, { type }] of found.messages) {
      expect([name, (type & 0x8000) !== 0]).toEqual([name, MESSAGES[name]!.from === "host"]);
      expect(type).toBeLessThanOrEqual(0xffff);
    }
  });
});

const all = [
  ...Object.entries(MESSAGES).map(([name, { fields }]) => [name, found.messages.get(name)!, fields] as const),
  ...Object.entries(BODIES).map(([name, { fields }]) => [name, found.bodies.get(name)!, fields] as const),
];

function refused(codec: AnyBody, payload: readonly number[]): boolean {
  try {
    codec.decode(Uint8Array.from(payload));
    return false;
  } catch (error) {
    if (error instanceof ProtocolError && error.violation === Violation.FRAME_MALFORMED) return true;
    throw error;
  }
}

/** As expect() has it, which looks at bytes one by one, and here only where there is a difference. */
function expectEqual(actual: unknown, expected: unknown): void {
  // The clone has the usual prototypes, which the arbitraries' objects may lack.
  if (!isDeepStrictEqual(actual, structuredClone(expected))) expect(actual).toEqual(expected);
}

describe.each(all)("%s", (_, codec: AnyBody, fields) => {
  const kind = struct(fields);
  const encoded = (value: unknown): number[] => bytesOf({ kind: "struct", fields }, value);
  // Several texts of the greatest length do not fit one payload together.
  const fits = (value: unknown): boolean => encoded(value).length <= FRAME_PAYLOAD_MAX;
  const endsInRest = Object.values(fields).at(-1)?.kind === "rest";

  test("has the bytes that PROTOCOL.md says, and comes back from them", () => {
    fc.assert(
      fc.property(kind.values.filter(fits), (value) => {
        const bytes = encoded(value);
        expectEqual(codec.encode(value as Record<string, unknown>), Uint8Array.from(bytes));
        expectEqual(codec.decode(Uint8Array.from(bytes)), value);
      }),
      { numRuns: 60 },
    );
  });

  test("comes back from the middle of a larger buffer, as a copy", () => {
    const bytes = encoded(kind.sample);
    const large = new Uint8Array(bytes.length + 8).fill(0xaa);
    large.set(bytes, 3);
    const value = codec.decode(large.subarray(3, 3 + bytes.length));
    large.fill(0x55);
    expect(value).toEqual(kind.sample);
  });

  test("is refused when it is cut off anywhere", () => {
    const bytes = encoded(kind.sample);
    const restBytes = endsInRest ? 3 : 0;
    for (let length = 0; length < bytes.length; length++) {
      const whole = length >= bytes.length - restBytes && restBytes > 0;
      expect({ length, refused: refused(codec, bytes.slice(0, length)) }).toEqual({
        length,
        refused: !whole,
      });
    }
  });

  test("is refused with one byte too many", () => {
    const bytes = encoded(kind.sample);
    for (const extra of [0, 1, 255]) expect(refused(codec, [...bytes, extra])).toBe(!endsInRest);
  });

  test("is refused with a field out of its bounds", () => {
    for (const [what, payload] of kind.malformed)
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
          const payload = mutate ? encoded(kind.sample) : [...noise];
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
    for (const value of kind.unencodable) {
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
