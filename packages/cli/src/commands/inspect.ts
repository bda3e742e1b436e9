// ringway inspect FILE|PID: what lies in a region, and which clauses of PROTOCOL.md it breaks. For whoever writes a
// guest: docs/inspect.md.

import { inspectRegion, NotARegionError, type RegionReport } from "@ringway/control";
import { Exit, Failure, UsageError } from "../errors.ts";
import { type ProcessRegion, RegionFile, regionsOfProcess } from "../inspect/source.ts";
import { formatReport } from "../inspect/text.ts";

export interface InspectOptions {
  /** Of a process that has several, counted from 1. */
  readonly region?: number;
  readonly json?: boolean;
}

/** Exit codes: 0 sound, 1 a clause is broken, 2 asked wrongly, or there is no region. */
export function inspect(target: string, options: InspectOptions): number {
  const report = inspectAt(pathOf(target, options.region), target);
  console.log(options.json ? JSON.stringify(report, null, 2) : formatReport(report));
  return report.findings.length === 0 ? Exit.OK : Exit.FAILED;
}

function inspectAt(path: string, target: string): RegionReport {
  try {
    using file = new RegionFile(path);
    return inspectRegion(file);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const why = error instanceof NotARegionError ? message : `it cannot be read (${code ?? message})`;
    throw new Failure(`${target}: ${why}`, { exitCode: Exit.USAGE, cause: error });
  }
}

function pathOf(target: string, number: number | undefined): string {
  if (/^\d+$/.test(target)) return chosen(Number(target), number).path;
  if (number !== undefined) throw new UsageError("--region goes with a process only");
  return target;
}

function chosen(pid: number, number: number | undefined): ProcessRegion {
  const { regions, hidden } = regionsOfProcess(pid);
  if (regions.length === 0) {
    const why =
      hidden === undefined
        ? "it has no region, open or mapped: is it the process of a guest or of a monitor?"
        : `it has no region open, and what it has mapped may not be seen (${hidden}): look at its monitor, which has it open`;
    throw new Failure(`process ${pid}: ${why}`, { exitCode: Exit.USAGE });
  }
  const region = regions[(number ?? 1) - 1];
  if (region !== undefined && (number !== undefined || regions.length === 1)) return region;
  const lines = regions.map(({ held, bytes }, i) => `  --region ${i + 1}  ${held}, ${bytes} bytes`);
  const head = `process ${pid} has ${regions.length} ${regions.length === 1 ? "region" : "regions"}; choose:`;
  throw new Failure([head, ...lines].join("\n"), { isReport: true, exitCode: Exit.USAGE });
}
