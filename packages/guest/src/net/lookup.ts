// dns.lookup() over the host: what net.connect(), http.request() and undici take as `lookup`. Arguments are judged, and
// results given, as node:dns does both.
//
// The host asks for what it can use itself, so dns.ADDRCONFIG says nothing more. Addresses come in its order, as from
// the system's own getaddrinfo() with `verbatim`.

import { ADDRCONFIG, ALL, getDefaultResultOrder, type LookupOptions, V4MAPPED } from "node:dns";
import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import { promisify } from "node:util";
import { invalidType, invalidValue, requireFunction } from "@ringway/linux";
import { boolean } from "../argument-errors.ts";
import type { GuestNames, NameAddress } from "./names.ts";
import { requireNumber } from "./socket-arguments.ts";

export type OnAddress = (error: NodeJS.ErrnoException | null, address: string, family: number) => void;
export type OnAddresses = (error: NodeJS.ErrnoException | null, addresses: NameAddress[]) => void;
export type OnLookup = (
  error: NodeJS.ErrnoException | null,
  address: string | NameAddress[],
  family?: number,
) => void;

/** As dns.lookup(), also for promisify(). */
export interface GuestLookup {
  (hostname: string, family: number, callback: OnAddress): void;
  (hostname: string, options: LookupOptions & { all?: false | undefined }, callback: OnAddress): void;
  (hostname: string, options: LookupOptions & { all: true }, callback: OnAddresses): void;
  (hostname: string, options: LookupOptions, callback: OnLookup): void;
  (hostname: string, callback: OnAddress): void;
}

type Order = "verbatim" | "ipv4first" | "ipv6first";

interface Wanted {
  readonly family: 0 | 4 | 6;
  readonly hints: number;
  readonly all: boolean;
  readonly order: Order;
}

const FAMILIES = [0, 4, 6] as const;
const ORDERS: readonly Order[] = ["verbatim", "ipv4first", "ipv6first"];

/** A function of its own, so that it can be handed on. */
export function lookupOver(names: GuestNames): GuestLookup {
  const lookup = (hostname: string, second: unknown, third?: unknown): object => {
    if (hostname && typeof hostname !== "string") throw invalidType("hostname", "of type string", hostname);
    const options = typeof second === "function" ? undefined : second;
    const callback = (typeof second === "function" ? second : third) as OnLookup;
    const wanted = wantedOf(options, callback);
    const tell = (addresses: readonly NameAddress[]): void => {
      if (wanted.all) callback(null, [...addresses]);
      else callback(null, addresses[0]!.address, addresses[0]!.family);
    };
    const literal = isIP(hostname);
    if (!hostname) process.nextTick(() => tellNothing(wanted, callback));
    else if (literal !== 0) {
      process.nextTick(() => tell([{ address: hostname, family: literal as 4 | 6 }]));
    } else {
      find(names, hostname, wanted).then(
        (addresses) => process.nextTick(() => tell(addresses)),
        (error) => process.nextTick(() => (callback as (error: Error) => void)(error)),
      );
    }
    return {};
  };
  const promised = (hostname: string, options?: LookupOptions | number): Promise<unknown> =>
    new Promise((resolve, reject) => {
      lookup(hostname, options, (error: Error | null, address: unknown, family?: number) => {
        if (error !== null) reject(error);
        else resolve(Array.isArray(address) ? address : { address, family });
      });
    });
  return Object.assign(lookup, { [promisify.custom]: promised }) as unknown as GuestLookup;
}

/** There is nothing to look up, says node:dns, and calls it no error. */
function tellNothing({ all, family }: Wanted, callback: OnLookup): void {
  if (all) callback(null, []);
  else callback(null, null as unknown as string, family === 6 ? 6 : 4);
}

function wantedOf(options: unknown, callback: unknown): Wanted {
  const usual = { family: 0, hints: 0, all: false, order: getDefaultResultOrder() as Order } as const;
  requireFunction(callback, "callback");
  if (options === undefined || options === null) return usual;
  if (typeof options === "number") return { ...usual, family: oneOf(options, "family", FAMILIES) };
  if (typeof options !== "object") throw invalidType("options", "one of type integer or object", options);
  const { family, hints, all, verbatim, order } = options as LookupOptions & { order?: unknown };
  const isVerbatim = verbatim == null ? undefined : boolean(verbatim, "options.verbatim");
  const byVerbatim = isVerbatim === undefined ? usual.order : isVerbatim ? "verbatim" : "ipv4first";
  return {
    family: familyOf(family),
    hints: hintsOf(hints),
    all: all == null ? false : boolean(all, "options.all"),
    order: order == null ? byVerbatim : oneOf(order, "options.order", ORDERS),
  };
}

function familyOf(family: unknown): 0 | 4 | 6 {
  if (family == null) return 0;
  if (family === "IPv4") return 4;
  return family === "IPv6" ? 6 : oneOf(family, "options.family", FAMILIES);
}

function hintsOf(hints: unknown): number {
  if (hints == null) return 0;
  requireNumber(hints, "options.hints");
  const bits = hints >>> 0;
  if ((bits & ~(ADDRCONFIG | ALL | V4MAPPED)) !== 0) throw invalidValue("hints", bits, "is invalid");
  return bits;
}

function oneOf<T>(value: unknown, name: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === value);
  if (found === undefined) throw invalidValue(name, value, `must be one of: ${allowed.join(", ")}`);
  return found;
}

async function find(
  names: GuestNames,
  hostname: string,
  { family, hints, order }: Wanted,
): Promise<readonly NameAddress[]> {
  const isAscii = /^[\0-\x7f]*$/.test(hostname);
  const name = isAscii ? hostname : domainToASCII(hostname) || hostname;
  const mapped = family === 6 && (hints & V4MAPPED) !== 0;
  const found = await names.resolve(name, mapped ? 0 : family, undefined);
  const [four, six] = [found.filter((each) => each.family === 4), found.filter((each) => each.family === 6)];
  if (mapped) {
    const asSix = four.map(({ address }): NameAddress => ({ address: `::ffff:${address}`, family: 6 }));
    if ((hints & ALL) !== 0) return [...six, ...asSix];
    return six.length > 0 ? six : asSix;
  }
  if (order === "ipv4first") return [...four, ...six];
  return order === "ipv6first" ? [...six, ...four] : found;
}
