// NAT64 (RFC 6052): IPv6 addresses that a translator takes for the IPv4 address inside. Where the four bytes are goes
// by the length of the prefix; byte 8 is left out.
//
//   prefix   32: 4-7 | 40: 5-7, 9 | 48: 6-7, 9-10 | 56: 7, 9-11 | 64: 9-12 | 96: 12-15
//
// 64:ff9b::/96 is everybody's, and nothing but a translator is behind it. A network may have prefixes of its own, which
// it tells by the addresses of ipv4only.arpa (RFC 7050).

import { type Address, addressBytes, contains, type Network, networkFrom, networkOf } from "./networks.ts";

export const WELL_KNOWN_NAT64: Network = networkFrom("64:ff9b::/96");

/** RFC 7050: who asks for the addresses of this name gets these, each inside of a prefix. */
export const NAT64_NAME = "ipv4only.arpa";
const WELL_KNOWN_INSIDE = ["192.0.0.170", "192.0.0.171"].map((text) => networkFrom(text).words[0]!);

/** Prefixes that are believed at once: a network has one or two. */
const PREFIXES_MAX = 8;

const PLACES: ReadonlyMap<number, readonly number[]> = new Map([
  [96, [12, 13, 14, 15]],
  [64, [9, 10, 11, 12]],
  [56, [7, 9, 10, 11]],
  [48, [6, 7, 9, 10]],
  [40, [5, 6, 7, 9]],
  [32, [4, 5, 6, 7]],
]);

/**
 * The IPv4 addresses inside, by the well-known prefix and by `prefixes`: none where the address is below none of them.
 */
export function insideNat64(address: Address, prefixes: readonly Network[]): Address[] {
  if (address.family === 4) return [];
  return [WELL_KNOWN_NAT64, ...prefixes]
    .filter((network) => contains(network, address))
    .map((network) => ({ family: 4, words: [insideWord(address, PLACES.get(network.prefix)!)] }));
}

/** The prefixes that the addresses of NAT64_NAME tell (RFC 7050, section 3), without the well-known one. */
export function nat64Prefixes(addresses: readonly Address[]): Network[] {
  const prefixes = new Map<string, Network>();
  for (const address of addresses) {
    if (address.family === 4) continue;
    for (const [length, places] of PLACES) {
      if (!WELL_KNOWN_INSIDE.includes(insideWord(address, places))) continue;
      const prefix = networkOf(address, length);
      if (prefix.text !== WELL_KNOWN_NAT64.text) prefixes.set(prefix.text, prefix);
    }
  }
  return [...prefixes.values()].slice(0, PREFIXES_MAX);
}

function insideWord(address: Address, places: readonly number[]): number {
  const bytes = addressBytes(address);
  return places.reduce((word, place) => word * 256 + bytes[place]!, 0);
}
