// IP addresses and networks as the matcher compares them: big-endian u32 words, one for IPv4, four for IPv6. What text
// is an address control/address.ts says; here an IPv4-mapped IPv6 address (::ffff:a.b.c.d) IS that IPv4 address, and a
// network below ::ffff:0:0/96 that IPv4 network.

import { formatIp, parseIp, unmapIp } from "@ringway/control";

export interface Address {
  readonly family: 4 | 6;
  readonly words: readonly number[];
}

export interface Network {
  readonly family: 4 | 6;
  readonly words: readonly number[];
  readonly masks: readonly number[];
  readonly prefix: number;
  /** Canonical: `10.0.0.0/8`, and a bare address where the prefix is its whole length. */
  readonly text: string;
}

export type NetworkResult = { readonly network: Network } | { readonly problem: string };

export function parseAddress(text: string): Address | undefined {
  const bytes = parseIp(text);
  return bytes && addressOf(bytes);
}

/** Of 4 or 16 bytes, in network order. */
export function addressOf(address: Uint8Array): Address {
  const bytes = unmapIp(address);
  const words: number[] = [];
  for (let i = 0; i < bytes.length; i += 4) {
    words.push(((bytes[i]! << 24) | (bytes[i + 1]! << 16) | (bytes[i + 2]! << 8) | bytes[i + 3]!) >>> 0);
  }
  return { family: bytes.length === 4 ? 4 : 6, words };
}

/** The form to log, and to hand to the system call. */
export function formatAddress(address: Address): string {
  return formatIp(addressBytes(address));
}

/** In network order: 4 bytes or 16. */
export function addressBytes({ words }: Address): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = words[i >> 2]! >>> (24 - 8 * (i & 3));
  return bytes;
}

/** An address or a CIDR. */
export function parseNetwork(text: string): NetworkResult {
  const slash = text.indexOf("/");
  const base = slash < 0 ? text : text.slice(0, slash);
  if (base.includes("%")) return { problem: "an address here may not have a zone id (%...)" };
  const address = parseAddress(base);
  if (address === undefined) return { problem: `${JSON.stringify(base)} is not an IPv4 or IPv6 address` };

  const bits = address.family === 4 ? 32 : 128;
  if (slash < 0) return { network: networkOf(address, bits) };
  // A mapped network's prefix counts the 96 bits in front of the IPv4 address.
  const mappedBits = address.family === 4 && base.includes(":") ? 96 : 0;
  const prefixText = text.slice(slash + 1);
  const written = /^(0|[1-9][0-9]{0,2})$/.test(prefixText) ? Number(prefixText) : -1;
  const prefix = written - mappedBits;
  if (prefix < 0 || prefix > bits) {
    return { problem: `the prefix of ${text} must be a number from ${mappedBits} to ${bits + mappedBits}` };
  }
  const network = networkOf(address, prefix);
  if (network.words.some((word, i) => word !== address.words[i])) {
    return { problem: `${text} has bits set below its prefix; the network is ${network.text}` };
  }
  return { network };
}

export function networkOf(address: Address, prefix: number): Network {
  const masks = address.words.map((_, i) => wordMask(prefix - 32 * i));
  const words = address.words.map((word, i) => (word & masks[i]!) >>> 0);
  const bits = 32 * words.length;
  const text = formatAddress({ family: address.family, words }) + (prefix === bits ? "" : `/${prefix}`);
  return { family: address.family, words, masks, prefix, text };
}

/** A network that is known to be right: of a checked policy, or of our own tables. */
export function networkFrom(text: string): Network {
  const result = parseNetwork(text);
  if ("problem" in result) throw new TypeError(result.problem);
  return result.network;
}

export function contains(network: Network, address: Address): boolean {
  if (network.family !== address.family) return false;
  for (let i = 0; i < network.words.length; i++) {
    if (((address.words[i]! ^ network.words[i]!) & network.masks[i]!) !== 0) return false;
  }
  return true;
}

/** A mask of the upper `bits` bits of one word; a shift of 32 would be one of 0, hence the ends. */
function wordMask(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0;
}
