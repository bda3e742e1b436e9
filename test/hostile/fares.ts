// How a well-behaved guest fares beside a hostile one: measured in pairs, undisturbed and disturbed, and judged by the
// medians.

export interface Fares {
  readonly mibPerS: number;
  readonly trips: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Half of the throughput, ten times the round trip: what the well-behaved guest is promised. */
export const THROUGHPUT_SHARE_MIN = 0.5;
export const P99_TIMES_MAX = 10;
/** Below this many microseconds a machine's own noise decides: the undisturbed p99 counts as at least this. */
const P99_FLOOR_US = 200;

/** Medians over pairs. */
export interface Judged {
  readonly undisturbed: Fares | undefined;
  readonly disturbed: Fares | undefined;
  readonly throughputShare: number;
  readonly p99Times: number;
}

export interface Pair {
  readonly undisturbed: Fares;
  readonly disturbed: Fares;
}

export function judge(pairs: readonly Pair[]): Judged {
  return {
    undisturbed: medians(pairs.map((pair) => pair.undisturbed)),
    disturbed: medians(pairs.map((pair) => pair.disturbed)),
    throughputShare: median(pairs.map((pair) => pair.disturbed.mibPerS / pair.undisturbed.mibPerS)),
    p99Times: median(
      pairs.map((pair) => pair.disturbed.p99Us / Math.max(pair.undisturbed.p99Us, P99_FLOOR_US)),
    ),
  };
}

/**
 * The median over `count` pairs keeps what more than half of them keep: with these the rest need not be measured.
 */
export function isSettled(pairs: readonly Pair[], count: number, keeps: (pair: Pair) => boolean): boolean {
  return pairs.filter(keeps).length > count / 2;
}

/** A pair that is as promised. */
export function keepsPromise(pair: Pair): boolean {
  const { throughputShare, p99Times } = judge([pair]);
  return throughputShare >= THROUGHPUT_SHARE_MIN && p99Times <= P99_TIMES_MAX;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function medians(fares: readonly Fares[]): Fares | undefined {
  if (fares.length === 0) return undefined;
  const of = (key: keyof Fares): number => Math.round(median(fares.map((each) => each[key])));
  return { mibPerS: of("mibPerS"), trips: of("trips"), p50Us: of("p50Us"), p99Us: of("p99Us") };
}
