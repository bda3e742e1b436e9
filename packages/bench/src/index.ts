// ringway bench: everything that docs/performance.md speaks of, in one run.

import { writeFileSync } from "node:fs";
import { Children } from "./children.ts";
import { type IdleReport, type IdleResult, measureIdle } from "./idle.ts";
import { cpuPerGiBRatio, type RatioResult, type RowResult, runRow } from "./measure.ts";
import { aboutMachine, checkMarkers, type Markers, replaceBetween } from "./output.ts";
import { compilePrograms } from "./programs.ts";
import { Progress } from "./progress.ts";
import { formatMarkdown, formatTerminal, type Report } from "./report.ts";
import { IDLE, RATIO_KEYS, type Row, rowsOf, VISITORS } from "./rows.ts";
import { BUSY_POLL_US, prepare, type Setting } from "./setting.ts";
import { measureVisitors, type VisitorsResult } from "./visitors.ts";

export interface BenchOptions {
  /** Starts the command that is measured: its arguments follow. */
  readonly ringway: readonly string[];
  /** Write everything, each round included, to this file. */
  readonly json?: string;
  /** Replace the text between the markers of this Markdown file by the tables. */
  readonly markdown?: string;
  /** Small sizes: ends within 45 s. */
  readonly quick?: boolean;
  /** Names of rows, or how they begin: only these. */
  readonly only?: readonly string[];
  /** Instead: in virtual machines, against QEMU's user networking and passt (./vm). */
  readonly vm?: boolean;
}

/** Many short ones rather than few long: what else the machine does comes in bursts, and the median leaves those rounds out. */
const ROUNDS = { full: 11, quick: 5 } as const;
const FILE_BYTES = { full: 512 * 1024 * 1024, quick: 128 * 1024 * 1024 } as const;
/** A quick run has a minute, visitors included. Past the first, no row begins another round; past the second, no row begins. */
const QUICK_ROUNDS_MS = 32_000;
const QUICK_ROWS_MS = 39_000;
/** What the progress bar counts the idle streams and the visitors as, in rounds. */
const IDLE_STEPS = 5;
const VISITORS_STEPS = 10;

export const MARKERS: Markers = { begin: "<!-- bench:begin -->", end: "<!-- bench:end -->" };

/** Runs the benchmarks and prints the tables. 0 when everything ran, whatever the bars say; 1 when something failed. */
export async function runBench(options: BenchOptions): Promise<number> {
  if (options.vm) {
    const { runVmBench } = await import("./vm/index.ts");
    return await runVmBench(options);
  }
  if (options.markdown !== undefined) checkMarkers(options.markdown, MARKERS);
  const quick = options.quick ?? false;
  const start = performance.now();
  using children = new Children();
  const compiled = compilePrograms(children.folder);
  const leftOut: string[] = [];
  const fileBytes = quick ? FILE_BYTES.quick : FILE_BYTES.full;
  const setting = await prepare(children, {
    ringway: options.ringway,
    programs: compiled.programs,
    fileBytes,
    leftOut,
  });
  const isWanted = (name: string): boolean => options.only?.some((only) => name.startsWith(only)) ?? true;
  const all = rowsOf(setting, quick);
  const wanted = all.filter((row) => isWanted(row.name));
  const rows = wanted.filter((row) => row.contenders.length > 0);
  const wantsVisitors = isWanted(VISITORS) && compiled.programs !== undefined;
  if (wanted.length === 0 && !isWanted(IDLE) && !isWanted(VISITORS)) {
    const names = [...all.map((row) => row.name), IDLE, VISITORS];
    console.error(`ringway bench: no such row; there are ${names.join(", ")}`);
    return 1;
  }
  if (compiled.programs === undefined && rows.length < wanted.length) {
    const names = wanted.filter((row) => !rows.includes(row)).map((row) => row.name);
    leftOut.push(`${compiled.problem}, so the rows ${names.join(", ")} and their ratios are left out`);
  }

  const rounds = quick ? ROUNDS.quick : ROUNDS.full;
  const deadline = quick ? start + QUICK_ROUNDS_MS : Number.POSITIVE_INFINITY;
  const results: RowResult[] = [];
  let idle: IdleReport | undefined;
  let visitors: readonly VisitorsResult[] = [];
  {
    const steps =
      rows.length * rounds + (isWanted(IDLE) ? IDLE_STEPS : 0) + (wantsVisitors ? VISITORS_STEPS : 0);
    using progress = new Progress(steps);
    const runOptions = { rounds, fileBytes, deadline, failures: setting.failures, leftOut };
    // Rows with a bar, then the idle streams, then the others: a quick run that is short of time has what counts.
    const [first, others] = splitRows(rows);
    const runRows = async (some: readonly Row[]): Promise<void> => {
      for (const row of some) {
        if (quick && performance.now() > start + QUICK_ROWS_MS) leftOut.push(`${row.name}: time was up`);
        else results.push(await runRow(children, row, runOptions, progress));
      }
    };
    await runRows(first);
    if (isWanted(IDLE)) {
      progress.step("idle streams", 0);
      idle = await measureIdle(children, setting, quick).catch((error: unknown) => {
        setting.failures.push(`idle: ${error instanceof Error ? error.message : error}`);
        return undefined;
      });
      progress.step("idle streams", IDLE_STEPS);
    }
    await runRows(others);
    if (wantsVisitors) {
      progress.step("guests that come and go", 0);
      visitors = await measureVisitors(children, setting, quick).catch((error: unknown) => {
        setting.failures.push(`${VISITORS}: ${error instanceof Error ? error.message : error}`);
        return [];
      });
      progress.step("guests that come and go", VISITORS_STEPS);
    }
  }

  const report: Report = {
    machine: aboutMachine(compiled),
    quick,
    rounds,
    seconds: (performance.now() - start) / 1000,
    rows: results,
    cpu: cpuPerGiBRatio(results),
    idle,
    visitors,
    leftOut,
    failures: setting.failures,
  };
  console.log(formatTerminal(report));
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify(jsonOf(report, setting), null, 2)}\n`);
  if (options.markdown !== undefined) {
    replaceBetween(options.markdown, MARKERS, formatMarkdown(report));
  }
  return setting.failures.length === 0 ? 0 : 1;
}

function splitRows(rows: readonly Row[]): [Row[], Row[]] {
  const hasBar = (row: Row): boolean => row.ratios.some((ratio) => ratio.bar !== undefined);
  return [rows.filter(hasBar), rows.filter((row) => !hasBar(row))];
}

function jsonOf(report: Report, setting: Setting): object {
  const all: RatioResult[] = report.rows.flatMap((row) => row.ratios);
  if (report.cpu !== undefined) all.push(report.cpu);
  const ratios = Object.fromEntries(
    RATIO_KEYS.map((key) => [key, all.find((ratio) => ratio.key === key)?.value ?? null]),
  );
  const idle: Record<keyof IdleResult, number | null> = {
    streams: report.idle?.streams ?? null,
    cpuPercent: report.idle?.cpuPercent ?? null,
    heapBytesPerStream: report.idle?.heapBytesPerStream ?? null,
  };
  return {
    ratios,
    idle,
    visitors: report.visitors,
    date: new Date().toISOString(),
    quick: report.quick,
    rounds: report.rounds,
    seconds: report.seconds,
    machine: report.machine,
    busyPollUs: BUSY_POLL_US,
    fileBytes: setting.file.bytes,
    leftOut: report.leftOut,
    failures: report.failures,
    rows: report.rows,
    cpuPerGiB: report.cpu ?? null,
    idleDetails: report.idle ?? null,
  };
}
