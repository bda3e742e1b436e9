// One run: what is wanted of all rows, and then row after row. What fails is said; the run goes on.
//
//   rows with a bar ──> idle streams ──> scraped ──> the other rows ──> visitors
//
// In this order, so that a quick run that is short of time has what counts.

import type { Children } from "./children.ts";
import { type IdleReport, measureIdle } from "./idle.ts";
import { cpuPerGiBRatio, type RowResult, runRow } from "./measure.ts";
import type { BenchOptions } from "./options.ts";
import { aboutMachine } from "./output.ts";
import { type Compiled, compilePrograms } from "./programs.ts";
import { Progress } from "./progress.ts";
import type { Report } from "./report.ts";
import { rowsOf } from "./row-list.ts";
import { IDLE, type Row, SCRAPED, VISITORS } from "./rows.ts";
import { measureScraped, type ScrapedResult } from "./scraped.ts";
import { prepare, type Setting } from "./setting.ts";
import { measureVisitors, type VisitorsResult } from "./visitors.ts";

/** Many short ones rather than few long: what else the machine does comes in bursts, which the median leaves out. */
const ROUNDS = { full: 11, quick: 5 } as const;
const FILE_BYTES = { full: 512 * 1024 * 1024, quick: 128 * 1024 * 1024 } as const;
/** A quick run has 90 s. Past the first no row begins another round, past the second none begins at all. */
const QUICK_ROUNDS_MS = 45_000;
const QUICK_ROWS_MS = 65_000;
/** What the progress bar counts the idle streams, the scrapes and the visitors as, in rounds. */
const IDLE_STEPS = 5;
const SCRAPED_STEPS = 5;
const VISITORS_STEPS = 10;

export interface Plan {
  readonly startMs: number;
  readonly quick: boolean;
  readonly compiled: Compiled;
  readonly setting: Setting;
  readonly rows: readonly Row[];
  readonly wantsIdle: boolean;
  readonly wantsScraped: boolean;
  readonly wantsVisitors: boolean;
}

/** Starts everything that is measured, and picks the rows; or says why there are none. */
export async function planRun(children: Children, options: BenchOptions): Promise<Plan | string> {
  const quick = options.quick ?? false;
  const startMs = performance.now();
  const compiled = compilePrograms(children.folder);
  const { programs } = compiled;
  const leftOut: string[] = [];
  const fileBytes = quick ? FILE_BYTES.quick : FILE_BYTES.full;
  const setting = await prepare(children, { ringway: options.ringway, programs, fileBytes, leftOut });
  const isWanted = (name: string): boolean => options.only?.some((only) => name.startsWith(only)) ?? true;
  const all = rowsOf(setting, quick);
  const wanted = all.filter((row) => isWanted(row.name));
  const rows = wanted.filter((row) => row.contenders.length > 0);
  const aside = [IDLE, SCRAPED, VISITORS];
  if (wanted.length === 0 && !aside.some(isWanted)) {
    const names = [...all.map((row) => row.name), ...aside];
    return `no such row; there are ${names.join(", ")}`;
  }
  if (programs === undefined && rows.length < wanted.length) {
    const names = wanted.filter((row) => !rows.includes(row)).map((row) => row.name);
    leftOut.push(`${compiled.problem}, so the rows ${names.join(", ")} and their ratios are left out`);
  }
  const wantsVisitors = isWanted(VISITORS) && programs !== undefined;
  const [wantsIdle, wantsScraped] = [isWanted(IDLE), isWanted(SCRAPED)];
  return { startMs, quick, compiled, setting, rows, wantsIdle, wantsScraped, wantsVisitors };
}

export async function measure(children: Children, plan: Plan): Promise<Report> {
  const { startMs, quick, setting } = plan;
  const rounds = quick ? ROUNDS.quick : ROUNDS.full;
  const { rows, idle, scraped, visitors, shortened } = await measureAll(children, plan, rounds);
  return {
    machine: aboutMachine(plan.compiled),
    quick,
    rounds,
    seconds: (performance.now() - startMs) / 1000,
    rows,
    cpu: cpuPerGiBRatio(rows),
    idle,
    scraped,
    visitors,
    leftOut: setting.leftOut,
    shortened,
    failures: setting.failures,
  };
}

async function measureAll(
  children: Children,
  { startMs, quick, setting, rows, wantsIdle, wantsScraped, wantsVisitors }: Plan,
  rounds: number,
): Promise<Pick<Report, "idle" | "scraped" | "visitors" | "shortened"> & { readonly rows: RowResult[] }> {
  const { failures, leftOut, file } = setting;
  const aside =
    (wantsIdle ? IDLE_STEPS : 0) + (wantsScraped ? SCRAPED_STEPS : 0) + (wantsVisitors ? VISITORS_STEPS : 0);
  const steps = rows.length * rounds + aside;
  using progress = new Progress(steps);
  const deadline = quick ? startMs + QUICK_ROUNDS_MS : Number.POSITIVE_INFINITY;
  const shortened: string[] = [];
  const runOptions = { rounds, fileBytes: file.bytes, deadline, failures, shortened };
  const results: RowResult[] = [];
  const runRows = async (some: readonly Row[]): Promise<void> => {
    for (const row of some) {
      if (quick && performance.now() > startMs + QUICK_ROWS_MS) leftOut.push(`${row.name}: time was up`);
      else results.push(await runRow(children, row, runOptions, progress));
    }
  };
  /** Undefined where it failed. */
  const attempt = async <T>(name: string, what: string, count: number, work: () => Promise<T>) => {
    progress.step(what, 0);
    const result = await work().catch((error: unknown) => {
      failures.push(`${name}: ${error instanceof Error ? error.message : error}`);
      return undefined;
    });
    progress.step(what, count);
    return result;
  };
  const [first, others] = splitRows(rows);
  await runRows(first);
  const idle: IdleReport | undefined = wantsIdle
    ? await attempt(IDLE, "idle streams", IDLE_STEPS, () => measureIdle(children, setting, quick))
    : undefined;
  const scraped: ScrapedResult | undefined = wantsScraped
    ? await attempt(SCRAPED, "scraped metrics", SCRAPED_STEPS, () => measureScraped(children, setting, quick))
    : undefined;
  await runRows(others);
  const visitors: readonly VisitorsResult[] | undefined = wantsVisitors
    ? await attempt(VISITORS, "guests that come and go", VISITORS_STEPS, () =>
        measureVisitors(children, setting, quick),
      )
    : undefined;
  return { rows: results, idle, scraped, visitors: visitors ?? [], shortened };
}

function splitRows(rows: readonly Row[]): [Row[], Row[]] {
  const hasBar = (row: Row): boolean => row.ratios.some((ratio) => ratio.bar !== undefined);
  return [rows.filter(hasBar), rows.filter((row) => !hasBar(row))];
}
