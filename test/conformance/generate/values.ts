// Values that fields may have: usual ones, the smallest and the largest.

import type { Fields, Type, Value } from "../../../packages/conformance/src/catalogue.ts";

const MAX = Number.MAX_SAFE_INTEGER;

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

/** Different for each name: with it no two fields of a type can be swapped unseen. */
const mark = (name: string): number => [...name].reduce((sum, each) => sum * 3 + each.charCodeAt(0), 0) % 251;

/** Addresses of messages that have more than one. */
const INETS: Readonly<Record<string, number>> = { local: 1, source: 2, interface: 3 };

/** `within`: the struct that the field is one of, where that is a field too. */
export function values(type: Type, name: string, within = ""): readonly [Value, Value, Value] {
  const named = NAMED[name];
  if (named !== undefined && type.kind !== "bool") return named;
  switch (type.kind) {
    case "u32":
      return [0x01020300 + mark(within + name), 0, 0xffff_ffff];
    case "bool":
      return [true, false, true];
    case "u64":
      return [0x1_0203_0400 + mark(within + name), 0, MAX];
    case "i64":
      return [-5_000_000_000 - mark(within + name), -MAX, MAX];
    case "rest":
      return ["0100ff", "", "00".repeat(40)];
    case "text":
      return [
        name === "" || name === "path" ? "/tmp/aé€😀" : `/tmp/aé€😀 ${name}`,
        type.max > 4000 ? "" : "n",
        `/${"é".repeat(Math.floor(Math.min(type.max, 255) / 2))}`,
      ];
    case "bytes":
      return [
        name === "path" ? "6e2fc328ff00" : `6e2fc328ff00${Buffer.from(name).toString("hex")}`,
        "",
        "ff".repeat(Math.min(type.max, 300)),
      ];
    case "inet": {
      const other = INETS[name] ?? 0;
      return [
        { family: 4, port: 80 + other, address: `7f00000${1 + other}` },
        { family: 4, port: 0, address: "00000000" },
        { family: 6, port: 65535, address: "20010db8000000000000000000000001" },
      ];
    }
    case "list": {
      const [usual, , largest] = values(type.of, "");
      return [[usual, largest], [], [largest]];
    }
    case "struct": {
      const of = Object.entries(type.fields).map(
        ([field, each]) => [field, values(each, field, name)] as const,
      );
      const pick = (i: 0 | 1 | 2): Fields =>
        Object.fromEntries(of.map(([field, three]) => [field, three[i]]));
      return [pick(0), pick(1), pick(2)];
    }
  }
}
