// ringway conformance -- COMMAND: is somebody's guest one? docs/conformance.md says what is asked of it.

import { fileURLToPath } from "node:url";
import { Exit } from "../errors.ts";
import { ProcessTestee } from "./process-testee.ts";
import { formatReport, makeReport } from "./report.ts";
import { runGuest } from "./suite.ts";

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
  const checks = await runGuest(() => new ProcessTestee(asked, timeoutMs), { only: options.only ?? [] });
  const name = command.length === 0 ? "ringway's own TypeScript guest" : command.join(" ");
  const report = makeReport(name, checks);
  console.log(options.json ? JSON.stringify(report, null, 2) : formatReport(report));
  return report.failed === 0 ? Exit.OK : Exit.FAILED;
}
