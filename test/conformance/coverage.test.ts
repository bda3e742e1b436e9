// Keeps the list honest: every clause is covered or said to be not testable, and every clause that is cited exists.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { SECTIONS, UNSEEN } from "../../packages/conformance/src/clauses.ts";
import { scenarios } from "../../packages/conformance/src/scenarios/index.ts";
import { guestCases } from "../../packages/conformance/src/suite.ts";
import { loadVectors } from "../../packages/conformance/src/vectors.ts";
import { coverage, notTestable, protocolClauses, protocolSections } from "./clauses.ts";
import { generate } from "./generate.ts";
import { messageTable } from "./message-table.ts";
import { monitorCases } from "./monitor/index.ts";

const root = new URL("../../", import.meta.url);
const clauses = protocolClauses();
const covered = coverage();

/** Source files under a folder. */
function sources(folder: string): string[] {
  return readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.(ts|c|h|json|md)$/.test(file) && !file.includes("node_modules"))
    .map((file) => `${folder}/${file}`);
}

describe("the clauses of PROTOCOL.md", () => {
  test("are numbered once each, without a gap", () => {
    expect(clauses.length).toBeGreaterThan(100);
    expect(new Set(clauses).size).toBe(clauses.length);
    const next = new Map<string, number>();
    for (const clause of clauses) {
      const [prefix, number] = clause.split("-") as [string, string];
      expect(clause).toBe(`${prefix}-${(next.get(prefix) ?? 0) + 1}`);
      next.set(prefix, Number(number));
    }
  });

  test("are each covered by a vector or a scenario, or listed as not testable", () => {
    const reasons = notTestable();
    expect(clauses.filter((clause) => !covered.has(clause) && !(clause in reasons))).toEqual([]);
  });

  test("that are listed as not testable exist, are not covered all the same, and have a reason", () => {
    for (const [clause, reason] of Object.entries(notTestable())) {
      expect([clause, clauses.includes(clause)]).toEqual([clause, true]);
      expect([clause, covered.get(clause) ?? 0]).toEqual([clause, 0]);
      expect(reason.length, clause).toBeGreaterThan(20);
    }
  });

  test("are all that vectors and scenarios name", () => {
    expect([...covered.keys()].filter((clause) => !clauses.includes(clause))).toEqual([]);
  });

  test("stand in the sections that a report names", () => {
    const text = readFileSync(new URL("PROTOCOL.md", root), "utf8");
    const found = text.split(/^## /m).flatMap((section) => {
      const [, number, title] = /^(\d+)\. (.*)\n/.exec(section) ?? [];
      const prefixes = [...section.matchAll(/^- \*\*([A-Z]+)-\d+\*\*/gm)].map(([, prefix]) => prefix!);
      return [...new Set(prefixes)].map((prefix) => [prefix, `${number} ${title}`]);
    });
    expect(SECTIONS.map(([prefix, title]) => [prefix, title.split(":")[0]])).toEqual(found);
  });

  test("of which a part is said to be unseen are checked in a guest, in order, each with what that is", () => {
    const checked = new Set(guestCases().flatMap((each) => each.clauses));
    const unseen = Object.keys(UNSEEN);
    expect(unseen.filter((clause) => !checked.has(clause) || clause in notTestable())).toEqual([]);
    expect(unseen).toEqual(clauses.filter((clause) => clause in UNSEEN));
  });

  test("are all that the code cites", () => {
    const prefixes = [...new Set(clauses.map((clause) => clause.split("-")[0]))].join("|");
    // FILE-00002 is a file.
    const cited = new RegExp(`\\b(?:${prefixes})-[1-9]\\d*\\b`, "g");
    const folders = [
      "packages/control/src",
      "packages/linux/src",
      "packages/monitor/src",
      "packages/guest/src",
    ];
    const unknown: string[] = [];
    for (const file of [
      ...folders,
      "packages/cli/src",
      "packages/conformance/src",
      "native/lib",
      "native/posix",
      "native/tools",
      "docs",
    ].flatMap(sources)) {
      for (const [clause] of readFileSync(new URL(file, root), "utf8").matchAll(cited)) {
        if (!clauses.includes(clause)) unknown.push(`${file}: ${clause}`);
      }
    }
    expect(unknown).toEqual([]);
  });
});

describe("the sections of PROTOCOL.md", () => {
  const sections = protocolSections();
  const numbers = /(?:PROTOCOL\.md,? )sections? ((?:\d+(?:\.\d+)*(?:, and |, | and | to )?)+)/g;

  /** "4.2, 9 to 11": 4, 9, 10, 11. */
  function inWhole(list: string): number[] {
    return [...list.matchAll(/(\d+)(?:\.\d+)*(?: to (\d+))?/g)].flatMap(([, from, to = from]) =>
      Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => Number(from) + i),
    );
  }

  test("are all that documents and comments name", () => {
    const unknown: string[] = [];
    for (const file of ["packages", "native", "docs", "test"].flatMap(sources)) {
      if (/^packages\/[^/]+\/(?:dist|lib)\//.test(file)) continue;
      for (const [, list] of readFileSync(new URL(file, root), "utf8").matchAll(numbers)) {
        for (const number of list!.match(/\d+(?:\.\d+)*/g)!)
          if (!sections.has(number)) unknown.push(`${file}: ${number}`);
      }
    }
    expect(unknown).toEqual([]);
  });

  test("of a C file are the same in docs/guest-in-c.md as at its head", () => {
    const table = readFileSync(new URL("docs/guest-in-c.md", root), "utf8").matchAll(
      /^\| (`\S+\.[ch]`.*) \| .* \| (\d.*) \|$/gm,
    );
    const rows = [...table].map(([, files, list]) => {
      const heads = [...files!.matchAll(/`(\S+)`/g)].map(([, file]) =>
        readFileSync(new URL(`native/${file}`, root), "utf8")
          .split("\n", 12)
          .join("\n"),
      );
      const named = heads.flatMap(
        (head) => /\bsections? ([\d., ]+(?:(?:to|and) [\d.]+)?)/.exec(head)?.[1] ?? [],
      );
      const ofHeads = [...new Set(named.flatMap(inWhole))].sort((a, b) => a - b);
      return { files, ofHeads, ofTable: inWhole(list!) };
    });
    expect(rows.length).toBeGreaterThan(5);
    for (const { files, ofHeads, ofTable } of rows)
      expect({ files, sections: ofTable }).toEqual({ files, sections: ofHeads });
  });
});

describe("docs/conformance.md", () => {
  test("names every message and its fields, as the catalogue has them", () => {
    const text = readFileSync(new URL("docs/conformance.md", root), "utf8");
    const table = /<!-- messages: .* -->\n([\s\S]*?)<!-- end of messages -->/.exec(text)?.[1];
    expect(table?.trim()).toBe(messageTable());
  });
});

describe("the vectors", () => {
  test("are what test/conformance/generate.ts writes", () => {
    const folder = new URL("packages/conformance/vectors/", root);
    const generated = generate();
    expect(readdirSync(folder).sort()).toEqual([...generated.keys()].sort());
    for (const [file, text] of generated) {
      expect(readFileSync(new URL(file, folder), "utf8") === text, `${file} is up to date`).toBe(true);
    }
  });

  test("have a name each, a clause at least, and one expectation", () => {
    for (const [file, vectors] of loadVectors()) {
      const names = vectors.map(({ name }) => name);
      expect([file, names.length - new Set(names).size]).toEqual([file, 0]);
      for (const vector of vectors) {
        expect(vector.clauses.length, vector.name).toBeGreaterThan(0);
        if (vector.kind !== "message") continue;
        const outcomes = [vector.violation, vector.invalid, vector.payload && vector.fields];
        expect(
          outcomes.filter((each) => each !== undefined && each !== "").length,
          vector.name,
        ).toBeLessThanOrEqual(1);
      }
    }
  });

  test("and the scenarios have names of their own", () => {
    const names = [...scenarios, ...monitorCases()].map(({ name }) => name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });
});
