// A run as people read it: the tables on the terminal, and the same in Markdown for docs/performance.md.

import Table from "cli-table3";
import type { IdleReport } from "./idle.ts";
import type { PeerResult, RatioResult, RowResult } from "./measure.ts";
import { type Bar, COLUMNS, IDLE_BARS, PEERS, SCRAPED_BAR, VISITORS_BARS } from "./rows.ts";
import type { ScrapedResult } from "./scraped.ts";
import { digits, type Spread } from "./statistics.ts";
import type { VisitorsResult } from "./visitors.ts";

export interface Report {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly quick: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly rows: readonly RowResult[];
  readonly cpu: RatioResult | undefined;
  readonly idle: IdleReport | undefined;
  readonly scraped: ScrapedResult | undefined;
  readonly visitors: readonly VisitorsResult[];
  readonly leftOut: readonly string[];
  readonly shortened: readonly string[];
  readonly failures: readonly string[];
}

export type Cells = readonly string[];
export interface Grid {
  readonly title: string;
  readonly head: Cells;
  readonly rows: readonly Cells[];
}

export function formatTerminal(report: Report): string {
  return terminal(grids(report), notes(report));
}

export function formatMarkdown(report: Report): string {
  return markdown(report.machine, grids(report), notes(report));
}

export function terminal(found: readonly Grid[], lines: readonly string[]): string {
  const parts = found.map(({ title, head, rows }) => {
    const table = new Table({ head: [...head], style: { head: [], border: [] } });
    table.push(...rows.map((cells) => [...cells]));
    return `${title}\n${table.toString()}`;
  });
  return [...parts, ...lines].join("\n");
}

export function markdown(
  about: Readonly<Record<string, string | number>>,
  found: readonly Grid[],
  lines: readonly string[],
): string {
  const line = (cells: Cells): string =>
    `| ${cells.map((cell) => cell.replaceAll("\n", "<br>")).join(" | ")} |`;
  const parts = found.map(({ title, head, rows }) =>
    [`**${title}**`, "", line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n"),
  );
  const machine = Object.entries(about).map(([key, value]) => `${key} ${value}`);
  return [wrapped(machine.join(" · ")), ...parts, ...lines.map(wrapped)].join("\n\n");
}

/** Documents have lines of at most so many columns, but for tables. */
const COLUMNS_MAX = 120;

function wrapped(text: string): string {
  const made: string[] = [];
  for (const word of text.split(" ")) {
    const longer = made.length === 0 ? word : `${made.at(-1)} ${word}`;
    if (made.length === 0 || longer.length > COLUMNS_MAX) made.push(word);
    else made[made.length - 1] = longer;
  }
  return made.join("\n");
}

/** "ok", "below" (or "above", where less is better), or "" where there is no bar. */
export function verdict(value: number, bar: Bar | undefined): string {
  if (bar?.least !== undefined) return value >= bar.least ? "ok" : "below";
  if (bar?.most !== undefined) return value <= bar.most ? "ok" : "above";
  return "";
}

function grids(report: Report): Grid[] {
  const found: Grid[] = [
    {
      title: "Speed: median of the rounds (least to most)",
      head: ["work", ...PEERS.map((peer) => COLUMNS[peer]), "Ringway / peer", "bar", ""],
      rows: report.rows.map(speedCells),
    },
  ];
  const hasCost = (peer: PeerResult): boolean => peer.cpuSecondsPerGiB !== undefined;
  const relayed = report.rows.filter((row) => row.peers.filter(hasCost).length > 1);
  if (relayed.length > 0) {
    found.push({
      title: "The relay's CPU seconds per GiB, and its peak memory (of it its own)",
      head: ["work", ...PEERS.slice(0, 3).map((peer) => COLUMNS[peer]), "Ringway / peer", "bar", ""],
      rows: [
        ...relayed.map((row) => [
          row.title,
          ...PEERS.slice(0, 3).map((peer) => costCell(row, peer)),
          "",
          "",
          "",
        ]),
        ...(report.cpu ? [["CPU per GiB, both ways", "", "", "", ...ratioCells([report.cpu])]] : []),
      ],
    });
  }
  if (report.idle) {
    const { streams, cpuPercent, heapBytesPerStream, protocol } = report.idle;
    found.push({
      title: `${streams} idle ${protocol} streams`,
      head: ["what", "Ringway", "bar", ""],
      rows: [
        [
          "CPU, % of a core",
          digits(cpuPercent),
          barText(IDLE_BARS.cpuPercent),
          verdict(cpuPercent, IDLE_BARS.cpuPercent),
        ],
        [
          "heap for each, bytes",
          heapBytesPerStream.toFixed(0),
          barText(IDLE_BARS.heapBytesPerStream),
          verdict(heapBytesPerStream, IDLE_BARS.heapBytesPerStream),
        ],
      ],
    });
  }
  if (report.scraped) {
    const { streams, percent } = report.scraped;
    found.push({
      title: `Metrics scraped in each second, ${streams} streams`,
      head: ["what", "Ringway", "bar", ""],
      rows: [["the reactor's time, %", digits(percent), barText(SCRAPED_BAR), verdict(percent, SCRAPED_BAR)]],
    });
  }
  if (report.visitors.length > 0) found.push(visitorsGrid(report.visitors));
  return found;
}

function visitorsGrid(results: readonly VisitorsResult[]): Grid {
  const us = ({ median, min, max }: Spread): string =>
    `${digits(median)} µs\n${digits(min)} to ${digits(max)}`;
  const lines = (...cells: string[]): string => cells.join("\n");
  const { perSecond: rateBar, p99Ratio: p99Bar } = VISITORS_BARS;
  return {
    title: "Guests that come and go, and the p99 round trip of one that stays",
    head: [
      "each touches",
      "a second",
      "undisturbed",
      "beside the C relay's",
      "beside them",
      "ratios",
      "bar",
      "",
    ],
    rows: results.map((result) => [
      result.touchedBytes === 0 ? "nothing" : `${result.touchedBytes / 1024 ** 2} MiB`,
      digits(result.perSecond),
      us(result.undisturbedP99Us),
      us(result.elsewhereP99Us),
      us(result.disturbedP99Us),
      lines("", `${digits(result.p99Ratio)} undisturbed`, `${digits(result.p99VsElsewhere)} C relay's`),
      lines(barText(rateBar), barText(p99Bar)),
      lines(verdict(result.perSecond, rateBar), verdict(result.p99Ratio, p99Bar)),
    ]),
  };
}

export function notes(
  report: Pick<Report, "quick" | "rounds" | "seconds" | "leftOut" | "shortened" | "failures">,
): string[] {
  const kind = report.quick ? "quick run: small sizes, read the ratios only roughly" : "full run";
  return [
    `${report.rounds} rounds, ${report.seconds.toFixed(0)} s, ${kind}.`,
    ...report.leftOut.map((text) => `Left out: ${text}.`),
    ...report.shortened.map((text) => `Fewer rounds: ${text}.`),
    ...report.failures.map((text) => `Failed: ${text}.`),
  ];
}

function speedCells(row: RowResult): Cells {
  const cells = PEERS.map((peer) => {
    const result = row.peers.find((candidate) => candidate.peer === peer);
    return result === undefined ? "" : speedCell(row, result);
  });
  return [row.title, ...cells, ...ratioCells(row.ratios)];
}

function ratioCells(ratios: readonly RatioResult[]): [string, string, string] {
  const lines = (of: (ratio: RatioResult) => string): string => ratios.map(of).join("\n");
  return [
    lines((ratio) => `${digits(ratio.value)} ${COLUMNS[ratio.against]}`),
    lines((ratio) => barText(ratio.bar)),
    lines((ratio) => verdict(ratio.value, ratio.bar)),
  ];
}

export function barText(bar: Bar | undefined): string {
  if (bar?.least !== undefined) return `≥ ${bar.least}`;
  return bar?.most === undefined ? "" : `≤ ${bar.most}`;
}

function speedCell(row: RowResult, { value, p99Us, lost }: PeerResult): string {
  const { median, min, max } = value;
  if (row.metric === "latency") {
    return `${digits(median)} µs (p99 ${digits(p99Us ?? 0)})\n${digits(min)} to ${digits(max)}`;
  }
  const [scale, unit] = row.metric === "throughput" ? [1e6, "MB/s"] : [1e3, "k/s"];
  const range = `${digits(min / scale)} to ${digits(max / scale)}`;
  const told = lost === undefined ? "" : `\n${digits(100 * lost)} % lost`;
  return `${digits(median / scale)} ${unit}\n${range}${told}`;
}

function costCell(row: RowResult, peer: (typeof PEERS)[number]): string {
  const result = row.peers.find((candidate) => candidate.peer === peer);
  if (result?.cpuSecondsPerGiB === undefined) return "";
  const MiB = (kib: number | undefined): string => ((kib ?? 0) / 1024).toFixed(0);
  return `${digits(result.cpuSecondsPerGiB)} s\n${MiB(result.peakKiB)} MiB (${MiB(result.privateKiB)})`;
}
