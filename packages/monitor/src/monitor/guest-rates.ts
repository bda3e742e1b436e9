// Rates that an operator sets for one guest, in place of what its policy says: as numbers, within the policy's bounds.

import { invalidValue, requireKeys, requireObject } from "@ringway/linux";
import { RATE_BYTES_MAX, RATE_BYTES_MIN } from "../policy/defaults.ts";
import { type RateLimit, type Rates, UNLIMITED } from "../policy/types.ts";

/** In a second. What is absent is as the policy says. */
export interface GuestRates {
  readonly bytesToHost?: number | "unlimited";
  readonly bytesToGuest?: number | "unlimited";
  /** New ones, either way. */
  readonly connections?: number | "unlimited";
  readonly datagrams?: number | "unlimited";
  readonly lookups?: number | "unlimited";
}

const BYTES: readonly [number, number] = [RATE_BYTES_MIN, RATE_BYTES_MAX];
const COUNT: readonly [number, number] = [1, 1_000_000_000];

/** Least and most of each. */
export const RATE_BOUNDS: { readonly [K in keyof Required<GuestRates>]: readonly [number, number] } = {
  bytesToHost: BYTES,
  bytesToGuest: BYTES,
  connections: COUNT,
  datagrams: COUNT,
  lookups: COUNT,
};

/** Of one stream: those of its guest hold, too. */
export type StreamRates = Pick<GuestRates, "bytesToHost" | "bytesToGuest">;

export const STREAM_RATES: readonly (keyof StreamRates)[] = ["bytesToHost", "bytesToGuest"];
const ALL_RATES = Object.keys(RATE_BOUNDS) as (keyof GuestRates)[];

/** `keys`: those that it may have. Throws TypeError with Node's code. */
export function ratesFrom(
  given: GuestRates,
  keys: readonly (keyof GuestRates)[] = ALL_RATES,
): Partial<Rates> {
  requireObject(given, "rates", "an object such as { bytesToHost: 1000000 }");
  requireKeys(given, "rate", keys);
  const rates: [string, RateLimit][] = [];
  for (const key of keys) {
    const [least, most] = RATE_BOUNDS[key];
    const value = given[key];
    if (value === undefined) continue;
    const isIn = value === "unlimited" || (Number.isInteger(value) && value >= least && value <= most);
    if (!isIn) throw invalidValue(`rates.${key}`, value, `must be "unlimited" or ${least} to ${most}`);
    const perSecond = value === "unlimited" ? UNLIMITED : value;
    rates.push([key, { perSecond, burst: perSecond }]);
  }
  return Object.fromEntries(rates);
}
