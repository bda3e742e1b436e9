// resolve: names to addresses and back (PROTOCOL.md section 17). Open and Opened have an empty body (RSL-1); requests
// are answered as they finish.

import { type InetAddress, inetAddress } from "../address.ts";
import { HOST_MAX_BYTES } from "../limits.ts";
import { type Field, list, type Message, message, text, u32 } from "../wire.ts";

/** Addresses. Family 0 asks for both, 4 and 6 for one. */
export interface Resolve {
  readonly family: number;
  readonly name: string;
}
const hostName: Field<string> = text(HOST_MAX_BYTES);
export const Resolve: Message<Resolve> = message(0x0801, "Resolve", { family: u32, name: hostName });

/** In the order in which the host would try them, with port 0; at least one. They hold for `ttlSeconds`. */
export interface Addresses {
  readonly ttlSeconds: number;
  readonly addresses: readonly InetAddress[];
}
export const Addresses: Message<Addresses> = message(0x8801, "Addresses", {
  ttlSeconds: u32,
  addresses: list(inetAddress),
});

/** Names. The address has port 0. */
export interface Reverse {
  readonly address: InetAddress;
}
export const Reverse: Message<Reverse> = message(0x0802, "Reverse", { address: inetAddress });

/** At least one. */
export interface Names {
  readonly ttlSeconds: number;
  readonly names: readonly string[];
}
export const Names: Message<Names> = message(0x8802, "Names", { ttlSeconds: u32, names: list(hostName) });
