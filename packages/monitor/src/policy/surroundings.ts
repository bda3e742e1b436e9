// What an address is depends on where the monitor runs: whether it is one of the host's own, and whether a translator
// of its network takes it for an IPv4 address. The policy is told by whoever knows; without anybody, no address is own,
// and no network has NAT64 prefixes.

import type { Address, Network } from "./networks.ts";

export interface Surroundings {
  /** Whether a connection to the address stays on this host. */
  isOwn(address: Address): boolean;
  /** Whether a datagram to the address goes to everybody of a network of this host's. */
  isBroadcast(address: Address): boolean;
  /** Prefixes of NAT64 that the network has beside the well-known one (RFC 6052): of 32, 40, 48, 56, 64 or 96 bits. */
  readonly nat64: readonly Network[];
}

export const NO_SURROUNDINGS: Surroundings = { isOwn: () => false, isBroadcast: () => false, nat64: [] };
