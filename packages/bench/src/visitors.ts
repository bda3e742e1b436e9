// Guests that come and go, and what one that stays notices: its 64-byte round trip, undisturbed and then beside them,
// round after round.
//
// Four processes attach and leave, paced, from the same user as the one that stays, so that all of them have one
// budget. They stay themselves: what is measured is the monitor, and not how programs start. Once they touch nothing of
// their regions, once 4 MiB.

import { setTimeout as sleep } from "node:timers/promises";
import type { Child, Children } from "./children.ts";
import type { Setting } from "./setting.ts";
import { median, type Spread, spread } from "./statistics.ts";

const VISITORS = 4;
/** Of each of them. */
const VISITS_PER_S = 52;
const TOUCHED_BYTES: readonly number[] = [0, 4 * 1024 * 1024];
const RTT_ITERATIONS = { full: 20_000, quick: 4000 } as const;
const ROUNDS = { full: 7, quick: 3 } as const;
/** From the start of the visitors to the first round trip. */
const SETTLE_MS = 200;
/** Visits before the first round, at least: code that is never compiled is twice as slow. */
const WARM_UP_MS = 4000;
const RUN_TIMEOUT_MS = 60_000;

export interface VisitorsResult {
  readonly touchedBytes: number;
  /** Guests that came and went, in a second. */
  readonly perSecond: number;
  /** Disturbed over undisturbed, the median of the rounds. */
  readonly p99Ratio: number;
  readonly p50Ratio: number;
  readonly undisturbedP99Us: Spread;
  readonly disturbedP99Us: Spread;
  readonly rounds: readonly VisitorsRound[];
}

export interface VisitorsRound {
  readonly undisturbed: RoundTrip;
  readonly disturbed: RoundTrip;
  readonly perSecond: number;
}

interface RoundTrip {
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Throws where there is no monitor, or where the C programs are missing. */
export async function measureVisitors(
  children: Children,
  { programs, relays, ports }: Setting,
  quick: boolean,
): Promise<VisitorsResult[]> {
  const relay = relays.get("ringway asleep");
  if (programs === undefined || relay === undefined) throw new Error("there is no guest, or no monitor");
  const guest = [programs.guest, "--attach", relay.socket];
  const size = quick ? "quick" : "full";
  const iterations = ["--iterations", String(RTT_ITERATIONS[size])];
  const stay = async (): Promise<RoundTrip> => {
    const command = [...guest, "--port", String(ports.echo), ...iterations, "rtt"];
    return JSON.parse(await children.run(command, "the guest that stays", RUN_TIMEOUT_MS)) as RoundTrip;
  };
  const round = async (touchedBytes: number, leastMs = 0): Promise<VisitorsRound> => {
    const start = performance.now();
    const undisturbed = await stay();
    const tookMs = performance.now() - start;
    const options = [
      ...["--per-second", String(VISITS_PER_S), "--bytes", String(touchedBytes)],
      ...[
        "--milliseconds",
        String(Math.max(leastMs, Math.ceil(SETTLE_MS + 2 * tookMs))),
        "--iterations",
        "1000000",
      ],
    ];
    const visitors: Child[] = [];
    for (let i = 0; i < VISITORS; i++)
      visitors.push(children.start([...guest, ...options, "visit"], "a visitor"));
    await sleep(SETTLE_MS);
    const disturbed = await stay();
    let perSecond = 0;
    for (const visitor of visitors) {
      const { count, seconds } = JSON.parse(await visitor.line()) as { count: number; seconds: number };
      perSecond += count / seconds;
    }
    return { undisturbed, disturbed, perSecond };
  };
  await round(0, WARM_UP_MS);
  const results: VisitorsResult[] = [];
  for (const touchedBytes of TOUCHED_BYTES) {
    const rounds: VisitorsRound[] = [];
    for (let i = 0; i < ROUNDS[size]; i++) rounds.push(await round(touchedBytes));
    results.push(summarize(touchedBytes, rounds));
  }
  return results;
}

function summarize(touchedBytes: number, rounds: readonly VisitorsRound[]): VisitorsResult {
  const ratio = (of: keyof RoundTrip): number =>
    median(rounds.map(({ undisturbed, disturbed }) => disturbed[of] / undisturbed[of]));
  return {
    touchedBytes,
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    p99Ratio: ratio("p99Us"),
    p50Ratio: ratio("p50Us"),
    undisturbedP99Us: spread(rounds.map(({ undisturbed }) => undisturbed.p99Us)),
    disturbedP99Us: spread(rounds.map(({ disturbed }) => disturbed.p99Us)),
    rounds,
  };
}
