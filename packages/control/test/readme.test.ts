// README.md says which file is which section of PROTOCOL.md: it names all of both, and what it says is so.

import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

/** Title to clauses' prefixes. */
const sections: ReadonlyMap<string, readonly string[]> = new Map(
  read("../../PROTOCOL.md")
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const title = section.split("\n", 1)[0]!.replace(/^\d+\. /, "");
      const clauses = [...section.matchAll(/^- \*\*([A-Z]+)-\d+\*\*/gm)].map(([, prefix]) => prefix!);
      return [title, [...new Set(clauses)]];
    }),
);

const rows = [...read("README.md").matchAll(/^\| (.+?) \| ([A-Z, ]+) \| (.+) \|$/gm)].map(
  ([, title, prefixes, files]) => ({
    title: title!,
    prefixes: prefixes!.split(", "),
    files: [...files!.matchAll(/`([^`]+)`/g)].map(([, file]) => file!),
  }),
);

test("each row is a section of PROTOCOL.md, with the clauses that stand there", () => {
  for (const { title, prefixes } of rows) expect([title, sections.get(title)]).toEqual([title, prefixes]);
});

test("every section with clauses has a row, but those that no code can keep by itself", () => {
  const withClauses = [...sections].filter(([, prefixes]) => prefixes.length > 0).map(([title]) => title);
  const named = new Set([...rows.map(({ title }) => title), "Trust", "Conformance"]);
  expect(withClauses.filter((title) => !named.has(title))).toEqual([]);
});

test("every file has a row, but for those that the line below the table names", () => {
  const named = new Set([...rows.flatMap(({ files }) => files), "index.ts", "invariant.ts"]);
  const files = readdirSync(new URL("../src", import.meta.url), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("inspect/"))
    .sort();
  expect(files.filter((file) => !named.has(file))).toEqual([]);
  expect([...named].filter((file) => !files.includes(file))).toEqual([]);
});

test("each row's files cite its clauses", () => {
  for (const { title, prefixes, files } of rows) {
    const cited = files.map((file) => read(`src/${file}`)).join("");
    const missing = prefixes.filter((prefix) => !new RegExp(`\\b${prefix}-\\d`).test(cited));
    expect({ title, missing }).toEqual({ title, missing: [] });
  }
});
