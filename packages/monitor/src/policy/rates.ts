// The rates of a policy: so much in a second, and so much at once.

import { RATE_BYTES_MAX, RATE_BYTES_MIN } from "./defaults.ts";
import type { BuildContext, RawPolicy } from "./raw.ts";
import { formatSize, parseSize } from "./sizes.ts";
import { expectedFound, shown } from "./text.ts";
import { type RateLimit, type Rates, UNLIMITED } from "./types.ts";

type RawRates = NonNullable<RawPolicy["rates"]>;

export function buildRates(raw: RawRates, context: BuildContext): Rates {
  const size = (key: keyof RawRates): number => {
    const value = raw[key];
    if (value === undefined || value === "unlimited" || context.isBroken(["rates", key])) return UNLIMITED;
    const bytes = parseSize(value);
    if (bytes !== undefined && bytes >= RATE_BYTES_MIN && bytes <= RATE_BYTES_MAX) return bytes;
    const expected = `a size from ${formatSize(RATE_BYTES_MIN)} to ${formatSize(RATE_BYTES_MAX)}`;
    context.complain(["rates", key], expectedFound(expected, shown(value)));
    return UNLIMITED;
  };
  const bytes = (key: "bytesToHost" | "bytesToGuest"): RateLimit => {
    const perSecond = size(key);
    const burstKey = `${key}Burst` as const;
    if (raw[burstKey] === undefined) return { perSecond, burst: perSecond };
    if (raw[key] === undefined || raw[key] === "unlimited") {
      context.complain(["rates", burstKey], `goes only with a limit in "${key}"`);
    }
    return { perSecond, burst: size(burstKey) };
  };
  const count = (key: "connections" | "datagrams" | "lookups"): RateLimit => {
    const value = raw[key];
    const isNumber = typeof value === "number" && !context.isBroken(["rates", key]);
    const perSecond = isNumber ? value : UNLIMITED;
    return { perSecond, burst: perSecond };
  };
  return {
    bytesToHost: bytes("bytesToHost"),
    bytesToGuest: bytes("bytesToGuest"),
    connections: count("connections"),
    datagrams: count("datagrams"),
    lookups: count("lookups"),
  };
}
