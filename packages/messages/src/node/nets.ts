// Whose address it is, as far as limits and bans go: one host has one IPv4 address, written in one way, and as many
// IPv6 addresses of its /64 as it likes.

import { isIPv6 } from "node:net";

/** The address of IPv4; of IPv6 its first 64 bits: "2001:db8:0:1::/64". Anything else as it is. */
export function netOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.replace(/%.*$/, "").split("::");
  const groups = head === "" ? [] : head.split(":");
  // Two groups are one of IPv4's notation; only the first four matter.
  const behind = tail === undefined || tail === "" ? [] : tail.split(":");
  const width = behind.length + (behind.at(-1)?.includes(".") === true ? 1 : 0);
  if (tail !== undefined) groups.push(...Array<string>(8 - groups.length - width).fill("0"), ...behind);
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}
