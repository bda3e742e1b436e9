// Media that take turns at the same work: one row after the other, warm up, settle how much to do, then round after
// round each medium, so that whatever else the machine does meets all of them alike. Ratios are taken within a round;
// the median of them is what counts.
//
// Each medium moves what it moves in about the same time, not the same bytes: there is an order of magnitude between
// them, and a transfer that is over in 50 ms would be all beginning.

import type { Bar, Metric } from "./rows.ts";
import { median, type Spread, spread } from "./statistics.ts";

const GiB = 1024 ** 3;
const MiB = 1024 ** 2;
const REQUEST_MS = 20_000;
/** Somebody else's that hangs holds up the run no longer. */
const FOREIGN_REQUEST_MS = 8000;
const WARM_UP_ROUND_TRIPS = 200;
const WARM_UP_BYTES: number = 8 * MiB;
const BYTES_MAX: number = 4 * GiB;

export interface CpuOfBoth {
  /** Seconds: of the guest, or of the program that makes the load. */
  readonly guest: number;
  /** Of all that works for the medium. */
  readonly host: number;
}

/** What does as it is asked, over one medium; a row needs no more of it. */
export interface Measured<Name extends string = string> {
  readonly name: Name;
  /** Somebody else's: where it fails, it is left out from there on, and the run has not failed. */
  readonly isForeign?: boolean;
  /** So far. */
  cpu(): CpuOfBoth;
  request(line: string, timeoutMs: number): Promise<unknown>;
}

export interface TurnRatioRule<Name extends string = string> {
  readonly key: string;
  readonly against: Name;
  readonly bar?: Bar;
  /** Of the CPU time for the same work, and not of the value. */
  readonly ofCpu?: boolean;
}

export interface TurnRow<Name extends string = string> {
  readonly name: string;
  readonly title: string;
  readonly metric: Metric;
  readonly ratios: readonly TurnRatioRule<Name>[];
  /** No transfer moves less: of less, what is measured would see nothing. */
  readonly leastBytes?: number;
}

export interface TurnSample {
  /** Bytes a second, microseconds (the median round trip), or as many a second. */
  readonly value: number;
  readonly p99Us?: number;
  /** GiB moved, or round trips, or what a rate counts. */
  readonly work: number;
  readonly cpu: CpuOfBoth;
}

export interface TurnPeerResult<Name extends string = string> {
  readonly medium: Name;
  readonly value: Spread;
  readonly p99Us?: number;
  /** Seconds for each of what `work` counts. */
  readonly cpu: CpuOfBoth;
  /** Bytes, round trips or milliseconds of each round. */
  readonly amount: number;
  readonly rounds: readonly TurnSample[];
}

export interface TurnRatio<Name extends string = string> extends TurnRatioRule<Name> {
  readonly value: number;
  readonly rounds: readonly number[];
}

export interface TurnRowResult<Name extends string = string> {
  readonly name: string;
  readonly title: string;
  readonly metric: Metric;
  readonly peers: readonly TurnPeerResult<Name>[];
  readonly ratios: readonly TurnRatio<Name>[];
}

export interface TurnOptions {
  readonly rounds: number;
  /** What a transfer should take, and what a rate is counted for. */
  readonly seconds: number;
  readonly roundTrips: number;
  /** On performance.now()'s clock: past it, no round begins but the first of a row. */
  readonly deadline: number;
  readonly failures: string[];
  readonly leftOut: string[];
  /** Rows that had fewer rounds. */
  readonly shortened: string[];
}

/** What a medium answers. */
interface Answer {
  readonly bytes?: number;
  readonly count?: number;
  readonly microseconds?: number;
  readonly p50Us?: number;
  readonly p99Us?: number;
}

/** `line` asks for an amount: of bytes, round trips or milliseconds. Removes media that fail from `media`. */
export async function runInTurns<Name extends string>(
  row: TurnRow<Name>,
  media: Measured<Name>[],
  line: (amount: number, medium: Name) => string,
  options: TurnOptions & { readonly onRound: () => void },
): Promise<TurnRowResult<Name>> {
  const attempt = async (medium: Measured<Name>, amount: number): Promise<TurnSample | undefined> => {
    try {
      return await runOnce(row, medium, amount, line(amount, medium.name));
    } catch (error) {
      const what = `${row.name}: ${medium.name}: ${error instanceof Error ? error.message : error}`;
      if (medium.isForeign === true) options.leftOut.push(`${what}; so it is from here on`);
      else options.failures.push(what);
      media.splice(media.indexOf(medium), 1);
      return undefined;
    }
  };

  const amounts = new Map<Measured<Name>, number>();
  for (const medium of [...media]) {
    const sample = await attempt(medium, warmUp(row, options));
    if (sample !== undefined) amounts.set(medium, amountOf(row, sample, options));
  }
  const samples = new Map<Measured<Name>, TurnSample[]>([...media].map((medium) => [medium, []]));
  for (let round = 0; round < options.rounds; round++) {
    if (round > 0 && performance.now() > options.deadline) {
      options.shortened.push(`${row.name}: time was up after ${round} of ${options.rounds} rounds`);
      break;
    }
    for (const medium of [...media]) {
      const sample = await attempt(medium, amounts.get(medium)!);
      if (sample !== undefined) samples.get(medium)!.push(sample);
    }
    options.onRound();
  }

  const peers = media.map((medium) => summarize(medium.name, samples.get(medium)!, amounts.get(medium)!));
  return { name: row.name, title: row.title, metric: row.metric, peers, ratios: ratiosOf(row, peers) };
}

function warmUp({ metric, leastBytes = WARM_UP_BYTES }: TurnRow, { seconds }: TurnOptions): number {
  if (metric === "rate") return seconds * 1000;
  return metric === "latency" ? WARM_UP_ROUND_TRIPS : leastBytes;
}

function amountOf(
  { metric, leastBytes }: TurnRow,
  { value }: TurnSample,
  { seconds, roundTrips }: TurnOptions,
): number {
  if (metric === "rate") return seconds * 1000;
  return metric === "latency" ? roundTrips : bytesFor(value, seconds, leastBytes);
}

/** Whole MiB. */
export function bytesFor(
  bytesPerSecond: number,
  seconds: number,
  leastBytes: number = WARM_UP_BYTES,
): number {
  const bytes = Math.round((bytesPerSecond * seconds) / MiB) * MiB;
  return Math.min(BYTES_MAX, Math.max(leastBytes, bytes));
}

/** Ringway over each peer, round by round. */
export function ratiosOf<Name extends string>(
  row: TurnRow<Name>,
  peers: readonly TurnPeerResult<Name>[],
): TurnRatio<Name>[] {
  const roundsOf = (medium: string): readonly TurnSample[] =>
    peers.find((peer) => peer.medium === medium)?.rounds ?? [];
  const ours = roundsOf("ringway");
  return row.ratios.flatMap((rule) => {
    const of = rule.ofCpu ? cpuFor : ({ value }: TurnSample): number => value;
    const theirs = roundsOf(rule.against);
    const rounds = ours.slice(0, theirs.length).map((sample, i) => of(sample) / of(theirs[i]!));
    return rounds.length === 0 ? [] : [{ ...rule, value: median(rounds), rounds }];
  });
}

function cpuFor({ cpu, work }: TurnSample): number {
  return (cpu.guest + cpu.host) / work;
}

async function runOnce<Name extends string>(
  row: TurnRow<Name>,
  medium: Measured<Name>,
  amount: number,
  line: string,
): Promise<TurnSample> {
  const before = medium.cpu();
  const limitMs = medium.isForeign === true ? FOREIGN_REQUEST_MS : REQUEST_MS;
  const answer = (await medium.request(line, limitMs)) as Answer;
  const after = medium.cpu();
  const cpu = { guest: after.guest - before.guest, host: after.host - before.host };
  const seconds = answer.microseconds! / 1e6;
  switch (row.metric) {
    case "latency":
      return { value: answer.p50Us!, p99Us: answer.p99Us!, work: amount, cpu };
    case "rate":
      return { value: answer.count! / seconds, work: answer.count!, cpu };
    case "throughput":
      return { value: answer.bytes! / seconds, work: answer.bytes! / GiB, cpu };
  }
}

export function summarize<Name extends string>(
  medium: Name,
  rounds: readonly TurnSample[],
  amount: number,
): TurnPeerResult<Name> {
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
