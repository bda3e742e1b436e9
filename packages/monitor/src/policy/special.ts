// Which addresses are public: those that a name may resolve to without the policy saying so.
//
// From the IANA registries "IPv4 Special-Purpose Address Space" and "IPv6 Special-Purpose Address Space" (RFC 6890, as
// updated), "IPv4 Multicast" and "IPv6 Address Space". For IPv6 the test is the other way round: public is what lies in
// 2000::/3, the one block that IANA gives out as global unicast, less the entries below. Stricter than the registries
// on purpose: ranges whose addresses embed an IPv4 address (6to4, Teredo) are refused whole, because the embedded
// address may be a private one and nobody uses them any more, and so are the small anycast exceptions within
// 192.0.0.0/24 and 2001::/23, where no TCP service of a name lives, and the one address of a cloud's platform that
// looks like anybody's. Entries that the registries call globally reachable and that embed nothing (192.31.196.0/24,
// 192.52.193.0/24, 192.175.48.0/24, 2620:4f:8000::/48) stay public.
//
// NAT64 goes by the address inside, for the well-known prefix. It alone makes an address public that the registries
// would not: what it stands for is fixed, and nobody can say otherwise. A prefix that was found, which some name server
// has told, and the local one of RFC 8215, whose layout is told by nobody, do not: an address below a prefix that was
// found must be public by itself, and inside.

import { insideNat64, WELL_KNOWN_NAT64 } from "./nat64.ts";
import { type Address, contains, formatAddress, type Network, networkFrom } from "./networks.ts";
import type { Surroundings } from "./surroundings.ts";

const SPECIAL: readonly (readonly [network: string, what: string])[] = [
  ["0.0.0.0/32", "the unspecified address"],
  ["0.0.0.0/8", "this network, RFC 791"],
  ["10.0.0.0/8", "private, RFC 1918"],
  ["100.64.0.0/10", "shared by carriers, RFC 6598"],
  ["127.0.0.0/8", "loopback, RFC 1122"],
  ["168.63.129.16/32", "Azure's platform"],
  ["169.254.0.0/16", "link-local, RFC 3927"],
  ["172.16.0.0/12", "private, RFC 1918"],
  ["192.0.0.0/24", "protocol assignments, RFC 6890"],
  ["192.0.2.0/24", "documentation, RFC 5737"],
  ["192.88.99.0/24", "6to4 relays, RFC 7526"],
  ["192.168.0.0/16", "private, RFC 1918"],
  ["198.18.0.0/15", "benchmarking, RFC 2544"],
  ["198.51.100.0/24", "documentation, RFC 5737"],
  ["203.0.113.0/24", "documentation, RFC 5737"],
  ["224.0.0.0/4", "multicast, RFC 5771"],
  ["255.255.255.255/32", "broadcast, RFC 919"],
  ["240.0.0.0/4", "reserved, RFC 1112"],

  ["::/128", "the unspecified address"],
  ["::1/128", "loopback, RFC 4291"],
  ["::/96", "IPv4-compatible, RFC 4291"],
  ["64:ff9b:1::/48", "local NAT64, RFC 8215"],
  ["100::/64", "discard only, RFC 6666"],
  ["100:0:0:1::/64", "dummy prefix, RFC 9780"],
  ["2001::/32", "Teredo, RFC 4380"],
  ["2001:2::/48", "benchmarking, RFC 5180"],
  ["2001::/23", "protocol assignments, RFC 2928"],
  ["2001:db8::/32", "documentation, RFC 3849"],
  ["2002::/16", "6to4, RFC 3056"],
  ["3fff::/20", "documentation, RFC 9637"],
  ["5f00::/16", "segment routing, RFC 9602"],
  ["fc00::/7", "unique-local, RFC 4193"],
  ["fe80::/10", "link-local, RFC 4291"],
  ["fec0::/10", "site-local, RFC 3879"],
  ["ff00::/8", "multicast, RFC 4291"],
];

// More specific entries stand before those that contain them: the first match names the purpose.
const NETWORKS: readonly { readonly network: Network; readonly what: string }[] = SPECIAL.map(
  ([network, what]) => ({ network: networkFrom(network), what }),
);
const GLOBAL_UNICAST = networkFrom("2000::/3");

/**
 * Why a name may not lead to the address by itself, or undefined where it may: the address is public, and elsewhere.
 */
export function notPublic(address: Address, surroundings: Surroundings): string | undefined {
  for (const inside of insideNat64(address, surroundings.nat64)) {
    const why = notPublic(inside, surroundings);
    if (why !== undefined) return `NAT64 of ${formatAddress(inside)}: ${why}`;
  }
  const purpose = contains(WELL_KNOWN_NAT64, address) ? undefined : specialPurpose(address);
  return purpose ?? (surroundings.isOwn(address) ? "an address of this host" : undefined);
}

/** What the registries keep the address for, or undefined where it is anybody's. */
function specialPurpose(address: Address): string | undefined {
  for (const { network, what } of NETWORKS) if (contains(network, address)) return what;
  if (address.family === 6 && !contains(GLOBAL_UNICAST, address)) return "not global unicast, RFC 4291";
  return undefined;
}

const GROUPS = [networkFrom("224.0.0.0/4"), networkFrom("ff00::/8")] as const;
const BROADCAST = networkFrom("255.255.255.255/32");

/**
 * How many bits a network must have to name the address, where a datagram to it has many takers: as many as the one of
 * all groups, or all for a broadcast address. 0: it goes to one host.
 */
export function namingBits(address: Address, surroundings: Surroundings): number {
  for (const group of GROUPS) if (contains(group, address)) return group.prefix;
  return contains(BROADCAST, address) || surroundings.isBroadcast(address) ? BROADCAST.prefix : 0;
}

/** 0.0.0.0 and :: name no host, but Linux connects them to the loopback interface. */
export function isUnspecified(address: Address): boolean {
  return address.words.every((word) => word === 0);
}
