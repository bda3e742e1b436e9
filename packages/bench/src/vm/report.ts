// A run of the VM benchmark as people read it, and as JSON.

import { type Grid, markdown, notes, terminal } from "../report.ts";
import { type TurnReport, turnJson } from "../turns-bench.ts";
import { ratiosByKey, turnGrids } from "../turns-report.ts";
import { MEDIA, MEDIUM_TITLES, type MediumName, VM_RATIO_KEYS } from "./rows.ts";

export interface VmReport extends TurnReport<MediumName> {
  readonly guestBusyPollUs: number;
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
    ...turnJson(report),
    guestBusyPollUs: report.guestBusyPollUs,
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
