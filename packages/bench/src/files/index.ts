// ringway bench --files: one folder of the host's in virtual machines, by the agent's mount and by virtiofs in turn
// (docs/performance.md).

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Children } from "../children.ts";
import type { BenchOptions } from "../options.ts";
import { aboutMachine, type Markers } from "../output.ts";
import { compilePrograms } from "../programs.ts";
import { Progress } from "../progress.ts";
import { runInTurns, type TurnRowResult } from "../turns.ts";
import { firstLine, runTurnBench, startMedia } from "../turns-bench.ts";
import { imageFor, versions } from "../vm/index.ts";
import { MOUNT_POINT, missingFor, startMedium, type Where } from "./media.ts";
import { type FilesReport, filesJson, formatFilesMarkdown, formatFilesTerminal } from "./report.ts";
import { FILES_ROWS, type FilesRow, MEDIA, MEDIUM_TITLES, type MediumName } from "./rows.ts";

const MARKERS: Markers = { begin: "<!-- bench-files:begin -->", end: "<!-- bench-files:end -->" };

const MiB = 1024 * 1024;
const FULL = { rounds: 5, seconds: 0.5, smallFiles: 10_000, largeMiB: 256, limitMs: 200_000 } as const;
const QUICK = { rounds: 3, seconds: 0.25, smallFiles: 2000, largeMiB: 64, limitMs: 45_000 } as const;
const FILES_IN_FOLDER = 100;
const SMALL_BYTES_MAX = 8192;

/** 0 when everything ran, whatever the bars say; 1 when something failed. */
export async function runFilesBench(options: BenchOptions): Promise<number> {
  return await runTurnBench(options, {
    option: "--files",
    markers: MARKERS,
    rows: FILES_ROWS,
    measure: (rows) => measure(rows, options),
    terminal: formatFilesTerminal,
    markdown: formatFilesMarkdown,
    json: filesJson,
  });
}

async function measure(
  rows: readonly FilesRow[],
  { ringway, quick = false }: BenchOptions,
): Promise<FilesReport> {
  const start = performance.now();
  const { limitMs, smallFiles, largeMiB, ...amounts } = quick ? QUICK : FULL;
  using children = new Children();
  const compiled = compilePrograms(children.folder);
  const leftOut: string[] = [];
  const shortened: string[] = [];
  const failures: string[] = [];
  const results: TurnRowResult<MediumName>[] = [];
  const image = await imageFor(children, compiled, leftOut);
  if (image !== undefined) {
    const where: Where = { children, ringway, image, data: makeFiles(children.folder, smallFiles, largeMiB) };
    using progress = new Progress(MEDIA.length + rows.length * amounts.rounds);
    const media = await startMedia(MEDIA, {
      titles: MEDIUM_TITLES,
      missing: (name) => missingFor(name, image),
      start: (name) => startMedium(name, where),
      failure: (_, error) => firstLine(error),
      leftOut,
      failures,
      onStep: (name) => progress.step(`booting with ${MEDIUM_TITLES[name]}`),
    });
    const ends = { failures, leftOut, shortened, deadline: start + limitMs, roundTrips: 0 };
    for (const row of rows) {
      const line = (amount: number): string => `${row.command} ${amount} ${MOUNT_POINT}/${row.path}`;
      const onRound = (): void => progress.step(row.title);
      results.push(await runInTurns<MediumName>(row, media, line, { ...amounts, ...ends, onRound }));
    }
    for (const medium of media) medium[Symbol.dispose]();
  }
  return {
    machine: { ...aboutMachine(compiled), ...versions() },
    quick,
    rounds: amounts.rounds,
    seconds: (performance.now() - start) / 1000,
    smallFiles,
    rows: results,
    leftOut,
    shortened,
    failures,
  };
}

/** A large file, and small ones of up to 8 KiB in folders of a hundred. The host has all of it in memory. */
function makeFiles(below: string, smallFiles: number, largeMiB: number): string {
  const data = join(below, "data");
  const block = Buffer.alloc(MiB, "ringway ");
  mkdirSync(data);
  writeFileSync(join(data, "large"), "");
  for (let i = 0; i < largeMiB; i++) writeFileSync(join(data, "large"), block, { flag: "a" });
  for (let i = 0; i < smallFiles; i++) {
    const folder = join(data, "many", `folder-${Math.floor(i / FILES_IN_FOLDER)}`);
    if (i % FILES_IN_FOLDER === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file-${i}`), block.subarray(0, (i * 613) % SMALL_BYTES_MAX));
  }
  return data;
}
