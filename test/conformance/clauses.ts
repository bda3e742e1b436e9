// The clauses of PROTOCOL.md, what covers each, and what cannot be tested.

import { readFileSync } from "node:fs";
import { guestCases } from "../../packages/conformance/src/suite.ts";
import { monitorCases } from "./monitor/index.ts";

const root = new URL("../../", import.meta.url);

/** Every numbered clause, in order: those that stand as **XXX-n** where a clause is stated. */
export function protocolClauses(): string[] {
  const text = readFileSync(new URL("PROTOCOL.md", root), "utf8");
  return [...text.matchAll(/^- \*\*([A-Z]+-\d+)\*\*/gm)].map((match) => match[1]!);
}

/** The numbers of PROTOCOL.md's sections, as its headings have them: "4", "4.1". */
export function protocolSections(): Set<string> {
  const text = readFileSync(new URL("PROTOCOL.md", root), "utf8");
  return new Set([...text.matchAll(/^##+ (\d+(?:\.\d+)?)\.? /gm)].map((match) => match[1]!));
}

/** How many cases each clause has. */
export function coverage(): Map<string, number> {
  const cases = new Map<string, number>();
  for (const { clauses } of [...guestCases(), ...monitorCases()]) {
    for (const clause of new Set(clauses)) cases.set(clause, (cases.get(clause) ?? 0) + 1);
  }
  return cases;
}

/** Clauses that no test from outside can show, each with the reason. */
export function notTestable(): Record<string, string> {
  return JSON.parse(readFileSync(new URL("not-testable.json", import.meta.url), "utf8")) as Record<
    string,
    string
  >;
}
