// Names to which the policy itself gives addresses (`hosts`): guests find them there before anything else is asked, and
// each address is judged as one that a name server had told.

import { normalizeName } from "./names.ts";
import { formatAddress, parseAddress } from "./networks.ts";
import type { BuildContext, RawPolicy } from "./raw.ts";
import { isUnspecified } from "./special.ts";
import { quoted } from "./text.ts";
import type { Policy } from "./types.ts";

/** By this name a guest asks for its host's own loopback, as `localhost` is taken for its own by most programs. */
const HOST_NAME = "host.ringway";
const LOCALHOST = "localhost";
const LOOPBACK = ["127.0.0.1", "::1"];

/** The addresses that a name, which is normalized, has whatever anybody else says. */
export function fixedAddresses(
  hosts: ReadonlyMap<string, readonly string[]>,
  name: string,
): readonly string[] {
  return hosts.get(name) ?? (name === LOCALHOST ? LOOPBACK : []);
}

export function buildHosts(raw: NonNullable<RawPolicy["hosts"]>, context: BuildContext): Policy["hosts"] {
  const hosts = new Map<string, readonly string[]>([[HOST_NAME, LOOPBACK]]);
  const given = new Map<string, string>();
  for (const [text, value] of context.isBroken(["hosts"]) ? [] : Object.entries(raw)) {
    const path = ["hosts", text];
    if (context.isBroken(path)) continue;
    const result = normalizeName(text);
    if ("problem" in result) {
      context.complain(path, `expected a name; ${result.problem}`);
      continue;
    }
    const same = given.get(result.name);
    if (same !== undefined) {
      context.complain(path, `expected a name of its own; ${quoted(text)} is ${quoted(same)}`);
      continue;
    }
    given.set(result.name, text);
    hosts.set(result.name, addresses(value, path, context));
  }
  return Object.fromEntries(hosts);
}

/** In canonical form, each once. */
function addresses(
  value: string | readonly string[],
  path: readonly string[],
  context: BuildContext,
): string[] {
  const found = new Set<string>();
  const isList = typeof value !== "string";
  for (const [index, text] of (isList ? value : [value]).entries()) {
    const place = isList ? [...path, index] : path;
    if (context.isBroken(place)) continue;
    const address = parseAddress(text);
    if (address === undefined) {
      context.complain(place, `expected an address, found ${quoted(text)}`);
    } else if (isUnspecified(address)) {
      context.complain(place, `expected an address of a host; ${text} is nobody's`);
    } else found.add(formatAddress(address));
  }
  return [...found];
}
