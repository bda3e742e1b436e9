// What is wrong with a policy: where it stands in its file, and a sentence.

/** One thing wrong with a policy file. Lines and columns count from 1; both are 0 where nothing could be read. */
export interface PolicyProblem {
  readonly line: number;
  readonly column: number;
  /** Where in the document: `connect[1].ports`; empty for the document itself. */
  readonly path: string;
  readonly message: string;
}

/** A text of a megabyte may have some 500,000. */
const PROBLEMS_MAX = 100;

/**
 * A policy that cannot be used. The message is the first problem; the rest are in problems, in the file's order: the
 * first 99, and how many there are behind them, where there are more than a hundred.
 */
export class PolicyError extends Error {
  override readonly name: string = "PolicyError";
  readonly code: "ERR_RINGWAY_POLICY" = "ERR_RINGWAY_POLICY";
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly problems: readonly PolicyProblem[];

  constructor(file: string, problems: readonly PolicyProblem[], options?: ErrorOptions) {
    // One mistake can make the YAML parser say the same thing many times.
    const distinct = new Map(problems.map((problem) => [formatProblem("", problem), problem]));
    const all = [...distinct.values()].sort((a, b) => a.line - b.line || a.column - b.column);
    const sorted = all.length > PROBLEMS_MAX ? firstOf(all) : all;
    const first = sorted[0] ?? { line: 1, column: 1, path: "", message: "is not a policy" };
    const more = all.length > 1 ? ` (and ${all.length - 1} more)` : "";
    super(formatProblem(file, first) + more, options);
    this.file = file;
    this.line = first.line;
    this.column = first.column;
    this.problems = sorted;
  }

  /** Every problem on a line of its own, as a compiler prints them. */
  report(): string {
    return this.problems.map((problem) => formatProblem(this.file, problem)).join("\n");
  }
}

function firstOf(all: readonly PolicyProblem[]): PolicyProblem[] {
  const first = all.slice(0, PROBLEMS_MAX - 1);
  const { line, column } = all[first.length]!;
  return [...first, { line, column, path: "", message: `and ${all.length - first.length} more problems` }];
}

export function formatProblem(file: string, problem: PolicyProblem): string {
  const path = problem.path === "" ? "" : `${problem.path}: `;
  const place = problem.line === 0 ? "" : `:${problem.line}:${problem.column}`;
  return `${file}${place}: ${path}${problem.message}`;
}

/** A policy whose text is not there: no line of it is to blame. */
export function unreadable(file: string, why: string, cause: unknown): PolicyError {
  return new PolicyError(file, [{ line: 0, column: 0, path: "", message: `cannot be read: ${why}` }], {
    cause,
  });
}
