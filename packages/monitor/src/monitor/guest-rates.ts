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

/** Throws TypeError with Node's code. */
export function ratesFrom(given: GuestRates): Partial<Rates> {
  requireObject(given, "rates", "an object such as { bytesToHost: 1000000 }");
  requireKeys(given, "rate", Object.keys(RATE_BOUNDS));
  const rates: [string, RateLimit][] = [];
  for (const [key, [least, most]] of Object.entries(RATE_BOUNDS)) {
    const value = given[key as keyof GuestRates];
    if (value === undefined) continue;
    const isIn = value === "unlimited" || (Number.isInteger(value) && value >= least && value <= most);
    if (!isIn) throw invalidValue(`rates.${key}`, value, `must be "unlimited" or ${least} to ${most}`);
    const perSecond = value === "unlimited" ? UNLIMITED : value;
    rates.push([key, { perSecond, burst: perSecond }]);
  }
  return Object.fromEntries(rates);
}
