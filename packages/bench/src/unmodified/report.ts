// A run of the rows of programs that know nothing of Ringway, as people read it, and as JSON.

import { type Grid, markdown, notes, terminal } from "../report.ts";
import { type TurnReport, turnJson } from "../turns-bench.ts";
import { ratiosByKey, turnGrids } from "../turns-report.ts";
import { MEDIA, MEDIUM_TITLES, type MediumName, UNMODIFIED_RATIO_KEYS } from "./rows.ts";

export type UnmodifiedReport = TurnReport<MediumName>;

export function formatUnmodifiedTerminal(report: UnmodifiedReport): string {
  return terminal(grids(report), notes(report));
}

export function formatUnmodifiedMarkdown(report: UnmodifiedReport): string {
  return markdown(report.machine, grids(report), notes(report));
}

export function unmodifiedJson(report: UnmodifiedReport): object {
  const names = report.rows.find(({ name }) => name === "names")?.peers[0]?.value.median ?? null;
  return {
    unmodified: { ...ratiosByKey(UNMODIFIED_RATIO_KEYS, report.rows), namesPerSecond: names },
    ...turnJson(report),
    unmodifiedRows: report.rows,
  };
}

function grids({ rows }: UnmodifiedReport): Grid[] {
  return turnGrids(rows, {
    media: MEDIA,
    titles: MEDIUM_TITLES,
    speedTitle: "Programs in a network of their own: median of the rounds (least to most)",
    cpuTitle:
      "CPU of the program + of what carries its traffic: for each GiB, round trip, connection or name",
  });
}
