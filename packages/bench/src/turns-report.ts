// What media that take turns came to, as tables: one of speed, one of CPU time.

import { barText, type Cells, type Grid, verdict } from "./report.ts";
import { digits } from "./statistics.ts";
import type { TurnPeerResult, TurnRatio, TurnRowResult } from "./turns.ts";

export interface TurnTables<Name extends string> {
  readonly media: readonly Name[];
  readonly titles: Readonly<Record<Name, string>>;
  readonly speedTitle: string;
  readonly cpuTitle: string;
}

export function turnGrids<Name extends string>(
  rows: readonly TurnRowResult<Name>[],
  { media, titles, speedTitle, cpuTitle }: TurnTables<Name>,
): Grid[] {
  if (rows.length === 0) return [];
  const peers = media.map((medium) => titles[medium]);
  const cellsOf = (
    row: TurnRowResult<Name>,
    cell: (row: TurnRowResult, peer: TurnPeerResult) => string,
  ): Cells =>
    media.map((medium) => {
      const peer = row.peers.find((candidate) => candidate.medium === medium);
      return peer === undefined ? "" : cell(row, peer);
    });
  const speed = (row: TurnRowResult<Name>): Cells => [
    row.title,
    ...cellsOf(row, speedCell),
    ...ratioCells(row.ratios, titles),
  ];
  return [
    { title: speedTitle, head: ["work", ...peers, "Ringway / peer", "bar", ""], rows: rows.map(speed) },
    {
      title: cpuTitle,
      head: ["work", ...peers],
      rows: rows.map((row) => [row.title, ...cellsOf(row, cpuCell)]),
    },
  ];
}

/** Each key is there, null where it was not measured. */
export function ratiosByKey(
  keys: readonly string[],
  rows: readonly TurnRowResult[],
): Record<string, number | null> {
  const all = rows.flatMap((row) => row.ratios);
  const ratio = (key: string): number | null => all.find((one) => one.key === key)?.value ?? null;
  return Object.fromEntries(keys.map((key) => [key, ratio(key)]));
}

function speedCell(
  { metric }: TurnRowResult,
  { value: { median, min, max }, p99Us }: TurnPeerResult,
): string {
  if (metric === "latency") {
    return `${digits(median)} µs (p99 ${digits(p99Us ?? 0)})\n${digits(min)} to ${digits(max)}`;
  }
  const [scale, unit] = metric === "throughput" ? [1e6, "MB/s"] : [1e3, "k/s"];
  return `${digits(median / scale)} ${unit}\n${digits(min / scale)} to ${digits(max / scale)}`;
}

function cpuCell({ metric }: TurnRowResult, { cpu: { guest, host } }: TurnPeerResult): string {
  const [scale, unit] = metric === "throughput" ? [1, "s"] : [1e6, "µs"];
  return `${digits(guest * scale)} + ${digits(host * scale)} ${unit}`;
}

function ratioCells<Name extends string>(
  ratios: readonly TurnRatio<Name>[],
  titles: Readonly<Record<Name, string>>,
): [string, string, string] {
  const lines = (of: (ratio: TurnRatio<Name>) => string): string => ratios.map(of).join("\n");
  return [
    lines(({ value, against, ofCpu }) => `${digits(value)} ${titles[against]}${ofCpu ? ", CPU" : ""}`),
    lines(({ bar }) => barText(bar)),
    lines(({ value, bar }) => verdict(value, bar)),
  ];
}
