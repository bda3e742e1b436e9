// The rows of the benchmark of files in a virtual machine: what is done in the guest, over which mounts, and the bars.
// --only takes names of rows.

import type { Bar } from "../rows.ts";
import type { TurnRow } from "../turns.ts";

export const MEDIA = ["ringway", "virtiofs"] as const;
export type MediumName = (typeof MEDIA)[number];

export const MEDIUM_TITLES: Readonly<Record<MediumName, string>> = {
  ringway: "ringway-agent --mount",
  virtiofs: "virtiofs",
};

export interface FilesRow extends TurnRow<MediumName> {
  /** The word that asks vmload for it (native/bench/vmfiles.c), and what below the mount it is done with. */
  readonly command: "write" | "read" | "random" | "find" | "tar";
  readonly path: string;
}

const DATA: Bar = { least: 1 };
const NAMES: Bar = { least: 0.7 };
const against = (key: string, bar: Bar): FilesRow["ratios"] => [{ key, against: "virtiofs", bar }];

export const FILES_ROWS: readonly FilesRow[] = [
  {
    name: "write",
    title: "a file written, 1 MiB at a time",
    metric: "throughput",
    command: "write",
    path: "new",
    ratios: against("writeVsVirtiofs", DATA),
  },
  {
    name: "read",
    title: "a file read, 1 MiB at a time",
    metric: "throughput",
    command: "read",
    path: "large",
    ratios: against("readVsVirtiofs", DATA),
  },
  {
    name: "random",
    title: "4 KiB at random places of it",
    metric: "rate",
    command: "random",
    path: "large",
    ratios: against("randomVsVirtiofs", DATA),
  },
  {
    name: "find",
    title: "find, which looks at each file",
    metric: "rate",
    command: "find",
    path: "many",
    ratios: against("findVsVirtiofs", NAMES),
  },
  {
    name: "tar",
    title: "tar of the same files",
    metric: "rate",
    command: "tar",
    path: "many",
    ratios: against("tarVsVirtiofs", NAMES),
  },
];

/** The ratios of the JSON, in its order; each is there in every run, null where it was not measured. */
export const FILES_RATIO_KEYS: readonly string[] = FILES_ROWS.flatMap(({ ratios }) =>
  ratios.map(({ key }) => key),
);
