// A run of the rows of files in a virtual machine, as people read it, and as JSON.

import { type Grid, markdown, notes, terminal } from "../report.ts";
import { type TurnReport, turnJson } from "../turns-bench.ts";
import { ratiosByKey, turnGrids } from "../turns-report.ts";
import { FILES_RATIO_KEYS, MEDIA, MEDIUM_TITLES, type MediumName } from "./rows.ts";

export interface FilesReport extends TurnReport<MediumName> {
  /** In the folder that find and tar go through. */
  readonly smallFiles: number;
}

export function formatFilesTerminal(report: FilesReport): string {
  return terminal(grids(report), notes(report));
}

export function formatFilesMarkdown(report: FilesReport): string {
  return markdown(report.machine, grids(report), notes(report));
}

export function filesJson(report: FilesReport): object {
  return {
    files: ratiosByKey(FILES_RATIO_KEYS, report.rows),
    ...turnJson(report),
    smallFiles: report.smallFiles,
    filesRows: report.rows,
  };
}

function grids({ rows, smallFiles }: FilesReport): Grid[] {
  return turnGrids(rows, {
    media: MEDIA,
    titles: MEDIUM_TITLES,
    speedTitle: `Files in a virtual machine under TCG, ${smallFiles} small ones: median of the rounds (least to most)`,
    cpuTitle: "CPU of the guest + of QEMU and the host's processes: for each GiB, read or file",
  });
}
