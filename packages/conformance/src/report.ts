// The report: one line for each clause, then what the testee lacks, then what went wrong, each reason once.

import { rank, SECTIONS, UNSEEN } from "./clauses.ts";
import type { Check } from "./world.ts";

/** "partly": what can be seen step by step passed, and the clause asks for more than that. */
export type Verdict = "passed" | "partly" | "failed" | "unsupported";

export interface ClauseResult {
  readonly clause: string;
  readonly verdict: Verdict;
  /** Of "partly": what no check has seen. */
  readonly unseen?: string;
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

export function makeReport(testee: string, checks: readonly Check[]): Report {
  const clauses = [...new Set(checks.map(({ clause }) => clause))].sort((a, b) => rank(a) - rank(b));
  return {
    testee,
    checks: checks.length,
    passed: count(checks, "passed"),
    failed: count(checks, "failed"),
    unsupported: count(checks, "unsupported"),
    clauses: clauses.map((clause) => clauseResult(clause, checks)),
    failures: checks.filter(({ outcome }) => outcome === "failed"),
    missing: checks.filter(({ outcome }) => outcome === "unsupported"),
  };
}

function count(of: readonly Check[], outcome: Check["outcome"]): number {
  return of.filter((check) => check.outcome === outcome).length;
}

function clauseResult(clause: string, checks: readonly Check[]): ClauseResult {
  const of = checks.filter((check) => check.clause === clause);
  const passed = count(of, "passed");
  const failed = count(of, "failed");
  const unsupported = count(of, "unsupported");
  const counts = { passed, failed, unsupported };
  if (failed > 0) return { clause, verdict: "failed", ...counts };
  if (passed === 0) return { clause, verdict: "unsupported", ...counts };
  const unseen = UNSEEN[clause];
  if (unseen === undefined) return { clause, verdict: "passed", ...counts };
  return { clause, verdict: "partly", unseen, ...counts };
}

export function formatReport(report: Report): string {
  const lines: string[] = [`Testee: ${report.testee}`, ""];
  for (const [prefix, title] of SECTIONS) {
    const of = report.clauses.filter(({ clause }) => clause.startsWith(`${prefix}-`));
    if (of.length > 0) lines.push(title, ...of.map(clauseLine));
  }
  const partly = report.clauses.filter(({ verdict }) => verdict === "partly");
  if (partly.length > 0) {
    lines.push("", "Partly: all that can be seen step by step passed. Not seen:");
    lines.push(...partly.map(({ clause, unseen }) => `  ${clause.padEnd(8)} ${unseen}`));
  }
  if (report.missing.length > 0) lines.push("", "Unsupported:", ...listed(report.missing));
  // Last, where who reads a terminal looks first.
  if (report.failures.length > 0) lines.push("", "Failures:", ...listed(report.failures));
  const { passed, failed, unsupported } = report;
  lines.push(
    "",
    `${report.clauses.length} clauses, ${report.checks} checks: ${passed} passed, ${failed} ` +
      `failed, ${unsupported} unsupported`,
  );
  return lines.join("\n");
}

function clauseLine({ clause, verdict, passed, failed, unsupported }: ClauseResult): string {
  const parts = [`${passed} passed`];
  if (failed > 0) parts.push(`${failed} failed`);
  if (unsupported > 0) parts.push(`${unsupported} unsupported`);
  const shown = verdict === "failed" ? "FAILED" : verdict;
  return `  ${clause.padEnd(8)} ${shown.padEnd(12)} ${parts.join(", ")}`;
}

const MOST_REASONS = 20;
/** Of one reason. */
const MOST_CASES = 3;

/** Each reason once, with the cases that it holds for, and their clauses. */
function listed(checks: readonly Check[]): string[] {
  const reasons = [...grouped(checks, ({ why = "" }) => why)];
  const left = reasons.slice(MOST_REASONS).reduce((sum, [, of]) => sum + of.length, 0);
  const lines = reasons.slice(0, MOST_REASONS).flatMap(([why, of]) => reasonLines(why, of));
  return left > 0 ? [...lines, `  and ${left} more checks: see --json`] : lines;
}

function reasonLines(why: string, checks: readonly Check[]): string[] {
  const cases = [...grouped(checks, (check) => check.case)].map(
    ([name, of]) => `${[...new Set(of.map(({ clause }) => clause))].join(", ")}  ${name}`,
  );
  if (cases.length === 1) return [`  ${cases[0]!}: ${why}`];
  const left = cases.length - MOST_CASES;
  return [
    `  ${why}: ${cases.length} cases`,
    ...cases.slice(0, MOST_CASES).map((each) => `    ${each}`),
    ...(left > 0 ? [`    and ${left} more: see --json`] : []),
  ];
}

/** In the order in which each key comes first. */
function grouped(checks: readonly Check[], keyOf: (check: Check) => string): Map<string, Check[]> {
  const groups = new Map<string, Check[]>();
  for (const check of checks) {
    const group = groups.get(keyOf(check));
    if (group === undefined) groups.set(keyOf(check), [check]);
    else group.push(check);
  }
  return groups;
}
