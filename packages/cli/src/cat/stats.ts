// What went through: totals, rates since the last time, and round trips as the kernel measures them; as a line that is
// written anew on a terminal, or as a JSON object a line. All of it goes to stderr.

import { roundTripOf } from "./buffers.ts";
import type { CatRun } from "./cat.ts";

export interface Totals {
  readonly peers: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Chunks that slow peers went without. */
  readonly dropped: number;
  readonly seconds: number;
  /** Per second, since the last time. */
  readonly rateIn: number;
  readonly rateOut: number;
  /** Of peers that have one: the least, the mean and the most, in milliseconds. */
  readonly roundTripMs: { readonly least: number; readonly mean: number; readonly most: number } | undefined;
}

const EVERY_MS = 1000;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export class Stats {
  readonly #run: CatRun;
  readonly #json: boolean;
  readonly #write: (text: string) => void;
  readonly #isLive: boolean;
  readonly #startMs: number = performance.now();
  readonly #timer: NodeJS.Timeout;
  #last: { readonly atMs: number; readonly bytesIn: number; readonly bytesOut: number };

  constructor(
    run: CatRun,
    { json, isLive, write }: { json: boolean; isLive: boolean; write(text: string): void },
  ) {
    this.#run = run;
    this.#json = json;
    this.#isLive = isLive;
    this.#write = write;
    this.#last = { atMs: this.#startMs, bytesIn: 0, bytesOut: 0 };
    this.#timer = setInterval(() => this.#tell(), EVERY_MS);
    this.#timer.unref();
  }

  /** The last line. */
  close(): void {
    clearInterval(this.#timer);
    this.#tell(true);
  }

  #tell(isLast = false): void {
    const totals = this.#look();
    if (this.#json) this.#write(`${JSON.stringify(totals)}\n`);
    else if (this.#isLive) this.#write(`\r${lineOf(totals)}\x1b[K${isLast ? "\n" : ""}`);
    else this.#write(`${lineOf(totals)}\n`);
  }

  #look(): Totals {
    const { past, peers } = this.#run;
    let { bytesIn, bytesOut, dropped } = past;
    const trips: number[] = [];
    for (const peer of peers) {
      bytesIn += peer.bytesIn;
      bytesOut += peer.bytesOut;
      dropped += peer.droppedOut;
      const us = roundTripOf(peer.stream);
      if (us !== undefined) trips.push(us / 1000);
    }
    const atMs = performance.now();
    const seconds = Math.max(1, atMs - this.#last.atMs) / 1000;
    const rateIn = Math.round((bytesIn - this.#last.bytesIn) / seconds);
    const rateOut = Math.round((bytesOut - this.#last.bytesOut) / seconds);
    this.#last = { atMs, bytesIn, bytesOut };
    return {
      peers: peers.size,
      bytesIn,
      bytesOut,
      dropped,
      seconds: Math.round(atMs - this.#startMs) / 1000,
      rateIn,
      rateOut,
      roundTripMs: tripsOf(trips),
    };
  }
}

function tripsOf(trips: readonly number[]): Totals["roundTripMs"] {
  if (trips.length === 0) return undefined;
  const sum = trips.reduce((all, each) => all + each, 0);
  const [least, most] = trips.reduce(([low, high], each) => [Math.min(low, each), Math.max(high, each)], [
    Number.POSITIVE_INFINITY,
    0,
  ] as [number, number]);
  return { least, mean: Math.round((sum / trips.length) * 1000) / 1000, most };
}

function lineOf({ peers, bytesIn, bytesOut, rateIn, rateOut, dropped, roundTripMs }: Totals): string {
  const trips = roundTripMs === undefined ? "" : `, round trip ${roundTripMs.mean.toFixed(3)} ms`;
  const lost = dropped === 0 ? "" : `, ${dropped} chunks dropped`;
  return `${peers} connected, in ${size(bytesIn)} (${size(rateIn)}/s), out ${size(bytesOut)} (${size(rateOut)}/s)${trips}${lost}`;
}

/** `12.3 MiB`. */
function size(bytes: number): string {
  const unit = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** unit).toFixed(unit === 0 ? 0 : 1)} ${UNITS[unit]}`;
}
