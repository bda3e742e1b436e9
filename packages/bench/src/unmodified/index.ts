// ringway bench --run: the same programs in a network of their own, with each way to the host's network in turn
// (docs/performance.md).

import { spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { Children, until } from "../children.ts";
import type { BenchOptions } from "../options.ts";
import { aboutMachine, type Markers } from "../output.ts";
import { compilePrograms, findProgram } from "../programs.ts";
import { Progress } from "../progress.ts";
import { startServers } from "../servers.ts";
import { runInTurns, type TurnOptions, type TurnRowResult } from "../turns.ts";
import { firstLine, runTurnBench, startMedia } from "../turns-bench.ts";
import { Medium, missingFor, type Where } from "./media.ts";
import {
  formatUnmodifiedMarkdown,
  formatUnmodifiedTerminal,
  type UnmodifiedReport,
  unmodifiedJson,
} from "./report.ts";
import {
  MEDIA,
  MEDIUM_TITLES,
  type MediumName,
  SERVERS,
  UNMODIFIED_ROWS,
  type UnmodifiedRow,
} from "./rows.ts";

const MARKERS: Markers = { begin: "<!-- bench-run:begin -->", end: "<!-- bench-run:end -->" };

const FULL = { rounds: 5, seconds: 0.25, roundTrips: 5000, limitMs: 300_000 } as const;
const QUICK = { rounds: 2, seconds: 0.1, roundTrips: 1000, limitMs: 15_000 } as const;

/** 0 when everything ran, whatever the bars say; 1 when something failed. */
export async function runUnmodifiedBench(options: BenchOptions): Promise<number> {
  return await runTurnBench(options, {
    option: "--run",
    markers: MARKERS,
    rows: UNMODIFIED_ROWS,
    measure: (rows) => measure(rows, options),
    terminal: formatUnmodifiedTerminal,
    markdown: formatUnmodifiedMarkdown,
    json: unmodifiedJson,
  });
}

async function measure(
  rows: readonly UnmodifiedRow[],
  { ringway, quick = false }: BenchOptions,
): Promise<UnmodifiedReport> {
  const start = performance.now();
  const { limitMs, ...amounts } = quick ? QUICK : FULL;
  using children = new Children();
  const compiled = compilePrograms(children.folder);
  const leftOut: string[] = [];
  const shortened: string[] = [];
  const failures: string[] = [];
  const results: TurnRowResult<MediumName>[] = [];
  if (compiled.programs === undefined) {
    leftOut.push(`${compiled.problem ?? "there is no C compiler"}, so nothing was measured`);
  } else {
    const where: Where = {
      children,
      ringway,
      ports: await startServers(children, compiled.programs.server, SERVERS),
      iperfPorts: await startIperf(children, leftOut),
      bin: dirname(compiled.programs.plain),
    };
    using progress = new Progress(MEDIA.length + rows.length * amounts.rounds);
    const media = await startMedia(MEDIA, {
      titles: MEDIUM_TITLES,
      missing: missingFor,
      start: (name) => Medium.start(name, where),
      failure: (name, error) => `${name}: ${firstLine(error)}`,
      leftOut,
      failures,
      onStep: (name) => progress.step(`starting ${MEDIUM_TITLES[name]}`),
    });
    const run = { ...amounts, deadline: start + limitMs, failures, leftOut, shortened };
    for (const row of rows) {
      const result = await runRow(row, media, run, () => progress.step(row.title));
      if (result !== undefined) results.push(result);
    }
    for (const medium of media) medium[Symbol.dispose]();
  }
  return {
    machine: { ...aboutMachine(compiled), ...versions() },
    quick,
    rounds: amounts.rounds,
    seconds: (performance.now() - start) / 1000,
    rows: results,
    leftOut,
    shortened,
    failures,
  };
}

async function runRow(
  row: UnmodifiedRow,
  media: readonly Medium[],
  options: TurnOptions,
  onRound: () => void,
): Promise<TurnRowResult<MediumName> | undefined> {
  const canRun = ({ name, target, isUp }: Medium): boolean =>
    isUp &&
    (name === "ringway" || row.ringwayAlone !== true) &&
    (target.iperfPort !== undefined || row.needsIperf !== true);
  const working = media.filter(canRun);
  if (working.length === 0) return undefined;
  const targets = new Map(working.map(({ name, target }) => [name, target]));
  const line = (amount: number, name: MediumName): string => row.command(amount, targets.get(name)!);
  return await runInTurns(row, working, line, { ...options, onRound });
}

/** One server for each medium: iperf3's is busy for a moment after a client has left. */
async function startIperf(
  children: Children,
  leftOut: string[],
): Promise<Partial<Record<MediumName, number>>> {
  const ports: Partial<Record<MediumName, number>> = {};
  if (findProgram("iperf3") === undefined) {
    leftOut.push("iperf3 is not installed: its rows are left out");
    return ports;
  }
  for (const medium of MEDIA) {
    const port = await freePort();
    const command = ["iperf3", "--server", "--bind", "127.0.0.1", "--port", String(port), "--forceflush"];
    const server = children.start(command, "iperf3");
    let said = "";
    server.process.stdout!.on("data", (text: string) => {
      said += text;
    });
    await until(() => said.includes("listening"), "starting iperf3", server);
    ports[medium] = port;
  }
  return ports;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function versions(): Record<string, string> {
  const found = ["passt", "slirp4netns", "iperf3"].map((name): [string, string] => {
    const query = ["--show", "--showformat", "$" + "{Version}", name];
    const { status, stdout } = spawnSync("dpkg-query", query, { encoding: "utf8" });
    return [name, status === 0 ? stdout : ""];
  });
  return Object.fromEntries(found.filter(([, version]) => version !== ""));
}
