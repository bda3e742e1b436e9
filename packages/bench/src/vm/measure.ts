// One row after the other: warm up, settle how much to do, then round after round each medium in turn, so that whatever
// else the machine does meets all of them alike. Ratios are taken within a round; the median of them is what counts.
//
// Each medium moves what it moves in about the same time, not the same bytes: there is an order of magnitude between
// them, and a transfer that is over in 50 ms would be all beginning.

import { median, type Spread, spread } from "../statistics.ts";
import type { MachineCpu } from "./cpu.ts";
import type { MediumName, VmRatioRule, VmRow } from "./rows.ts";

const GiB = 1024 ** 3;
const MiB = 1024 ** 2;
const REQUEST_MS = 20_000;
const WARM_UP_ROUND_TRIPS = 200;
const WARM_UP_BYTES: number = 8 * MiB;
const BYTES_MAX: number = 4 * GiB;

/** A guest that does what it is asked for; a row needs no more of a medium. */
export interface Measured {
  readonly name: MediumName;
  cpu(): MachineCpu;
  request(line: string, timeoutMs: number): Promise<unknown>;
}

export interface VmSample {
  /** Bytes a second, or microseconds: the median round trip. */
  readonly value: number;
  readonly p99Us?: number;
  /** GiB moved, or round trips. */
  readonly work: number;
  readonly cpu: MachineCpu;
}

export interface VmPeerResult {
  readonly medium: MediumName;
  readonly value: Spread;
  readonly p99Us?: number;
  /** Seconds for each GiB, or for each round trip. */
  readonly cpu: MachineCpu;
  /** Bytes, or round trips, of each round. */
  readonly amount: number;
  readonly rounds: readonly VmSample[];
}

export interface VmRatio extends VmRatioRule {
  readonly value: number;
  readonly rounds: readonly number[];
}

export interface VmRowResult {
  readonly name: string;
  readonly title: string;
  readonly metric: VmRow["metric"];
  readonly peers: readonly VmPeerResult[];
  readonly ratios: readonly VmRatio[];
}

export interface VmRunOptions {
  readonly rounds: number;
  /** What a transfer should take. */
  readonly seconds: number;
  readonly roundTrips: number;
  readonly ports: Readonly<Record<VmRow["server"], number>>;
  /** On performance.now()'s clock: past it, no round begins but the first of a row. */
  readonly deadline: number;
  readonly failures: string[];
  readonly leftOut: string[];
  readonly onRound: (row: VmRow) => void;
}

/** What vmload answers. */
interface Answer {
  readonly bytes?: number;
  readonly microseconds?: number;
  readonly p50Us?: number;
  readonly p99Us?: number;
}

/** Removes media that fail from `media`. */
export async function runVmRow(row: VmRow, media: Measured[], options: VmRunOptions): Promise<VmRowResult> {
  const attempt = async (medium: Measured, amount: number): Promise<VmSample | undefined> => {
    try {
      return await runOnce(row, medium, amount, options.ports[row.server]);
    } catch (error) {
      options.failures.push(`${row.name}: ${medium.name}: ${error instanceof Error ? error.message : error}`);
      media.splice(media.indexOf(medium), 1);
      return undefined;
    }
  };

  const amounts = new Map<Measured, number>();
  const isLatency = row.metric === "latency";
  for (const medium of [...media]) {
    const sample = await attempt(medium, isLatency ? WARM_UP_ROUND_TRIPS : WARM_UP_BYTES);
    if (sample === undefined) continue;
    amounts.set(medium, isLatency ? options.roundTrips : bytesFor(sample.value, options.seconds));
  }
  const samples = new Map<Measured, VmSample[]>([...media].map((medium) => [medium, []]));
  for (let round = 0; round < options.rounds; round++) {
    if (round > 0 && performance.now() > options.deadline) {
      options.leftOut.push(`${row.name}: time was up after ${round} of ${options.rounds} rounds`);
      break;
    }
    for (const medium of [...media]) {
      const sample = await attempt(medium, amounts.get(medium)!);
      if (sample !== undefined) samples.get(medium)!.push(sample);
    }
    options.onRound(row);
  }

  const peers = media.map((medium) => summarize(medium.name, samples.get(medium)!, amounts.get(medium)!));
  return { name: row.name, title: row.title, metric: row.metric, peers, ratios: ratiosOf(row, peers) };
}

/** Whole MiB. */
export function bytesFor(bytesPerSecond: number, seconds: number): number {
  const bytes = Math.round((bytesPerSecond * seconds) / MiB) * MiB;
  return Math.min(BYTES_MAX, Math.max(WARM_UP_BYTES, bytes));
}

/** Ringway over each peer, round by round. */
export function ratiosOf(row: VmRow, peers: readonly VmPeerResult[]): VmRatio[] {
  const roundsOf = (medium: MediumName): readonly VmSample[] =>
    peers.find((peer) => peer.medium === medium)?.rounds ?? [];
  const ours = roundsOf("ringway");
  return row.ratios.flatMap((rule) => {
    const theirs = roundsOf(rule.against);
    const rounds = ours.slice(0, theirs.length).map((sample, i) => sample.value / theirs[i]!.value);
    return rounds.length === 0 ? [] : [{ ...rule, value: median(rounds), rounds }];
  });
}

async function runOnce(row: VmRow, medium: Measured, amount: number, port: number): Promise<VmSample> {
  const before = medium.cpu();
  const answer = (await medium.request(`${row.command} ${amount} ${port}`, REQUEST_MS)) as Answer;
  const after = medium.cpu();
  const cpu = { guest: after.guest - before.guest, host: after.host - before.host };
  if (row.metric === "latency") return { value: answer.p50Us!, p99Us: answer.p99Us!, work: amount, cpu };
  return { value: answer.bytes! / (answer.microseconds! / 1e6), work: amount / GiB, cpu };
}

export function summarize(medium: MediumName, rounds: readonly VmSample[], amount: number): VmPeerResult {
  const p99 = rounds.flatMap(({ p99Us }) => (p99Us === undefined ? [] : [p99Us]));
  return {
    medium,
    value: spread(rounds.map(({ value }) => value)),
    ...(p99.length === 0 ? {} : { p99Us: median(p99) }),
    cpu: {
      guest: median(rounds.map(({ work, cpu }) => cpu.guest / work)),
      host: median(rounds.map(({ work, cpu }) => cpu.host / work)),
    },
    amount,
    rounds,
  };
}
