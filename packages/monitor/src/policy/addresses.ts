// IP addresses and networks as big-endian u32 words: one word for IPv4, four for IPv6. The one place where text becomes
// an address, so that what is matched and what is connected to cannot differ:
// - an IPv4-mapped IPv6 address (::ffff:a.b.c.d) IS that IPv4 address, and a network below ::ffff:0:0/96 that IPv4 network;
// - zone ids (fe80::1%eth0) are refused: no policy can say what an interface of the host means to a guest;
// - the old IPv4 forms of inet_aton (127.1, 0x7f000001, 010.0.0.1) are refused.
import { isIPv6 } from "node:net";

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
  const word = ipv4Word(text);
  if (word >= 0) return { family: 4, words: [word] };
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const words = ipv6Words(text);
  if (words[0] === 0 && words[1] === 0 && words[2] === 0xffff) return { family: 4, words: [words[3]!] };
  return { family: 6, words };
}

/** RFC 5952, and dotted for IPv4: the form to log, and to hand to the system call. */
export function formatAddress(address: Address): string {
  if (address.family === 4) {
    const word = address.words[0]!;
    return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
  }
  const groups = address.words.flatMap((word) => [word >>> 16, word & 0xffff]);
  const zeros = longestZeroRun(groups);
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  if (zeros.length < 2) return hex(groups);
  return `${hex(groups.slice(0, zeros.start))}::${hex(groups.slice(zeros.start + zeros.length))}`;
}

/** In network order: 4 bytes or 16. */
export function addressBytes({ words }: Address): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setUint32(4 * i, word);
  return bytes;
}

/** The address in its one canonical form (IPv4-mapped as IPv4), or undefined where the text is none. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address === undefined ? undefined : formatAddress(address);
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

const DOT = 46;
const ZERO = 48;

/** -1 where the text is no address: four numbers up to 255, without zeros in front. Each connect asks, so by one look at each character. */
function ipv4Word(text: string): number {
  if (text.length > "255.255.255.255".length) return -1;
  let word = 0;
  let numbers = 0;
  let number = -1;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : DOT;
    if (code === DOT) {
      if (number < 0 || numbers === 4) return -1;
      word = word * 256 + number;
      numbers++;
      number = -1;
      continue;
    }
    const digit = code - ZERO;
    if (digit < 0 || digit > 9 || number === 0) return -1;
    number = number < 0 ? digit : number * 10 + digit;
    if (number > 255) return -1;
  }
  return numbers === 4 ? word : -1;
}

/** The text is a valid IPv6 address, by node:net. */
function ipv6Words(text: string): number[] {
  const [head = "", tail] = text.split("::");
  const front = ipv6Groups(head);
  const back = tail === undefined ? [] : ipv6Groups(tail);
  const groups = [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
  return [0, 2, 4, 6].map((i) => groups[i]! * 65536 + groups[i + 1]!);
}

function ipv6Groups(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [Number.parseInt(part, 16)];
    const word = ipv4Word(part);
    return [word >>> 16, word & 0xffff];
  });
}

/** The first of the longest runs of zero groups. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
