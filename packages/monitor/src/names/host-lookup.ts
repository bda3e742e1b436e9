// The host's own way from a name to its addresses, without a thread that waits: the hosts file, then localhost, then
// DNS.
//
//   name ─ in the hosts file ──────────────────────────────▶ its addresses
//     ├── localhost, *.localhost (RFC 6761) ───────────────▶ loopback; no server is ever asked
//     └── DNS: AAAA ┬─ each: server, next server, ... ─────▶ both answered: AAAA, then A
//               A ──┘                                        one first: below
//
// RFC 8305, section 3: AAAA that come first are told at once; A that come first wait 50 ms for AAAA. Then the others
// follow when they come, so a server that keeps one of the two waiting costs nobody a connection.
//
// A server that fails (SERVFAIL, REFUSED, unreachable, silent) is passed over for the next; one that says that the
// name, or the type, does not exist is believed. Absolute names only: no search list.
//
// Who wants to know of the network's NAT64 prefixes is told before the addresses that may lie below one: AAAA come only
// then (nat64-discovery.ts).

import { setTimeout as delay } from "node:timers/promises";
import { requireList, requireObject, requireText } from "@ringway/linux";
import { type Hosts, parseHosts } from "./hosts-file.ts";
import { type Family, isAbsence, NameServer } from "./name-server.ts";
import { Nat64Discovery, type Nat64Listener } from "./nat64-discovery.ts";
import { parseResolvConf, type ResolvConf } from "./resolv-conf.ts";
import type { Lookup, LookupDetails, ReverseLookup } from "./resolver.ts";
import { WatchedFile } from "./watched-file.ts";

export interface HostLookupOptions {
  /** Name servers to ask, each `address`, `address:port` or `[address]:port`. Default: those of resolv.conf. */
  readonly nameServers?: readonly string[];
  /** Default /etc/hosts. */
  readonly hostsFile?: string;
  /** Default /etc/resolv.conf. */
  readonly resolvConf?: string;
}

/** Throws TypeError with Node's code for what are no options of hostLookup(). */
export function requireNames(value: unknown, name: string): void {
  requireObject(value, name, "an object such as { nameServers }");
  const { nameServers, hostsFile, resolvConf } = value as Record<string, unknown>;
  if (nameServers !== undefined) requireList(nameServers, `${name}.nameServers`, requireText);
  if (hostsFile !== undefined) requireText(hostsFile, `${name}.hostsFile`);
  if (resolvConf !== undefined) requireText(resolvConf, `${name}.resolvConf`);
}

/** RFC 8305, section 8: Resolution Delay. */
const RESOLUTION_DELAY_MS = 50;
const LOOPBACK = ["::1", "127.0.0.1"];
/** No answer holds for longer than a day, whatever it says. */
const TTL_MAX_S = 86_400;

/**
 * Reads its files again when they change. `nat64` is told the prefixes of the network. Throws NameServerError for a
 * name server that is none.
 */
export function hostLookup(options: HostLookupOptions = {}, nat64?: Nat64Listener): Lookup {
  requireNames(options, "options");
  const hosts = new WatchedFile<Hosts>(options.hostsFile ?? "/etc/hosts", parseHosts);
  const conf = new WatchedFile(options.resolvConf ?? "/etc/resolv.conf", (text) => {
    const parsed = parseResolvConf(text);
    return new Dns({ ...parsed, servers: options.nameServers ?? parsed.servers }, nat64);
  });
  // A wrong option is told now, and not at the first lookup.
  conf.value;
  return async (name, signal, early, details) => {
    const listed = hosts.value.get(name);
    if (listed !== undefined) return listed;
    if (name === "localhost" || name.endsWith(".localhost")) return LOOPBACK;
    return await conf.value.lookup(name, signal, early, details);
  };
}

/** Names of addresses, from the same files and servers. */
export function hostReverse(options: HostLookupOptions = {}): ReverseLookup {
  requireNames(options, "options");
  const hosts = new WatchedFile(options.hostsFile ?? "/etc/hosts", (text) => namesIn(parseHosts(text)));
  const conf = new WatchedFile(options.resolvConf ?? "/etc/resolv.conf", (text) => {
    const parsed = parseResolvConf(text);
    return new Dns({ ...parsed, servers: options.nameServers ?? parsed.servers }, undefined);
  });
  conf.value;
  return async (address, signal) => {
    const listed = hosts.value.get(address);
    if (listed !== undefined) return listed;
    // As with localhost: nobody outside is asked about this host's own.
    if (LOOPBACK.includes(address)) return ["localhost"];
    return await conf.value.names(address, signal);
  };
}

/** The names of each address, in the order of the lines. */
function namesIn(hosts: Hosts): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const [name, addresses] of hosts) {
    for (const address of addresses) {
      const known = names.get(address);
      if (known === undefined) names.set(address, [name]);
      else known.push(name);
    }
  }
  return names;
}

/** What became of the question for one family. */
interface Outcome {
  readonly family: Family;
  readonly addresses: readonly string[];
  /** For how long they hold. */
  readonly ttlSeconds: number;
  /** Why there are none. */
  readonly error: unknown;
}

class Dns {
  readonly #servers: readonly NameServer[];
  readonly #conf: ResolvConf;
  readonly #nat64: Nat64Discovery | undefined;

  constructor(conf: ResolvConf, nat64: Nat64Listener | undefined) {
    this.#conf = conf;
    this.#servers = conf.servers.map((address) => new NameServer(address));
    this.#nat64 = nat64 && new Nat64Discovery(this.#servers, conf.timeoutMs, nat64);
  }

  readonly lookup: Lookup = async (name, signal, early, details) => {
    if (details !== undefined && details.family !== 0) return await this.#one(name, signal, details);
    const tell = ({ addresses, ttlSeconds }: Outcome): void => {
      if (addresses.length > 0) details?.ttl(ttlSeconds);
    };
    const six = this.#six(name, signal);
    const four = this.#family(name, 4, signal);
    let first = await Promise.race([six, four]);
    if (first.family === 4 && first.addresses.length > 0) {
      first = await Promise.race([six, delay(RESOLUTION_DELAY_MS, first, { ref: false })]);
    }
    tell(first);
    if (first.addresses.length > 0) early?.(first.addresses);
    const second = await (first.family === 6 ? four : six);
    tell(second);
    if (first.addresses.length > 0 || second.addresses.length > 0) return second.addresses;
    // A failure says more than an absence: the name may have addresses.
    throw isAbsence(first.error) ? second.error : first.error;
  };

  async #one(name: string, signal: AbortSignal, { family, ttl }: LookupDetails): Promise<readonly string[]> {
    const { addresses, error, ttlSeconds } = await (family === 6
      ? this.#six(name, signal)
      : this.#family(name, 4, signal));
    if (addresses.length === 0) throw error;
    ttl(ttlSeconds);
    return addresses;
  }

  /** Of an address. */
  async names(address: string, signal: AbortSignal): Promise<readonly string[]> {
    const { found, error } = await this.#ask(signal, (server, timeoutMs) =>
      server.askNames(address, timeoutMs, signal),
    );
    if (found === undefined) throw error;
    return found;
  }

  async #six(name: string, signal: AbortSignal): Promise<Outcome> {
    const outcome = await this.#family(name, 6, signal);
    await this.#nat64?.before(outcome.addresses, signal);
    return outcome;
  }

  /** Never rejects, and settles when nothing of it is left. */
  async #family(name: string, family: Family, signal: AbortSignal): Promise<Outcome> {
    const { found = [], error } = await this.#ask(signal, (server, timeoutMs) =>
      server.askTimed(name, family, timeoutMs, signal),
    );
    const addresses = found.map(({ address }) => address);
    const ttlSeconds = Math.min(TTL_MAX_S, ...found.map(({ ttl }) => ttl));
    return { family, addresses, ttlSeconds, error };
  }

  /** One server after the other, until one has answered. */
  async #ask<T>(
    signal: AbortSignal,
    question: (server: NameServer, timeoutMs: number) => Promise<T>,
  ): Promise<{ readonly found?: T; readonly error: unknown }> {
    let error: unknown;
    for (let attempt = 0; attempt < this.#conf.attempts; attempt++) {
      for (const server of this.#servers) {
        try {
          return { found: await question(server, this.#conf.timeoutMs), error: undefined };
        } catch (cause) {
          error = cause;
          if (signal.aborted || isAbsence(cause)) return { error };
        }
      }
    }
    return { error };
  }
}
