// Numbers and times on the command line: what they may be, how they are refused, and how a count is told.

import { InvalidArgumentError } from "commander";

export type Bounds = readonly [least: number, most: number];

/** Least and most of each, both allowed. Those of `ringway monitor` are the library's own (MONITOR_BOUNDS). */
export const BOUNDS: Readonly<
  Record<
    | "busyPollUs"
    | "drainMs"
    | "maxGuests"
    | "graceMs"
    | "timeoutMs"
    | "region"
    | "clients"
    | "ttl"
    | "chunk"
    | "seed"
    | "buffer"
    | "delayMs",
    Bounds
  >
> = {
  /** 0: never. A second and more is a processor given away. */
  busyPollUs: [0, 1_000_000],
  /** 0: cuts off at once. */
  drainMs: [0, 3_600_000],
  /** A monitor for nobody is a mistake. */
  maxGuests: [1, 100_000],
  /** 0: SIGKILL right after SIGTERM. */
  graceMs: [0, 3_600_000],
  /** No program answers in no time. */
  timeoutMs: [1, 3_600_000],
  /** A monitor has one for each guest. */
  region: [1, 100_000],
  /** Of one address. */
  clients: [1, 100_000],
  ttl: [0, 255],
  /** More than a mebibyte at once gains nothing. */
  chunk: [1, 1024 * 1024],
  seed: [0, 2 ** 32 - 1],
  /** The kernel caps it. */
  buffer: [1, 2 ** 30],
  delayMs: [0, 60_000],
};

/** For commander: a whole number within `bounds`. */
export function whole([least, most]: Bounds): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
/** A boot that takes a day is none. */
const TIME_MS_MAX = 24 * 3_600_000;

/** For commander: milliseconds of `90s`, `1500ms`, `2m` or `1h`; of `90` as seconds, as timeout(1) takes it. */
export function time(text: string): number {
  const [, digits, unit = "s"] = /^(\d+)(ms|s|m|h)?$/.exec(text) ?? [];
  const ms = Number(digits) * UNIT_MS[unit]!;
  if (ms >= 1 && ms <= TIME_MS_MAX) return ms;
  throw new InvalidArgumentError("Expected a time from 1ms to 24h, such as 90s, 2m, or 90 for seconds.");
}

const UNIT_BYTES: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };
/** Less is a file for each packet. */
const SIZE_BYTES = [4096, 1024 ** 4] as const;

/** For commander: bytes of `100M`, `64K`, `2G` or `1000000`. */
export function bytesOf(text: string): number {
  const [, digits, unit = ""] = /^(\d{1,15})([KMG])?$/.exec(text) ?? [];
  const bytes = Number(digits) * UNIT_BYTES[unit]!;
  if (bytes >= SIZE_BYTES[0] && bytes <= SIZE_BYTES[1]) return bytes;
  throw new InvalidArgumentError("Expected a size from 4K to 1024G, such as 100M.");
}

/** For commander: `10` or `10-50`, up to `most`. */
export function range(most: number): (text: string) => Bounds {
  return (text) => {
    const [, low, high = low] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
    const found: Bounds = [Number(low), Number(high)];
    if (low !== undefined && found[0] <= found[1] && found[1] <= most) return found;
    throw new InvalidArgumentError(`Expected a number, or two as in 10-50, from 0 to ${most}.`);
  };
}

/** For commander: 0 to 100, also 0.5. */
export function percent(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value <= 100) return value;
  throw new InvalidArgumentError("Expected a percentage from 0 to 100.");
}

/** `1 rule`, `2 rules`. */
export function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
