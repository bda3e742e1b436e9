// The report: one line for each clause, and what went wrong.

import type { Check } from "./world.ts";

export interface ClauseResult {
  readonly clause: string;
  readonly passed: number;
  readonly failed: number;
  readonly unsupported: number;
}

export interface Report {
  readonly testee: string;
  readonly checks: number;
  readonly passed: number;
  readonly failed: number;
  readonly unsupported: number;
  readonly clauses: readonly ClauseResult[];
  readonly failures: readonly Check[];
  readonly missing: readonly Check[];
}

/** Sections of PROTOCOL.md in order, by the clauses' prefix. */
const SECTIONS: readonly (readonly [prefix: string, title: string])[] = [
  ["REG", "4 Memory: the region"],
  ["SB", "4 Memory: the superblock"],
  ["PIPE", "4 Memory: pipe blocks"],
  ["RING", "5 Rings"],
  ["BELL", "6 Doorbells"],
  ["FRM", "7 Frames"],
  ["MSG", "8 Common messages"],
  ["CTL", "9 The control pipe"],
  ["STR", "10 Streams"],
  ["TCP", "11 tcp-connect"],
  ["LSN", "12 tcp-listen"],
  ["FILE", "13 file"],
  ["FST", "14 file-stream"],
  ["FS", "15 fs"],
  ["ATT", "16 Attach, epochs, crash and restart"],
  ["HEL", "17 The attach socket"],
  ["VER", "18 Versions and features"],
  ["ERR", "19 Errors and violations"],
  ["LIM", "20 Limits"],
  ["TRU", "21 Trust"],
  ["CON", "22 Conformance"],
];

function rank(clause: string): number {
  const [prefix, number] = clause.split("-");
  return SECTIONS.findIndex(([each]) => each === prefix) * 1000 + Number(number);
}

export function makeReport(testee: string, checks: readonly Check[]): Report {
  const count = (of: readonly Check[], outcome: Check["outcome"]): number =>
    of.filter((check) => check.outcome === outcome).length;
  const clauses = [...new Set(checks.map(({ clause }) => clause))].sort((a, b) => rank(a) - rank(b));
  return {
    testee,
    checks: checks.length,
    passed: count(checks, "passed"),
    failed: count(checks, "failed"),
    unsupported: count(checks, "unsupported"),
    clauses: clauses.map((clause) => {
      const of = checks.filter((check) => check.clause === clause);
      return {
        clause,
        passed: count(of, "passed"),
        failed: count(of, "failed"),
        unsupported: count(of, "unsupported"),
      };
    }),
    failures: checks.filter(({ outcome }) => outcome === "failed"),
    missing: checks.filter(({ outcome }) => outcome === "unsupported"),
  };
}

const MOST_LINES = 50;

export function formatReport(report: Report): string {
  const lines: string[] = [`Testee: ${report.testee}`, ""];
  for (const [prefix, title] of SECTIONS) {
    const of = report.clauses.filter(({ clause }) => clause.startsWith(`${prefix}-`));
    if (of.length === 0) continue;
    lines.push(title);
    for (const { clause, passed, failed, unsupported } of of) {
      const verdict = failed > 0 ? "FAILED" : passed > 0 ? "passed" : "unsupported";
      const parts = [`${passed} passed`];
      if (failed > 0) parts.push(`${failed} failed`);
      if (unsupported > 0) parts.push(`${unsupported} unsupported`);
      lines.push(`  ${clause.padEnd(8)} ${verdict.padEnd(12)} ${parts.join(", ")}`);
    }
  }
  if (report.failures.length > 0) lines.push("", "Failures:", ...listed(report.failures));
  if (report.missing.length > 0) lines.push("", "Unsupported:", ...listed(report.missing));
  const { passed, failed, unsupported } = report;
  lines.push(
    "",
    `${report.clauses.length} clauses, ${report.checks} checks: ${passed} passed, ${failed} ` +
      `failed, ${unsupported} unsupported`,
  );
  return lines.join("\n");
}

function listed(checks: readonly Check[]): string[] {
  const lines = checks
    .slice(0, MOST_LINES)
    .map(({ clause, case: name, why }) => `  ${clause}  ${name}: ${why ?? ""}`);
  const left = checks.length - lines.length;
  return left > 0 ? [...lines, `  and ${left} more: see --json`] : lines;
}
