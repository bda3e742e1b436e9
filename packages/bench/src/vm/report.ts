// A run of the VM benchmark as people read it, and as JSON.

import { type Grid, markdown, notes, terminal } from "../report.ts";
import { ratiosByKey, turnGrids } from "../turns-report.ts";
import type { VmRowResult } from "./measure.ts";
import { MEDIA, MEDIUM_TITLES, VM_RATIO_KEYS } from "./rows.ts";

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

export function formatVmTerminal(report: VmReport): string {
  return terminal(grids(report), notes(report));
}

export function formatVmMarkdown(report: VmReport): string {
  return markdown(report.machine, grids(report), notes(report));
}

export function vmJson(report: VmReport): object {
  return {
    vm: ratiosByKey(VM_RATIO_KEYS, report.rows),
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

function grids({ rows }: VmReport): Grid[] {
  return turnGrids(rows, {
    media: MEDIA,
    titles: MEDIUM_TITLES,
    speedTitle: "In a virtual machine under TCG: median of the rounds (least to most)",
    cpuTitle: "CPU of the guest + of QEMU and the host's processes: for each GiB, or for each round trip",
  });
}
