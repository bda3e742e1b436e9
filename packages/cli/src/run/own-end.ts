// How a run ends that is not the program's end: by a code of Ringway's own, since all others may be the program's.

import { Exit, errorLine, Failure, NOT_RUN, UsageError } from "../errors.ts";
import { SignalCame } from "./passed-signals.ts";

/** The exit code of a signal that came before there was a program; throws what else there is to report. */
export function ownEnd(error: unknown): number {
  if (error instanceof SignalCame) return error.exitCode;
  if (error instanceof UsageError || (error instanceof Failure && error.exitCode !== Exit.FAILED))
    throw error;
  const isReport = error instanceof Failure && error.isReport;
  const message = error instanceof Failure ? error.message : errorLine(error);
  throw new Failure(message, { cause: error, isReport, exitCode: NOT_RUN });
}
