// ringway conformance -- COMMAND: is somebody's guest one? docs/conformance.md says what is asked of it.

import { fileURLToPath } from "node:url";
import { Exit, Failure } from "../errors.ts";
import { TesteeMissing, TesteeMute } from "./contract.ts";
import { ProcessTestee } from "./process-testee.ts";
import { formatReport, makeReport } from "./report.ts";
import { NothingSelected, runGuest } from "./suite.ts";
import type { Check } from "./world.ts";

export interface ConformanceOptions {
  readonly json?: boolean;
  readonly only?: readonly string[];
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 5000;

/** The program that stands for ringway's own guest. */
export const TYPESCRIPT_TESTEE: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL("./testee-typescript.js", import.meta.url)),
];

export async function runConformance(
  command: readonly string[],
  options: ConformanceOptions,
): Promise<number> {
  const asked = command.length === 0 ? TYPESCRIPT_TESTEE : command;
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const checks = await checksOf(asked, timeoutMs, options.only ?? []);
  const name = command.length === 0 ? "ringway's own TypeScript guest" : command.join(" ");
  const report = makeReport(name, checks);
  console.log(options.json ? JSON.stringify(report, null, 2) : formatReport(report));
  return report.failed === 0 ? Exit.OK : Exit.FAILED;
}

/** All that was checked. What cannot be run at all was asked wrongly. */
async function checksOf(
  asked: readonly string[],
  timeoutMs: number,
  only: readonly string[],
): Promise<readonly Check[]> {
  try {
    return await runGuest(() => new ProcessTestee(asked, timeoutMs), { only });
  } catch (error) {
    if (error instanceof TesteeMute)
      throw new Failure(`${asked.join(" ")}: ${error.message}`, { cause: error });
    if (!(error instanceof TesteeMissing || error instanceof NothingSelected)) throw error;
    throw new Failure(error.message, { cause: error, exitCode: Exit.USAGE });
  }
}
