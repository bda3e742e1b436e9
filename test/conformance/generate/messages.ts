// Vectors of one message: values that it may have, bytes that it may not have, fields that it cannot carry.

import { encodeFields, type Fields, type Shape } from "../../../packages/conformance/src/catalogue.ts";
import type { MessageVector } from "../../../packages/conformance/src/vectors.ts";
import { hexParts } from "./hex.ts";
import { isFirst, malformedStruct, unencodable } from "./malformed.ts";
import { values } from "./values.ts";

export function messageVectors(name: string, { from, clauses, fields }: Shape): MessageVector[] {
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
    if (type.kind === "bytes" && isFirst(`the most of ${type.max}`)) {
      valid(`${field} of ${type.max} bytes`, { ...usual, [field]: "78".repeat(type.max) }, "LIM-1");
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
    if (type.kind === "bytes" && !isFirst(`too much for ${type.max}`)) continue;
    for (const value of unencodable(type)) {
      const bytes = type.kind === "bytes" ? `${type.max + 1} bytes` : undefined;
      const text = typeof value === "string" && value.length > 10 ? `${value.length} bytes` : "NUL in it";
      const what = bytes ?? (typeof value === "string" ? text : `${value}`);
      add(`${field} cannot be sent with ${what}`, "FRM-5", {
        fields: { ...usual, [field]: value },
        invalid: true,
      });
    }
  }
  return made;
}
