// What fields may not have: bytes that are no value, and values that no bytes can carry.

import {
  encodeValue,
  type Layout,
  le32,
  le64,
  type Type,
  type Value,
} from "../../../packages/conformance/src/catalogue.ts";
import { values } from "./values.ts";

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
    case "bytes":
      return [
        [`${type.max + 1} bytes`, text(new Array<number>(type.max + 1).fill(0x61))],
        ["bytes that say they are 2^32 - 1", le32(0xffff_ffff)],
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

/** Is this the first time that something is shown? For what would be long if each message showed it. */
export function isFirst(what: string): boolean {
  if (shown.has(what)) return false;
  shown.add(what);
  return true;
}

/** Begins anew: no message has shown anything. */
export function forgetShown(): void {
  shown.clear();
}

export function malformedStruct(fields: Layout): (readonly [string, readonly number[]])[] {
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
export function unencodable(type: Type): readonly Value[] {
  switch (type.kind) {
    case "text":
      return ["x".repeat(type.max + 1), "a\0b"];
    case "bytes":
      return ["61".repeat(type.max + 1)];
    case "u64":
      return [2 ** 53];
    case "i64":
      return [2 ** 53];
    default:
      return [];
  }
}
