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

export function values(type: Type, name: string): readonly [Value, Value, Value] {
  const named = NAMED[name];
  if (named !== undefined && type.kind !== "bool") return named;
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
    case "bytes":
      return ["6e2fc328ff00", "", "ff".repeat(Math.min(type.max, 300))];
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
