// A host's "no": an Error or Refused frame, or a hello with an errno, as an error that a test can look at.

import type { Refusal } from "@ringway/control";

export class Declined extends Error {
  readonly errno: number;
  readonly rule: string;
  readonly reason: string;

  constructor({ errno, rule, reason }: Refusal) {
    super(`errno ${errno}, rule "${rule}": ${reason}`);
    this.errno = errno;
    this.rule = rule;
    this.reason = reason;
  }
}

/** What `work` is declined with, or undefined; any other error is thrown. */
export async function failureOf(work: Promise<unknown>): Promise<Declined | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof Declined) return error;
    throw error;
  }
}

/** The errno of what `work` is declined with, 0 where it is not. */
export async function errnoOf(work: Promise<unknown>): Promise<number> {
  return (await failureOf(work))?.errno ?? 0;
}
