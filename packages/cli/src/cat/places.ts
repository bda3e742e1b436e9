// The words of the command line that say where to: targets, and what is listened at.
//
//   target:  [tls:][SOURCE=]HOST:PORT[xN]   [tls:]PATH[xN]
//   listen:  [tls:]HOST:PORT   [tls:]:PORT   [tls:]*:PORT   [tls:]*   [tls:]PATH
//
// SOURCE is HOST or HOST:PORT; an IPv6 address stands in [ ]. What has a slash is the path of a Unix socket.

import { isIPv6 } from "node:net";
import { UsageError } from "../errors.ts";
import type { Address } from "./network.ts";

export interface Target {
  /** As it was typed. */
  readonly text: string;
  readonly to: Address;
  readonly from: { readonly host: string; readonly port: number } | undefined;
  readonly count: number;
  readonly tls: boolean;
}

export interface ListenPlace {
  readonly text: string;
  /** `all`: both families at once; `each`: each local address. */
  readonly at: Address | { readonly every: "all" | "each"; readonly port: number };
  readonly tls: boolean;
}

/** More connections than a process may have descriptors are a mistake of typing. */
const COUNT_MAX = 100_000;
const TLS = "tls:";

export function targetOf(text: string): Target {
  const { rest: untagged, tls } = withoutTls(text);
  const [, place = "", times = "1"] = /^(.*?)(?:x(\d+))?$/s.exec(untagged)!;
  const count = Number(times);
  if (count < 1 || count > COUNT_MAX) {
    throw new UsageError(`${text}: x${times}: expected x1 to x${COUNT_MAX} connections`);
  }
  if (place.includes("/")) return { text, to: { path: place }, from: undefined, count, tls };
  const equals = place.indexOf("=");
  const source = equals < 0 ? undefined : place.slice(0, equals);
  const to = hostAndPort(place.slice(equals + 1), text);
  if (to.port === 0) throw new UsageError(`${text}: nobody listens at port 0`);
  return { text, to, from: source === undefined ? undefined : sourceOf(source, text), count, tls };
}

export function listenPlaceOf(text: string): ListenPlace {
  const { rest, tls } = withoutTls(text);
  if (rest.includes("/")) return { text, at: { path: rest }, tls };
  const [, every, digits] = /^(\*?)(?::(\d+))?$/.exec(rest) ?? [];
  if (every !== undefined && rest !== "") {
    const port = portOf(digits ?? "0", text);
    return { text, at: { every: every === "*" ? "all" : "each", port }, tls };
  }
  return { text, at: hostAndPort(rest, text), tls };
}

/** As people write it: HOST:PORT with an IPv6 address in [ ], or a path. */
export function addressText(address: Address): string {
  if ("path" in address) return address.path;
  return `${isIPv6(address.host) ? `[${address.host}]` : address.host}:${address.port}`;
}

function withoutTls(text: string): { readonly rest: string; readonly tls: boolean } {
  return text.startsWith(TLS) ? { rest: text.slice(TLS.length), tls: true } : { rest: text, tls: false };
}

function hostAndPort(words: string, text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d+)$/.exec(words);
  if (match === null) {
    const hint = isIPv6(words.replace(/:\d+$/, "")) ? "; an IPv6 address stands in [ ]" : "";
    throw new UsageError(
      `${text}: expected HOST:PORT, or the path of a Unix socket with a slash in it${hint}`,
    );
  }
  return { host: match[1] ?? match[2]!, port: portOf(match[3]!, text) };
}

function sourceOf(words: string, text: string): { host: string; port: number } {
  const bare = /^(?:\[([^\]]+)\]|([^:[\]]+))$/.exec(words);
  return bare === null ? hostAndPort(words, text) : { host: bare[1] ?? bare[2]!, port: 0 };
}

function portOf(digits: string, text: string): number {
  const port = Number(digits);
  if (port > 0xffff) throw new UsageError(`${text}: a port is a number from 0 to 65535`);
  return port;
}
