// ringway bench --vm: one guest's image under stock QEMU with each way to the host's network in turn
// (docs/performance.md).

import { spawnSync } from "node:child_process";
import { Children } from "../children.ts";
import type { BenchOptions } from "../options.ts";
import { aboutMachine, type Markers } from "../output.ts";
import { type Compiled, compilePrograms, findProgram } from "../programs.ts";
import { Progress } from "../progress.ts";
import { startServers } from "../servers.ts";
import { firstLine, runTurnBench, startMedia } from "../turns-bench.ts";
import { type Image, makeImage } from "./image.ts";
import { QEMU } from "./machine.ts";
import { runVmRow, type VmMedium, type VmRowResult, type VmRunOptions } from "./measure.ts";
import { GUEST_BUSY_POLL_US, missingFor, startMedium, type Where } from "./media.ts";
import { formatVmMarkdown, formatVmTerminal, type VmReport, vmJson } from "./report.ts";
import { MEDIA, MEDIUM_TITLES, SERVERS, VM_ROWS, type VmRow } from "./rows.ts";

const VM_MARKERS: Markers = { begin: "<!-- bench-vm:begin -->", end: "<!-- bench-vm:end -->" };

const FULL = { rounds: 7, seconds: 1, roundTrips: 1000, limitMs: 200_000 } as const;
const QUICK = { rounds: 5, seconds: 0.25, roundTrips: 300, limitMs: 60_000 } as const;
/** What the progress bar counts the start of a machine as, in rounds. */
const START_STEPS = 2;

/** 0 when everything ran, whatever the bars say; 1 when something failed. */
export async function runVmBench(options: BenchOptions): Promise<number> {
  return await runTurnBench(options, {
    option: "--vm",
    markers: VM_MARKERS,
    rows: VM_ROWS,
    measure: (rows) => measure(rows, options),
    terminal: formatVmTerminal,
    markdown: formatVmMarkdown,
    json: vmJson,
  });
}

async function measure(rows: readonly VmRow[], { ringway, quick = false }: BenchOptions): Promise<VmReport> {
  const start = performance.now();
  const { limitMs, ...amounts } = quick ? QUICK : FULL;
  using children = new Children();
  const compiled = compilePrograms(children.folder);
  const leftOut: string[] = [];
  const shortened: string[] = [];
  const failures: string[] = [];
  const results: VmRowResult[] = [];
  const image = await imageFor(children, compiled, leftOut);
  if (image !== undefined) {
    const ports = await startServers(children, compiled.programs!.server, SERVERS);
    using progress = new Progress(START_STEPS * MEDIA.length + rows.length * amounts.rounds);
    const where: Where = { children, ringway, image, ports };
    const media = await startMedia(MEDIA, {
      titles: MEDIUM_TITLES,
      missing: (name) => missingFor(name, image),
      start: (name) => startMedium(name, where),
      failure: (_, error) => firstLine(error),
      leftOut,
      failures,
      onStep: (name) => progress.step(`booting with ${MEDIUM_TITLES[name]}`, START_STEPS),
    });
    const onRound = (row: VmRow): void => progress.step(row.title);
    const ends = { failures, leftOut, shortened };
    const run: VmRunOptions = { ...amounts, ports, deadline: start + limitMs, ...ends, onRound };
    const working: VmMedium[] = [...media];
    for (const row of rows) results.push(await runVmRow(row, working, run));
    for (const medium of media) medium[Symbol.dispose]();
  }
  return {
    machine: { ...aboutMachine(compiled), ...versions() },
    quick,
    rounds: amounts.rounds,
    seconds: (performance.now() - start) / 1000,
    guestBusyPollUs: GUEST_BUSY_POLL_US,
    rows: results,
    leftOut,
    shortened,
    failures,
  };
}

/** Undefined where something is missing without which nothing can be measured. */
export async function imageFor(
  children: Children,
  compiled: Compiled,
  leftOut: string[],
): Promise<Image | undefined> {
  const without = (why: string): undefined => {
    leftOut.push(`${why}, so nothing was measured`);
    return undefined;
  };
  if (process.arch !== "x64") return without("the guests are built for x86-64, and this is another machine");
  if (findProgram(QEMU) === undefined) return without(`${QEMU} is not installed`);
  if (compiled.programs === undefined) return without(compiled.problem ?? "there is no C compiler");
  try {
    return await makeImage(children.folder);
  } catch (error) {
    return without(`the guest's image cannot be made (${firstLine(error)})`);
  }
}

export function versions(): Record<string, string> {
  const qemu = /version (\S+)/.exec(output(QEMU, ["--version"]))?.[1];
  const passt = output("dpkg-query", ["--show", "--showformat", "$" + "{Version}", "passt"]);
  return { ...(qemu === undefined ? {} : { qemu }), ...(passt === "" ? {} : { passt }) };
}

function output(command: string, args: readonly string[]): string {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8" });
  return status === 0 ? stdout : "";
}
