// What `ringway bench --vm` and `ringway bench --run` do alike: choose the rows, print and write what came of them, and
// start the media that take turns, with a word on each that cannot be had.

import { writeFileSync } from "node:fs";
import type { BenchOptions } from "./options.ts";
import { checkMarkers, type Markers, replaceBetween } from "./output.ts";
import type { TurnRowResult } from "./turns.ts";

export interface TurnReport<Name extends string = string> {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly quick: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly rows: readonly TurnRowResult<Name>[];
  readonly leftOut: readonly string[];
  readonly shortened: readonly string[];
  readonly failures: readonly string[];
}

export interface TurnBench<Row, Report> {
  /** The option that asks for it. */
  readonly option: string;
  readonly markers: Markers;
  readonly rows: readonly Row[];
  measure(rows: readonly Row[]): Promise<Report>;
  terminal(report: Report): string;
  markdown(report: Report): string;
  json(report: Report): object;
}

/** Runs the rows and prints the tables. 0 when everything ran, whatever the bars say; 1 when something failed. */
export async function runTurnBench<Row extends { readonly name: string }, Report extends TurnReport>(
  options: BenchOptions,
  bench: TurnBench<Row, Report>,
): Promise<number> {
  if (options.markdown !== undefined) checkMarkers(options.markdown, bench.markers);
  const rows = bench.rows.filter(({ name }) => options.only?.some((only) => name.startsWith(only)) ?? true);
  if (rows.length === 0) {
    const names = bench.rows.map(({ name }) => name).join(", ");
    console.error(`ringway bench: no such row; with ${bench.option} there are ${names}`);
    return 1;
  }
  const report = await bench.measure(rows);
  console.log(bench.terminal(report));
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(bench.json(report), null, 2)}\n`);
  }
  if (options.markdown !== undefined) {
    replaceBetween(options.markdown, bench.markers, bench.markdown(report));
  }
  return report.failures.length === 0 ? 0 : 1;
}

/** What every run's JSON says of itself. */
export function turnJson(report: TurnReport): object {
  const { quick, rounds, seconds, machine, leftOut, shortened, failures } = report;
  return { date: new Date().toISOString(), quick, rounds, seconds, machine, leftOut, shortened, failures };
}

export interface Starting<Name extends string, Medium> {
  readonly titles: Readonly<Record<Name, string>>;
  /** What is not there without which it cannot start; undefined: it can. */
  missing(name: Name): string | undefined;
  start(name: Name): Promise<Medium>;
  /** What is told of one that did not start. */
  failure(name: Name, error: unknown): string;
  readonly leftOut: string[];
  readonly failures: string[];
  /** One has started, or cannot. */
  onStep(name: Name): void;
}

/** One after the other: each starts faster so. */
export async function startMedia<Name extends string, Medium>(
  names: readonly Name[],
  { titles, missing, start, failure, leftOut, failures, onStep }: Starting<Name, Medium>,
): Promise<Medium[]> {
  const media: Medium[] = [];
  for (const name of names) {
    const why = missing(name);
    if (why !== undefined) {
      leftOut.push(`${why}: the column ${titles[name]} and its ratios are left out`);
    } else {
      try {
        media.push(await start(name));
      } catch (error) {
        failures.push(failure(name, error));
      }
    }
    onStep(name);
  }
  return media;
}

export function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}
