// Guests that come and go, and what one that stays notices: its 64-byte round trip, undisturbed, beside visitors of the
// C relay, and beside those of its own monitor, round after round. The second is what the visitors' processes take of
// the processors, whoever serves them.
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
  /** Disturbed over the round trip beside the C relay's visitors, the median of the rounds. */
  readonly p99VsElsewhere: number;
  readonly p50Ratio: number;
  readonly undisturbedP99Us: Spread;
  readonly elsewhereP99Us: Spread;
  readonly disturbedP99Us: Spread;
  readonly rounds: readonly VisitorsRound[];
}

export interface VisitorsRound {
  readonly undisturbed: RoundTrip;
  /** Beside visitors of the C relay. */
  readonly elsewhere: RoundTrip;
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
  const monitor = relays.get("ringway asleep");
  const elsewhere = relays.get("c asleep");
  if (programs === undefined || monitor === undefined || elsewhere === undefined)
    throw new Error("there is no guest, no monitor, or no C relay");
  const { guest } = programs;
  const size = quick ? "quick" : "full";
  const iterations = ["--iterations", String(RTT_ITERATIONS[size])];
  const stay = async (): Promise<RoundTrip> => {
    const command = [guest, "--attach", monitor.socket, "--port", String(ports.echo), ...iterations, "rtt"];
    return JSON.parse(await children.run(command, "the guest that stays", RUN_TIMEOUT_MS)) as RoundTrip;
  };
  const beside = async (visitors: Visitors): Promise<{ trip: RoundTrip; perSecond: number }> => {
    const come = startVisitors(children, guest, visitors);
    await sleep(SETTLE_MS);
    const trip = await stay();
    let perSecond = 0;
    for (const visitor of come) {
      const { count, seconds } = JSON.parse(await visitor.line()) as { count: number; seconds: number };
      perSecond += count / seconds;
    }
    return { trip, perSecond };
  };
  const round = async (touchedBytes: number, leastMs = 0): Promise<VisitorsRound> => {
    const start = performance.now();
    const undisturbed = await stay();
    const milliseconds = Math.max(leastMs, Math.ceil(SETTLE_MS + 2 * (performance.now() - start)));
    const other = await beside({ socket: elsewhere.socket, touchedBytes, milliseconds });
    const { trip, perSecond } = await beside({ socket: monitor.socket, touchedBytes, milliseconds });
    return { undisturbed, elsewhere: other.trip, disturbed: trip, perSecond };
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

interface Visitors {
  readonly socket: string;
  readonly touchedBytes: number;
  readonly milliseconds: number;
}

function startVisitors(
  children: Children,
  guest: string,
  { socket, touchedBytes, milliseconds }: Visitors,
): Child[] {
  const paced = ["--per-second", String(VISITS_PER_S), "--iterations", "1000000"];
  const options = [...paced, "--bytes", String(touchedBytes), "--milliseconds", String(milliseconds)];
  const command = [guest, "--attach", socket, ...options, "visit"];
  return Array.from({ length: VISITORS }, () => children.start(command, "a visitor"));
}

function summarize(touchedBytes: number, rounds: readonly VisitorsRound[]): VisitorsResult {
  const ratio = (of: keyof RoundTrip, to: "undisturbed" | "elsewhere"): number =>
    median(rounds.map((round) => round.disturbed[of] / round[to][of]));
  const p99 = (of: "undisturbed" | "elsewhere" | "disturbed"): Spread =>
    spread(rounds.map((round) => round[of].p99Us));
  return {
    touchedBytes,
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    p99Ratio: ratio("p99Us", "undisturbed"),
    p99VsElsewhere: ratio("p99Us", "elsewhere"),
    p50Ratio: ratio("p50Us", "undisturbed"),
    undisturbedP99Us: p99("undisturbed"),
    elsewhereP99Us: p99("elsewhere"),
    disturbedP99Us: p99("disturbed"),
    rounds,
  };
}
