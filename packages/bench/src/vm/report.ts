// A run of the VM benchmark as people read it, and as JSON.

import { barText, type Cells, type Grid, markdown, notes, terminal, verdict } from "../report.ts";
import { digits } from "../statistics.ts";
import type { VmPeerResult, VmRatio, VmRowResult } from "./measure.ts";
import { MEDIA, MEDIUM_TITLES, type MediumName, VM_RATIO_KEYS } from "./rows.ts";

export interface VmReport {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly quick: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly guestBusyPollUs: number;
  readonly rows: readonly VmRowResult[];
  readonly leftOut: readonly string[];
  readonly failures: readonly string[];
}

const PEERS = MEDIA.map((medium) => MEDIUM_TITLES[medium]);

export function formatVmTerminal(report: VmReport): string {
  return terminal(grids(report), notes(report));
}

export function formatVmMarkdown(report: VmReport): string {
  return markdown(report.machine, grids(report), notes(report));
}

export function vmJson(report: VmReport): object {
  const all = report.rows.flatMap((row) => row.ratios);
  const ratio = (key: string): number | null => all.find((one) => one.key === key)?.value ?? null;
  return {
    vm: Object.fromEntries(VM_RATIO_KEYS.map((key) => [key, ratio(key)])),
    date: new Date().toISOString(),
    quick: report.quick,
    rounds: report.rounds,
    seconds: report.seconds,
    machine: report.machine,
    guestBusyPollUs: report.guestBusyPollUs,
    leftOut: report.leftOut,
    failures: report.failures,
    vmRows: report.rows,
  };
}

function grids(report: VmReport): Grid[] {
  if (report.rows.length === 0) return [];
  return [
    {
      title: "In a virtual machine under TCG: median of the rounds (least to most)",
      head: ["work", ...PEERS, "Ringway / peer", "bar", ""],
      rows: report.rows.map((row) => [row.title, ...cellsOf(row, speedCell), ...ratioCells(row.ratios)]),
    },
    {
      title: "CPU of the guest + of QEMU and the host's processes: for each GiB, or for each round trip",
      head: ["work", ...PEERS],
      rows: report.rows.map((row) => [row.title, ...cellsOf(row, cpuCell)]),
    },
  ];
}

function cellsOf(row: VmRowResult, cell: (row: VmRowResult, peer: VmPeerResult) => string): Cells {
  return MEDIA.map((medium: MediumName) => {
    const peer = row.peers.find((candidate) => candidate.medium === medium);
    return peer === undefined ? "" : cell(row, peer);
  });
}

function speedCell(row: VmRowResult, { value: { median, min, max }, p99Us }: VmPeerResult): string {
  if (row.metric === "latency") {
    return `${digits(median)} µs (p99 ${digits(p99Us ?? 0)})\n${digits(min)} to ${digits(max)}`;
  }
  return `${digits(median / 1e6)} MB/s\n${digits(min / 1e6)} to ${digits(max / 1e6)}`;
}

function cpuCell(row: VmRowResult, { cpu: { guest, host } }: VmPeerResult): string {
  const [scale, unit] = row.metric === "latency" ? [1e6, "µs"] : [1, "s"];
  return `${digits(guest * scale)} + ${digits(host * scale)} ${unit}`;
}

function ratioCells(ratios: readonly VmRatio[]): [string, string, string] {
  const lines = (of: (ratio: VmRatio) => string): string => ratios.map(of).join("\n");
  return [
    lines((ratio) => `${digits(ratio.value)} ${MEDIUM_TITLES[ratio.against]}`),
    lines((ratio) => barText(ratio.bar)),
    lines((ratio) => verdict(ratio.value, ratio.bar)),
  ];
}
