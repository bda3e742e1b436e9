// The table of errors in docs/guest.md has every code that the SDK itself fails with, and none that nobody has.

import { readdirSync, readFileSync } from "node:fs";
import { Errno } from "@ringway/linux";
import { expect, test } from "vitest";

const root = new URL("../../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");

const sdk = readdirSync(new URL("packages/guest/src", root), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => read(`packages/guest/src/${path}`))
  .join("\n");
/** Where others make errors that calls of the SDK fail with. */
const others = ["linux/src/argument-errors.ts", "linux/src/memory.ts", "control/src/errors.ts"].map((path) =>
  read(`packages/${path}`),
);
const found = (text: string, what: RegExp): string[] => [...text.matchAll(what)].map(([, code]) => code!);
/** Of codes that are put together, how they begin. */
const OWN = /["`](ERR_[A-Z_]+|ABORT_ERR|ENOTFOUND|EAI_[A-Z]+)(?=["`$])/g;
const inSources = new Set([
  ...found(sdk, /\bErrno\.(E[A-Z0-9]+)/g),
  ...[sdk, ...others].flatMap((text) => found(text, OWN)),
]);

const [, table] = /^\| code \| what it means \| what to do \|\n\|[-|]+\|\n((?:\|.*\|\n)+)/m.exec(
  read("docs/guest.md"),
)!;
const rows = table!
  .trim()
  .split("\n")
  .map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
const inTable = new Set(rows.flatMap(([codes]) => found(codes!, /\b(E[A-Z0-9_]+|ABORT_ERR)/g)));

test("every code of the SDK's sources is in the table, and says what it means and what to do", () => {
  expect(inSources.size).toBeGreaterThan(40);
  expect([...inSources].filter((code) => !inTable.has(code))).toEqual([]);
  for (const [codes, means, toDo] of rows)
    expect([codes, means !== "" && toDo !== ""]).toEqual([codes, true]);
});

test("every code of the table is one of theirs, or an errno that a host may tell", () => {
  expect([...inTable].filter((code) => !inSources.has(code) && !(code in Errno))).toEqual([]);
});
