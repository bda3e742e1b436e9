// How a command ends. Exit codes are those of Unix tools: 0 it did what it was asked, 1 it could not, 2 it was asked
// wrongly; `policy explain` and `policy diff` have one more.

import { inspect } from "node:util";

export const Exit = { OK: 0, FAILED: 1, USAGE: 2, REFUSED: 3, DIFFERS: 3 } as const;

/** A time limit that the user set was over, as with timeout(1). */
export const TIMED_OUT = 124;

/** `ringway run` could not start its program, or could not go on: whatever the program itself ends with has a code. */
export const NOT_RUN = 125;

/** The command could not do what it was asked. The message is all that people get to see. */
export class Failure extends Error {
  /** Printed as it is, without "ringway: " in front: the report of a compiler. */
  readonly isReport: boolean;
  readonly exitCode: number;

  constructor(
    message: string,
    options: ErrorOptions & { readonly isReport?: boolean; readonly exitCode?: number } = {},
  ) {
    super(message, options);
    this.name = "Failure";
    this.isReport = options.isReport ?? false;
    this.exitCode = options.exitCode ?? Exit.FAILED;
  }
}

/** Asked wrongly, in a way that the parser of the command line does not know. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/** What people get to see of an error, and what the process ends with. */
export function failureOf(error: unknown): { readonly text: string; readonly exitCode: number } {
  const exitCode =
    error instanceof Failure ? error.exitCode : error instanceof UsageError ? Exit.USAGE : Exit.FAILED;
  if (error instanceof Failure && error.isReport) return { text: `${error.message}\n`, exitCode };
  if (process.env.RINGWAY_DEBUG) return { text: `${inspect(error)}\n`, exitCode };
  return { text: `ringway: ${errorLine(error)}\n`, exitCode };
}

/** One line for an error of whatever origin. */
export function errorLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n", 1)[0] || "failed without a message";
}
