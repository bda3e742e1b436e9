// One row after the other: warm up, settle how much to do, then round after round each peer in turn, so that whatever
// else the machine does meets all of them alike. Ratios are taken within a round; the median of them is what counts.

import { setTimeout as sleep } from "node:timers/promises";
import type { Children } from "./children.ts";
import { childrenOf, cpuSeconds, cpuSecondsWithChildren, type Memory, memoryOf, resetPeak } from "./proc.ts";
import type { Progress } from "./progress.ts";
import { type Contender, CPU_BAR, type Metric, type Peer, type RatioRule, type Row } from "./rows.ts";
import { median, type Spread, spread } from "./statistics.ts";

const GiB = 1024 ** 3;
const MiB = 1024 ** 2;
const WARM_UP_BYTES: number = 64 * MiB;
const BYTES_MAX: number = 16 * GiB;
const SAMPLE_EVERY_MS = 25;
const RUN_TIMEOUT_MS = 120_000;

/** One run of one peer. */
export interface Sample {
  /** Bytes a second, microseconds (the median round trip), or messages or streams a second. */
  readonly value: number;
  readonly p99Us?: number;
  readonly bytes?: number;
  /** Of the datagrams that were sent, those that did not arrive: 0 to 1. */
  readonly lost?: number;
  readonly cpuSeconds?: number;
  readonly memory?: Memory;
}

export interface PeerResult {
  readonly peer: Peer;
  readonly value: Spread;
  readonly p99Us?: number;
  readonly lost?: number;
  readonly cpuSecondsPerGiB?: number;
  /** Of one core, while the row ran. */
  readonly cpuPercent?: number;
  readonly peakKiB?: number;
  readonly privateKiB?: number;
  readonly rounds: readonly Sample[];
}

export interface RatioResult extends RatioRule {
  readonly value: number;
  readonly rounds: readonly number[];
}

export interface RowResult {
  readonly name: string;
  readonly title: string;
  readonly metric: Metric;
  /** The options that say how much was done in each round. */
  readonly work: readonly string[];
  readonly peers: readonly PeerResult[];
  readonly ratios: readonly RatioResult[];
}

export interface RunOptions {
  readonly rounds: number;
  readonly fileBytes: number;
  /** On performance.now()'s clock: past it, no round begins but the first of a row. */
  readonly deadline: number;
  readonly failures: string[];
  /** Rows that had fewer rounds. */
  readonly shortened: string[];
}

export async function runRow(
  children: Children,
  row: Row,
  options: RunOptions,
  progress: Progress,
): Promise<RowResult> {
  let contenders = [...row.contenders];
  const attempt = async (contender: Contender, work: readonly string[]): Promise<Sample | undefined> => {
    try {
      return await runOnce(children, row, contender, work);
    } catch (error) {
      options.failures.push(
        `${row.name}: ${contender.peer}: ${error instanceof Error ? error.message : error}`,
      );
      contenders = contenders.filter((other) => other !== contender);
      return undefined;
    }
  };

  // The first run of a peer meets pages never touched and code never compiled: only the second says how fast it is.
  const rates: number[] = [];
  for (const contender of row.contenders) {
    const cold = await attempt(contender, warmUp(row));
    const warm = cold && (await attempt(contender, warmUp(row)));
    if (warm !== undefined) rates.push(warm.value);
  }
  const work = amount(row, Math.min(...rates), options.fileBytes);
  const samples = new Map<Contender, Sample[]>(contenders.map((contender) => [contender, []]));
  for (let round = 0; round < options.rounds; round++) {
    if (round > 0 && performance.now() > options.deadline) {
      options.shortened.push(`${row.name}: time was up after ${round} of ${options.rounds} rounds`);
      progress.step(row.title, options.rounds - round);
      break;
    }
    for (const contender of [...contenders]) {
      const sample = await attempt(contender, work);
      if (sample !== undefined) samples.get(contender)!.push(sample);
    }
    progress.step(row.title);
  }

  const peers = contenders.map((contender) => summarize(contender.peer, samples.get(contender)!));
  return {
    name: row.name,
    title: row.title,
    metric: row.metric,
    work,
    peers,
    ratios: row.ratios.flatMap((rule) => {
      const rounds = paired(peers, rule.against, (sample) => sample.value);
      return rounds.length === 0 ? [] : [{ ...rule, value: median(rounds), rounds }];
    }),
  };
}

/** CPU for each GiB relayed, both directions together, Ringway's over socat's; undefined where it was not measured. */
export function cpuPerGiBRatio(rows: readonly RowResult[]): RatioResult | undefined {
  const out = rows.find((row) => row.name === "bulk-out");
  const into = rows.find((row) => row.name === "bulk-in");
  if (out === undefined || into === undefined) return undefined;
  const perGiB = (peer: Peer): number[] => {
    const outRounds = out.peers.find((result) => result.peer === peer)?.rounds ?? [];
    const inRounds = into.peers.find((result) => result.peer === peer)?.rounds ?? [];
    return outRounds.slice(0, inRounds.length).map((sample, index) => {
      const other = inRounds[index]!;
      return (sample.cpuSeconds! + other.cpuSeconds!) / (sample.bytes! + other.bytes!);
    });
  };
  const ours = perGiB("ringway");
  const theirs = perGiB("socat");
  const rounds = ours.slice(0, theirs.length).map((value, index) => value / theirs[index]!);
  if (rounds.length === 0) return undefined;
  return { key: "cpuPerGiBVsSocat", against: "socat", bar: CPU_BAR, value: median(rounds), rounds };
}

function warmUp({ work }: Row): string[] {
  if (work.kind === "bytes") return ["--bytes", String(WARM_UP_BYTES)];
  if (work.kind === "passes") return ["--passes", "1"];
  if (work.kind === "time") return ["--milliseconds", "50"];
  return ["--iterations", "300"];
}

function amount({ work }: Row, slowest: number, fileBytes: number): string[] {
  if (work.kind === "time") return ["--milliseconds", String(work.milliseconds)];
  if (work.kind === "iterations") return ["--iterations", String(work.count)];
  const bytes = Number.isFinite(slowest) ? slowest * work.seconds : WARM_UP_BYTES;
  if (work.kind === "passes") return ["--passes", String(Math.max(1, Math.round(bytes / fileBytes)))];
  return [
    "--bytes",
    String(Math.min(BYTES_MAX, Math.max(1, Math.round(bytes / WARM_UP_BYTES)) * WARM_UP_BYTES)),
  ];
}

/** What the programs print. */
interface Output {
  readonly bytes?: number;
  readonly count?: number;
  readonly seconds: number;
  readonly p50Us?: number;
  readonly p99Us?: number;
  readonly lost?: number;
}

async function runOnce(
  children: Children,
  row: Row,
  contender: Contender,
  work: readonly string[],
): Promise<Sample> {
  const { relay, command, mode } = contender;
  const cpu = (): number => {
    if (relay === undefined) return 0;
    return relay.forks ? cpuSecondsWithChildren(relay.pid) : cpuSeconds(relay.pid);
  };
  if (relay !== undefined) resetPeak(relay.pid);
  const before = cpu();
  const peak = relay?.forks === true ? new ChildrenPeak(relay.pid) : undefined;
  let output: Output;
  try {
    output = JSON.parse(
      await children.run([...command, ...work, mode], contender.peer, RUN_TIMEOUT_MS),
    ) as Output;
    if (relay?.forks === true) await childrenGone(relay.pid);
  } finally {
    peak?.stop();
  }
  const memory = relay === undefined ? undefined : (peak?.memory ?? memoryOf(relay.pid));
  const value = row.metric === "latency" ? output.p50Us! : (output.bytes ?? output.count!) / output.seconds;
  return {
    value,
    ...(output.p99Us === undefined ? {} : { p99Us: output.p99Us }),
    ...(output.bytes === undefined ? {} : { bytes: output.bytes }),
    ...(output.lost === undefined ? {} : { lost: output.lost / (output.lost + output.count!) }),
    ...(relay === undefined ? {} : { cpuSeconds: cpu() - before }),
    ...(memory === undefined ? {} : { memory }),
  };
}

/** The CPU time of a child counts for its parent once the parent has waited for it. */
async function childrenGone(pid: number): Promise<void> {
  for (let waited = 0; childrenOf(pid).length > 0 && waited < 1000; waited++) await sleep(1);
}

/** Largest memory of any child while they come and go. */
class ChildrenPeak {
  memory: Memory | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number) {
    this.#timer = setInterval(() => {
      for (const child of childrenOf(pid).slice(0, 4)) {
        const memory = memoryOf(child);
        if (memory !== undefined && memory.peakKiB >= (this.memory?.peakKiB ?? 0)) this.memory = memory;
      }
    }, SAMPLE_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function paired(peers: readonly PeerResult[], against: Peer, of: (sample: Sample) => number): number[] {
  const rounds = (peer: Peer): readonly Sample[] =>
    peers.find((result) => result.peer === peer)?.rounds ?? [];
  const theirs = rounds(against);
  return rounds("ringway")
    .slice(0, theirs.length)
    .map((sample, index) => of(sample) / of(theirs[index]!));
}

function summarize(peer: Peer, rounds: readonly Sample[]): PeerResult {
  const all = <K extends keyof Sample>(key: K): NonNullable<Sample[K]>[] =>
    rounds.flatMap((sample) => (sample[key] === undefined ? [] : [sample[key]!])) as NonNullable<Sample[K]>[];
  const memories = all("memory");
  const p99 = all("p99Us");
  const lost = all("lost");
  const withCpu = rounds.filter((sample) => sample.cpuSeconds !== undefined && sample.bytes !== undefined);
  return {
    peer,
    value: spread(all("value")),
    ...(p99.length === 0 ? {} : { p99Us: median(p99) }),
    ...(lost.length === 0 ? {} : { lost: median(lost) }),
    ...(withCpu.length === 0
      ? {}
      : {
          cpuSecondsPerGiB: median(withCpu.map((sample) => sample.cpuSeconds! / (sample.bytes! / GiB))),
          cpuPercent: median(
            withCpu.map((sample) => (100 * sample.cpuSeconds! * sample.value) / sample.bytes!),
          ),
        }),
    ...(memories.length === 0
      ? {}
      : {
          peakKiB: Math.max(...memories.map((memory) => memory.peakKiB)),
          privateKiB: Math.max(...memories.map((memory) => memory.privateKiB)),
        }),
    rounds,
  };
}
