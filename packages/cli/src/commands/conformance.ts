// ringway conformance -- COMMAND: is somebody's guest one? docs/conformance.md says what is asked of it.

import type * as Suite from "@ringway/conformance";
import { Exit, Failure } from "../errors.ts";
import { standard } from "../standard.ts";
import { loadOptional } from "./optional.ts";

export interface ConformanceOptions {
  readonly json?: boolean;
  readonly only?: readonly string[];
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 5000;

export async function runConformance(
  command: readonly string[],
  options: ConformanceOptions,
): Promise<number> {
  const suite = await loadOptional("conformance");
  const asked = command.length === 0 ? suite.TYPESCRIPT_TESTEE : command;
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const checks = await checksOf(suite, asked, timeoutMs, options.only ?? []);
  const name = command.length === 0 ? "ringway's own TypeScript guest" : command.join(" ");
  const report = suite.makeReport(name, checks);
  console.log(options.json ? JSON.stringify(report, null, 2) : suite.formatReport(report));
  // A program that is not found by a shell ends with 127, too: that is no guest that conforms.
  if (report.passed + report.failed === 0)
    throw new Failure(`${name}: nothing was checked, all is unsupported`);
  return report.failed === 0 ? Exit.OK : Exit.FAILED;
}

/** All that was checked. What cannot be run at all was asked wrongly. */
async function checksOf(
  {
    ErrorsOnce,
    NothingSelected,
    ProcessTestee,
    runGuest,
    TesteeMissing,
    TesteeMute,
    TYPESCRIPT_TESTEE,
  }: typeof Suite,
  asked: readonly string[],
  timeoutMs: number,
  only: readonly string[],
): Promise<readonly Suite.Check[]> {
  const errors = new ErrorsOnce((bytes) => void standard("stderr").write(bytes));
  try {
    return await runGuest(() => new ProcessTestee(asked, timeoutMs, errors), { only });
  } catch (error) {
    if (error instanceof TesteeMute)
      throw new Failure(`${asked.join(" ")}: ${error.message}`, { cause: error });
    if (!(error instanceof TesteeMissing || error instanceof NothingSelected)) throw error;
    // --only takes all words up to the next option.
    const isMeant = error instanceof NothingSelected && asked === TYPESCRIPT_TESTEE;
    const hint = isMeant ? "; a program to check stands behind --, as in: --only RING -- ./my-guest" : "";
    throw new Failure(error.message + hint, { cause: error, exitCode: Exit.USAGE });
  }
}
