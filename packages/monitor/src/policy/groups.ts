// Groups: words of connect rules for addresses whose kind is known, whatever they are. An address is in one of them at
// the most, so a name whose rule says `resolvesTo: private` leads nobody to the host itself.
//
//   loopback   127.0.0.0/8 (RFC 1122) and ::1 (RFC 4291)
//   private    the private networks of RFC 1918 and the unique-local ones of RFC 4193, as the IANA registries of
//              special-purpose addresses have them, less a cloud's metadata and the host's own addresses
//   public     what a name may lead to without the policy saying so (special.ts)
//   host       every other address that is the host's own
//
// Link-local, shared, documentation, multicast and all else that the registries keep are in none: who means these says
// the network. An address that NAT64 takes for an IPv4 address is public, or in none; a rule that denies the group of
// the one inside denies it, as with networks (matcher.ts).
//
// Whether an address is the host's own is the kernel's to say, and costs two system calls: it is asked where a rule
// with a group would decide, and not before.

import { type Address, contains, networkFrom } from "./networks.ts";
import { notPublic } from "./special.ts";
import type { Surroundings } from "./surroundings.ts";

export const GROUPS = ["public", "private", "loopback", "host"] as const;
export type Group = (typeof GROUPS)[number];

const LOOPBACK = ["127.0.0.0/8", "::1/128"].map(networkFrom);
const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"].map(networkFrom);
/** Where clouds (Amazon's, Google's) tell their machines about themselves, at what looks like a private address. */
const METADATA = ["fd00:ec2::/32", "fd20:ce::254/128"].map(networkFrom);

/** The group that the word names, in whatever case: no pattern looks like one. */
export function groupNamed(text: string): Group | undefined {
  const lower = text.toLowerCase();
  return GROUPS.find((group) => group === lower);
}

export function isLoopback(address: Address): boolean {
  return LOOPBACK.some((network) => contains(network, address));
}

/** The group that has the address. */
export function groupOf(address: Address, surroundings: Surroundings): Group | undefined {
  if (isLoopback(address)) return "loopback";
  if (notPublic(address, surroundings) === undefined) return "public";
  if (surroundings.isOwn(address)) return "host";
  const isIn = (networks: typeof PRIVATE): boolean => networks.some((network) => contains(network, address));
  return isIn(PRIVATE) && !isIn(METADATA) ? "private" : undefined;
}
