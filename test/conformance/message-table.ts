// The table of messages in docs/conformance.md, from the suite's catalogue.
// `npx tsx test/conformance/message-table.ts` prints it.

import { argv } from "node:process";
import { pathToFileURL } from "node:url";
import {
  BODIES,
  type Layout,
  MESSAGES,
  type Shape,
  type Type,
} from "../../packages/conformance/src/catalogue.ts";

function typeName(type: Type): string {
  if (type.kind === "text" || type.kind === "bytes") return `${type.kind} ≤ ${type.max}`;
  if (type.kind === "list") return `list of ${typeName(type.of)}`;
  return type.kind === "struct" ? structName(type.fields) : type.kind;
}

function structName(fields: Layout): string {
  return "seconds" in fields ? "time" : `{${fieldNames(fields)}}`;
}

function fieldNames(fields: Layout): string {
  return Object.entries(fields)
    .map(([name, type]) => `${name} ${typeName(type)}`)
    .join(", ");
}

function row([name, { type, from, fields }]: [string, Shape]): string {
  const number = type === undefined ? "body" : `0x${type.toString(16).padStart(4, "0")}`;
  return `| ${name} | ${number} | ${from} | ${fieldNames(fields)} |`;
}

/** One row for each frame and each body of Open and Opened. */
export function messageTable(): string {
  const rows = [...Object.entries(MESSAGES), ...Object.entries(BODIES)].map(row);
  return ["| message | type | from | fields |", "|---|---|---|---|", ...rows].join("\n");
}

if (argv[1] !== undefined && import.meta.url === pathToFileURL(argv[1]).href) console.log(messageTable());
