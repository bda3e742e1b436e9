// The oracle of the matcher: what docs/policy.md says, rule by rule, in order.

import { Errno } from "@ringway/control";
import { normalizeName } from "../src/policy/names.ts";
import { insideNat64 } from "../src/policy/nat64.ts";
import {
  type Address,
  contains,
  formatAddress,
  type Network,
  networkFrom,
  parseAddress,
} from "../src/policy/networks.ts";
import { splitPath } from "../src/policy/paths.ts";
import { isPort } from "../src/policy/ports.ts";
import { isUnspecified, notPublic } from "../src/policy/special.ts";
import { NO_SURROUNDINGS, type Surroundings } from "../src/policy/surroundings.ts";
import { quoted } from "../src/policy/text.ts";
import type {
  ConnectRule,
  Decision,
  FileDecision,
  FilesRule,
  ListenRule,
  NameDecision,
  NotAllowed,
  Policy,
  PortRange,
} from "../src/policy/types.ts";

interface CompiledConnect {
  readonly rule: ConnectRule;
  readonly networks: readonly Network[];
  readonly resolvesTo: readonly Network[];
}

interface CompiledListen {
  readonly rule: ListenRule;
  readonly networks: readonly Network[];
}

interface CompiledFiles {
  readonly rule: FilesRule;
  readonly components: readonly string[];
}

export class NaiveMatcher {
  readonly policy: Policy;
  readonly #connect: readonly CompiledConnect[];
  readonly #listen: readonly CompiledListen[];
  readonly #files: readonly CompiledFiles[];

  readonly #surroundings: Surroundings;

  constructor(policy: Policy, surroundings: Surroundings = NO_SURROUNDINGS) {
    this.policy = policy;
    this.#surroundings = surroundings;
    this.#connect = policy.connect.map((rule) => ({
      rule,
      networks: rule.networks.map(networkFrom),
      resolvesTo: rule.resolvesTo.map(networkFrom),
    }));
    this.#listen = policy.listen.map((rule) => ({ rule, networks: rule.networks.map(networkFrom) }));
    this.#files = policy.files.map((rule) => {
      const path = splitPath(rule.guest);
      if ("problem" in path) throw new TypeError(path.problem);
      return { rule, components: path.components };
    });
  }

  /** Phase 1 of connecting to a name. */
  connectName(name: string, port: number): NameDecision {
    const parsed = normalizeName(name);
    if ("problem" in parsed)
      return { ...refused("name", parsed.problem, Errno.EINVAL), ruleIndex: -1, name: "" };
    if (!isPort(port, 1)) return { ...badPort(port, 1), ruleIndex: -1, name: parsed.name };
    const asked = `connect to ${parsed.name}:${port}`;
    for (const [ruleIndex, { rule }] of this.#connect.entries()) {
      if (!includesPort(rule.ports, port)) continue;
      const pattern = rule.names.find((candidate) => matchesPattern(candidate, parsed.name));
      if (pattern !== undefined) return { ...byRule(rule, asked, pattern), ruleIndex, name: parsed.name };
    }
    if (parsed.name === "localhost") {
      for (const address of ["127.0.0.1", "::1"]) {
        const { allowed: isAllowed, rule } = this.connectAddress(address, port);
        if (!isAllowed) continue;
        const reason = `${asked} is allowed by rule ${quoted(rule)}, as to ${address}`;
        return { ...allowed(rule, reason), ruleIndex: -1, name: parsed.name };
      }
    }
    const reason = `no connect rule allows ${parsed.name}:${port}`;
    return { ...refused("default", reason), ruleIndex: -1, name: parsed.name };
  }

  /** Connecting to a literal address. */
  connectAddress(address: string, port: number): Decision {
    const parsed = this.#destination(address, port);
    if ("refusal" in parsed) return parsed.refusal;
    const asked = `connect to ${parsed.text}`;
    const decision = this.#byRules(parsed.address, port, asked);
    if (decision === undefined) return refused("default", `no connect rule allows ${parsed.text}`);
    return this.#deniedInside(decision, parsed.address, port, asked) ?? decision;
  }

  /**
   * Phase 2 of connecting to a name, for one address that it resolved to; ruleIndex is connectName's. The name is
   * decided again, so that a policy reloaded between the phases decides for itself and an index of the old one counts
   * for nothing.
   */
  connectResolved(name: string, ruleIndex: number, address: string, port: number): Decision {
    const named = this.connectName(name, port);
    if (!named.allowed) return named;
    if (named.ruleIndex !== ruleIndex) {
      return refused("reloaded", `the policy changed while ${quoted(name)} was being resolved`, Errno.EAGAIN);
    }
    const parsed = this.#destination(address, port);
    if ("refusal" in parsed) return parsed.refusal;

    const shown = formatAddress(parsed.address);
    const asked = `connect to ${named.name}:${port}, which resolves to ${shown},`;
    const decision = this.#byRules(parsed.address, port, asked, ruleIndex);
    if (decision === undefined && ruleIndex < 0) {
      return refused("default", `no connect rule allows ${parsed.text} (${named.name})`);
    }
    const denied = this.#deniedInside(decision, parsed.address, port, asked, ruleIndex);
    if (denied !== undefined) return denied;
    if (decision !== undefined) return decision;

    const purpose = notPublic(parsed.address, this.#surroundings);
    if (purpose === undefined) return { allowed: true, rule: named.rule, reason: named.reason };
    const reason =
      `${named.name} resolves to ${shown}, which is not a public address (${purpose}), ` +
      `and no rule allows it (rule ${quoted(named.rule)} could say resolvesTo)`;
    return refused("not-public", reason);
  }

  /** The first rule that has the address; the allowing one's resolvesTo first, at its place. */
  #byRules(address: Address, port: number, asked: string, ruleIndex = -1, detail = ""): Decision | undefined {
    for (const [index, { rule, networks, resolvesTo }] of this.#connect.entries()) {
      const own =
        index === ruleIndex ? resolvesTo.find((candidate) => contains(candidate, address)) : undefined;
      if (own !== undefined) return byRule(rule, asked, `resolvesTo ${own.text}${detail}`);
      if (!includesPort(rule.ports, port)) continue;
      const network = networks.find((candidate) => contains(candidate, address));
      if (network !== undefined) return byRule(rule, asked, `${network.text}${detail}`);
    }
    return undefined;
  }

  /** What is not denied by itself may be by the IPv4 address inside. */
  #deniedInside(
    decision: Decision | undefined,
    address: Address,
    port: number,
    asked: string,
    ruleIndex = -1,
  ): Decision | undefined {
    if (decision?.allowed === false) return undefined;
    for (const inside of insideNat64(address, this.#surroundings.nat64)) {
      const detail = `, NAT64 of ${formatAddress(inside)}`;
      const other = this.#byRules(inside, port, asked, ruleIndex, detail);
      if (other?.allowed === false) return other;
    }
    return undefined;
  }

  /** Listening on an address of the host; port 0 asks the host to pick one. */
  listen(address: string, port: number): Decision {
    const parsed = parseAddress(address);
    if (parsed === undefined) return badAddress(address);
    if (!isPort(port, 0)) return badPort(port, 0);
    const text = endpoint(parsed, port);
    for (const { rule, networks } of this.#listen) {
      if (!includesPort(rule.ports, port)) continue;
      const network = networks.find((candidate) => contains(candidate, parsed));
      if (network !== undefined) return byRule(rule, `listen on ${text}`, network.text);
    }
    return refused("default", `no listen rule allows ${text}`);
  }

  /** Any use of a guest path; write is whether it would change anything. */
  file(guestPath: string, write: boolean): FileDecision {
    const nowhere = { ruleIndex: -1, relativePath: "" };
    const path = splitPath(guestPath);
    if ("problem" in path) return { ...refused("path", path.problem, path.errno), ...nowhere };
    for (const [ruleIndex, { rule, components }] of this.#files.entries()) {
      if (!isPrefix(components, path.components)) continue;
      const relativePath = path.components.slice(components.length).join("/") || ".";
      const asked = `${write ? "write" : "read"} ${quoted(guestPath)}`;
      const decision: Decision =
        write && rule.access === "ro"
          ? refused(
              rule.id,
              `${asked} is denied by rule ${quoted(rule.id)} (${rule.guest} is read-only)`,
              Errno.EROFS,
            )
          : allowed(rule.id, `${asked} is allowed by rule ${quoted(rule.id)} (${rule.guest})`);
      return { ...decision, ruleIndex, relativePath };
    }
    return { ...refused("default", `no files rule covers ${quoted(guestPath)}`), ...nowhere };
  }

  /** What may be connected to at all: not the unspecified address, which Linux takes for loopback. */
  #destination(
    address: string,
    port: number,
  ): { readonly address: Address; readonly text: string } | { readonly refusal: NotAllowed } {
    const parsed = parseAddress(address);
    if (parsed === undefined) return { refusal: badAddress(address) };
    if (!isPort(port, 1)) return { refusal: badPort(port, 1) };
    const text = endpoint(parsed, port);
    if (isUnspecified(parsed)) {
      return {
        refusal: refused(
          "address",
          `connect to ${text}: the unspecified address names no host`,
          Errno.EINVAL,
        ),
      };
    }
    return { address: parsed, text };
  }
}

function endpoint(address: Address, port: number): string {
  const text = formatAddress(address);
  return address.family === 4 ? `${text}:${port}` : `[${text}]:${port}`;
}

function byRule(rule: ConnectRule | ListenRule, asked: string, matched: string): Decision {
  const by = `by rule ${quoted(rule.id)} (${matched})`;
  return rule.action === "allow"
    ? allowed(rule.id, `${asked} is allowed ${by}`)
    : refused(rule.id, `${asked} is denied ${by}`);
}

function allowed(rule: string, reason: string): Decision {
  return { allowed: true, rule, reason };
}

function refused(rule: string, reason: string, errno: number = Errno.EACCES): NotAllowed {
  return { allowed: false, rule, reason, errno };
}

function badPort(port: number, lowest: 0 | 1): NotAllowed {
  return refused("port", `${port} is not a port from ${lowest} to 65535`, Errno.EINVAL);
}

function badAddress(address: string): NotAllowed {
  const why = address.includes("%")
    ? "has a zone id, which is not allowed"
    : "is not an IPv4 or IPv6 address";
  return refused("address", `${quoted(address)} ${why}`, Errno.EINVAL);
}

/** Both normalized. */
export function matchesPattern(pattern: string, name: string): boolean {
  if (pattern === "*") return true;
  if (!pattern.startsWith("*.")) return pattern === name;
  // ".example.com" with at least one character in front; labels are never empty, so that is one label or more.
  return name.length >= pattern.length && name.endsWith(pattern.slice(1));
}

function isPrefix(prefix: readonly string[], components: readonly string[]): boolean {
  return prefix.length <= components.length && prefix.every((component, i) => component === components[i]);
}

export function includesPort(ranges: readonly PortRange[], port: number): boolean {
  for (const range of ranges) if (port >= range.first && port <= range.last) return true;
  return false;
}
