// The oracle of the matcher: what docs/policy.md says, rule by rule, in order.

import { Errno } from "@ringway/control";
import { groupNamed, groupOf } from "../src/policy/groups.ts";
import { normalizeName } from "../src/policy/names.ts";
import { insideNat64 } from "../src/policy/nat64.ts";
import { type Address, contains, formatAddress, networkFrom, parseAddress } from "../src/policy/networks.ts";
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
  Transport,
} from "../src/policy/types.ts";

/** A network, or a group. */
interface Region {
  readonly text: string;
  /** 0 of a group. */
  readonly prefix: number;
  has(address: Address): boolean;
}

interface CompiledConnect {
  readonly rule: ConnectRule;
  readonly networks: readonly Region[];
  readonly resolvesTo: readonly Region[];
}

interface CompiledListen {
  readonly rule: ListenRule;
  readonly networks: readonly Region[];
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
      networks: rule.networks.map((text) => this.#region(text)),
      resolvesTo: rule.resolvesTo.map((text) => this.#region(text)),
    }));
    this.#listen = policy.listen.map((rule) => ({
      rule,
      networks: rule.networks.map((text) => this.#region(text)),
    }));
    this.#files = policy.files.map((rule) => {
      const path = splitPath(rule.guest);
      if ("problem" in path) throw new TypeError(path.problem);
      return { rule, components: path.components };
    });
  }

  #region(text: string): Region {
    const group = groupNamed(text);
    if (group !== undefined)
      return { text, prefix: 0, has: (address) => groupOf(address, this.#surroundings) === group };
    const network = networkFrom(text);
    return { text: network.text, prefix: network.prefix, has: (address) => contains(network, address) };
  }

  /** Phase 1 of connecting to a name. */
  connectName(name: string, port: number, transport: Transport = "tcp"): NameDecision {
    const parsed = normalizeName(name);
    if ("problem" in parsed)
      return { ...refused("name", parsed.problem, Errno.EINVAL), ruleIndex: -1, name: "" };
    if (!isPort(port, 1)) return { ...badPort(port, 1), ruleIndex: -1, name: parsed.name };
    const asked = `${verb(transport)} ${parsed.name}:${port}`;
    for (const [ruleIndex, { rule }] of this.#connect.entries()) {
      if (!holds(rule, port, transport)) continue;
      const pattern = rule.names.find((candidate) => matchesPattern(candidate, parsed.name));
      if (pattern !== undefined) return { ...byRule(rule, asked, pattern), ruleIndex, name: parsed.name };
    }
    const fixed = parsed.name === "localhost" ? ["127.0.0.1", "::1"] : (this.policy.hosts[parsed.name] ?? []);
    for (const address of fixed) {
      const { allowed: isAllowed, rule } = this.connectAddress(address, port, transport);
      if (!isAllowed) continue;
      const reason = `${asked} is allowed by rule ${quoted(rule)}, which allows ${address}`;
      return { ...allowed(rule, reason), ruleIndex: -1, name: parsed.name };
    }
    const isForTcp = transport === "udp" && this.connectName(name, port).allowed;
    const reason = noRule("connect", `${parsed.name}:${port}`, transport, isForTcp);
    return { ...refused("default", reason), ruleIndex: -1, name: parsed.name };
  }

  /** Connecting to a literal address. */
  connectAddress(address: string, port: number, transport: Transport = "tcp"): Decision {
    const parsed = this.#destination(address, port);
    if ("refusal" in parsed) return parsed.refusal;
    const asked = `${verb(transport)} ${parsed.text}`;
    const decision = this.#byRules(parsed.address, port, transport, asked);
    if (decision === undefined) {
      const isForTcp = transport === "udp" && this.connectAddress(address, port).allowed;
      return refused("default", noRule("connect", parsed.text, transport, isForTcp));
    }
    return this.#deniedInside(decision, parsed.address, port, transport, asked) ?? decision;
  }

  /**
   * Phase 2 of connecting to a name, for one address that it resolved to; ruleIndex is connectName's. The name is
   * decided again, so that a policy reloaded between the phases decides for itself and an index of the old one counts
   * for nothing.
   */
  connectResolved(
    name: string,
    ruleIndex: number,
    address: string,
    port: number,
    transport: Transport = "tcp",
  ): Decision {
    const named = this.connectName(name, port, transport);
    if (!named.allowed) return named;
    if (named.ruleIndex !== ruleIndex) {
      return refused("reloaded", `the policy changed while ${quoted(name)} was being resolved`, Errno.EAGAIN);
    }
    const parsed = this.#destination(address, port);
    if ("refusal" in parsed) return parsed.refusal;

    const shown = formatAddress(parsed.address);
    const asked = `${verb(transport)} ${named.name}:${port}, which resolves to ${shown},`;
    const decision = this.#byRules(parsed.address, port, transport, asked, ruleIndex);
    if (decision === undefined && ruleIndex < 0) {
      const isForTcp = transport === "udp" && this.connectAddress(address, port).allowed;
      return refused("default", noRule("connect", `${parsed.text} (${named.name})`, transport, isForTcp));
    }
    const denied = this.#deniedInside(decision, parsed.address, port, transport, asked, ruleIndex);
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
  #byRules(
    address: Address,
    port: number,
    transport: Transport,
    asked: string,
    ruleIndex = -1,
    detail = "",
  ): Decision | undefined {
    const decide = (rule: ConnectRule, network: Region, how: string): Decision =>
      this.#tooWide(rule, network, address, transport, asked) ?? byRule(rule, asked, how);
    for (const [index, { rule, networks, resolvesTo }] of this.#connect.entries()) {
      const own = index === ruleIndex ? resolvesTo.find((candidate) => candidate.has(address)) : undefined;
      if (own !== undefined) return decide(rule, own, `resolvesTo ${own.text}${detail}`);
      if (!holds(rule, port, transport)) continue;
      const network = networks.find((candidate) => candidate.has(address));
      if (network !== undefined) return decide(rule, network, `${network.text}${detail}`);
    }
    return undefined;
  }

  #tooWide(
    rule: ConnectRule | ListenRule,
    network: Region,
    address: Address,
    transport: Transport,
    asked: string,
  ): Decision | undefined {
    if (transport === "tcp" || rule.action === "deny") return undefined;
    const isGroup = address.family === 4 ? address.words[0]! >>> 28 === 14 : address.words[0]! >>> 24 === 255;
    const toAll = formatAddress(address) === "255.255.255.255" || this.#surroundings.isBroadcast(address);
    const bits = isGroup ? (address.family === 4 ? 4 : 8) : toAll ? 32 : 0;
    if (network.prefix >= bits) return undefined;
    const by = `rule ${quoted(rule.id)} (${network.text})`;
    return refused(
      "default",
      `${asked} is refused: many get a datagram to this address, and ${by}, which allows it, does not name it`,
    );
  }

  /** What is not denied by itself may be by the IPv4 address inside. */
  #deniedInside(
    decision: Decision | undefined,
    address: Address,
    port: number,
    transport: Transport,
    asked: string,
    ruleIndex = -1,
  ): Decision | undefined {
    if (decision?.allowed === false) return undefined;
    for (const inside of insideNat64(address, this.#surroundings.nat64)) {
      const detail = `, NAT64 of ${formatAddress(inside)}`;
      const other = this.#byRules(inside, port, transport, asked, ruleIndex, detail);
      if (other?.allowed === false && other.rule !== "default") return other;
    }
    return undefined;
  }

  /** Listening on an address of the host; port 0 asks the host to pick one. */
  listen(address: string, port: number, transport: Transport = "tcp"): Decision {
    const parsed = parseAddress(address);
    if (parsed === undefined) return badAddress(address);
    if (!isPort(port, 0)) return badPort(port, 0);
    const text = endpoint(parsed, port);
    const asked = `${transport === "tcp" ? "listening on" : "receiving datagrams at"} ${text}`;
    for (const { rule, networks } of this.#listen) {
      if (!holds(rule, port, transport)) continue;
      const network = networks.find((candidate) => candidate.has(parsed));
      if (network === undefined) continue;
      return this.#tooWide(rule, network, parsed, transport, asked) ?? byRule(rule, asked, network.text);
    }
    const isForTcp = transport === "udp" && this.listen(address, port).allowed;
    return refused("default", noRule("listen", text, transport, isForTcp));
  }

  /** Any use of a guest path; write is whether it would change anything. */
  file(guestPath: string, write: boolean): FileDecision {
    const nowhere = { ruleIndex: -1, relativePath: "" };
    const path = splitPath(guestPath);
    if ("problem" in path) return { ...refused("path", path.problem, path.errno), ...nowhere };
    for (const [ruleIndex, { rule, components }] of this.#files.entries()) {
      if (!isPrefix(components, path.components)) continue;
      const relativePath = path.components.slice(components.length).join("/") || ".";
      const asked = `${write ? "writing" : "reading"} ${quoted(guestPath)}`;
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
        refusal: refused("address", `${text} is the unspecified address, which names no host`, Errno.EINVAL),
      };
    }
    return { address: parsed, text };
  }
}

function verb(transport: Transport): string {
  return transport === "tcp" ? "connecting to" : "sending datagrams to";
}

function noRule(list: string, what: string, transport: Transport, isForTcp: boolean): string {
  if (transport === "tcp") return `no ${list} rule allows ${what}`;
  const hint = isForTcp ? " (over TCP it is allowed: a rule holds for UDP where its protocols say so)" : "";
  return `no ${list} rule allows UDP ${list === "connect" ? "to" : "at"} ${what}${hint}`;
}

function holds(rule: ConnectRule | ListenRule, port: number, transport: Transport): boolean {
  return rule.protocols.includes(transport) && includesPort(rule.ports, port);
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
