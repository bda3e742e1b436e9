// Decides every connect, listen, file and Unix socket of a guest against one policy. Deny by default, first match wins,
// and no host socket or file exists before the answer. Immutable: a reload makes a new matcher. A decision does not
// walk over rules: names and sockets are found by hash, addresses in a tree, paths in a tree, and of what matches the
// first in the policy decides (compiled/). The only imports are pure, so that a Worker can hold a matcher without
// loading the YAML parser.
//
// A connect to a name is decided twice, since the name is in the hands of whoever runs its zone:
//   1. connectName, before anything is resolved: rules with a matching name pattern and port;
//   2. connectResolved, for each address it resolved to: rules with a network, in order, and the allowing rule's own
//      resolvesTo in its place; what none decides must be a public address.
// So neither DNS rebinding nor a private address behind a public name gets through. The address given to connect()
// must be the one that phase 2 allowed (parseInet).
//
// An IPv6 address that NAT64 takes for an IPv4 address is both: a rule that denies the one inside denies it, and it is
// public where both are. A rule that allows the one inside allows nothing: where a translator's 10.0.0.1 is, no policy
// of this host's can say.
//
// Datagrams are judged by the rules that hold for UDP. One to a group, or to everybody of a network, is more than one
// to an address: a rule allows that only where it names the address, or has nothing but groups.
//
// The name `localhost`, and those to which the policy itself gives addresses (`hosts`), are what their addresses are:
// where no rule has a pattern for one, a guest that may connect to one of its addresses may ask for it by that name.
// Each address is judged as if the guest had asked for it, so the name opens nothing.
import { Errno, formatHostPort } from "@ringway/control";
import {
  type CompiledPolicy,
  compilePolicy,
  Entry,
  entryForGroup,
  type NetworkEntries,
  resolvesTo,
} from "./compiled/compile.ts";
import { type FolderTree, foldersOf } from "./compiled/folders.ts";
import { entryForName, lower } from "./compiled/name-table.ts";
import { entryForAddress } from "./compiled/prefix-tree.ts";
import { NONE } from "./compiled/words.ts";
import { GROUPS, groupNamed, groupOf } from "./groups.ts";
import { fixedAddresses } from "./hosts.ts";
import { normalizeName } from "./names.ts";
import { insideNat64 } from "./nat64.ts";
import { type Address, addressOf, formatAddress, networkFrom, parseAddress } from "./networks.ts";
import { type GuestName, socketKey, splitPath } from "./paths.ts";
import { isPort } from "./ports.ts";
import { Reach } from "./reach.ts";
import { isUnspecified, namingBits, notPublic } from "./special.ts";
import { NO_SURROUNDINGS, type Surroundings } from "./surroundings.ts";
import { quoted } from "./text.ts";
import { portIn } from "./transports.ts";
import type {
  Allowed,
  Decision,
  FileDecision,
  NameDecision,
  NamedFileDecision,
  NotAllowed,
  Policy,
  SocketDecision,
  SocketsRule,
  Transport,
} from "./types.ts";

/** The rule that decides for an address, and what of it has the address. */
interface Ruling {
  readonly entry: Entry;
  readonly how: string;
}

/** The beginning of a reason, made when it is wanted. */
type Sentence = () => string;

export class PolicyMatcher {
  readonly #policy: CompiledPolicy;
  readonly #surroundings: Surroundings;
  readonly #folders: FolderTree;
  /** By socketKey(). */
  readonly #sockets: Map<string, number> = new Map();
  readonly #hosts: ReadonlyMap<string, readonly string[]>;
  #reach: Reach | undefined;

  /** Of a policy, or of one that was compiled on another thread. */
  constructor(policy: Policy | CompiledPolicy, surroundings: Surroundings = NO_SURROUNDINGS) {
    this.#surroundings = surroundings;
    this.#policy = "words" in policy ? policy : compilePolicy(policy);
    this.#hosts = new Map(Object.entries(this.#policy.settings.hosts));
    this.#folders = foldersOf(this.#policy.settings.files);
    for (const [index, { guest, access }] of this.#policy.settings.sockets.entries()) {
      const path = splitPath(guest);
      if ("problem" in path) throw new TypeError(path.problem);
      const key = socketKey(access, path.components);
      if (!this.#sockets.has(key)) this.#sockets.set(key, index);
    }
  }

  /** May datagrams be sent to anybody at all? */
  get sendsDatagrams(): boolean {
    return this.#policy.sendsDatagrams;
  }

  /** The addresses that the policy gives a name, which is normalized; undefined where it gives none. */
  hostsOf(name: string): readonly string[] | undefined {
    return this.#hosts.get(name);
  }

  /** The addresses that a name, which is normalized, has whatever anybody else says. */
  fixedAddresses(name: string): readonly string[] {
    return fixedAddresses(this.#hosts, name);
  }

  /** The same decisions for a port that is not known yet. */
  get reach(): Reach {
    this.#reach ??= new Reach(this.#policy, this, this.#surroundings);
    return this.#reach;
  }

  /** Phase 1 of connecting to a name. */
  connectName(name: string, port: number, transport: Transport = "tcp"): NameDecision {
    const parsed = normalizeName(name);
    if ("problem" in parsed)
      return { ...refused("name", parsed.problem, Errno.EINVAL), ruleIndex: -1, name: "" };
    if (!isPort(port, 1)) return { ...badPort(port, 1), ruleIndex: -1, name: parsed.name };
    const asked = `${CONNECTING[transport]} ${parsed.name}:${port}`;
    const { words, texts, names } = this.#policy;
    const found = entryForName(words, texts, names, parsed.name, portIn(transport, port));
    if (found >= 0) {
      const entry = new Entry(this.#policy, names, found);
      return named(
        byRule(entry, () => asked),
        entry.ruleIndex,
        parsed.name,
      );
    }
    const byAddress = this.#byAddresses(this.fixedAddresses(parsed.name), port, asked, transport);
    if (byAddress !== undefined) return named(byAddress, -1, parsed.name);
    const isForTcp = transport !== "tcp" && this.connectName(name, port).allowed;
    const reason = noRule("connect", `${parsed.name}:${port}`, transport, isForTcp);
    return { ...refused("default", reason), ruleIndex: -1, name: parsed.name };
  }

  /** Connecting to a literal address: its text, or its 4 or 16 bytes. */
  connectAddress(address: string | Uint8Array, port: number, transport: Transport = "tcp"): Decision {
    const parsed = this.#destination(address, port);
    if ("refusal" in parsed) return parsed.refusal;
    const ruling = this.#ruling(parsed, port, transport);
    if (ruling === undefined) {
      const isForTcp = transport !== "tcp" && this.connectAddress(address, port).allowed;
      return refused("default", noRule("connect", endpoint(parsed, port), transport, isForTcp));
    }
    const asked = (): string => `${CONNECTING[transport]} ${endpoint(parsed, port)}`;
    return this.#byRuling(ruling, parsed, port, transport, asked);
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
    const byName = this.connectName(name, port, transport);
    if (!byName.allowed) return byName;
    if (byName.ruleIndex !== ruleIndex) {
      return refused("reloaded", `the policy changed while ${quoted(name)} was being resolved`, Errno.EAGAIN);
    }
    const parsed = this.#destination(address, port);
    if ("refusal" in parsed) return parsed.refusal;

    const asked = (): string =>
      `${CONNECTING[transport]} ${byName.name}:${port}, which resolves to ${formatAddress(parsed)},`;
    const ruling = this.#ruling(parsed, port, transport, ruleIndex);
    if (ruling !== undefined) return this.#byRuling(ruling, parsed, port, transport, asked, ruleIndex);
    if (ruleIndex < 0) {
      const isForTcp = transport !== "tcp" && this.connectAddress(address, port).allowed;
      const what = `${endpoint(parsed, port)} (${byName.name})`;
      return refused("default", noRule("connect", what, transport, isForTcp));
    }
    const denied = this.#deniedInside(parsed, port, transport, asked, ruleIndex);
    if (denied !== undefined) return denied;

    const purpose = notPublic(parsed, this.#surroundings);
    if (purpose === undefined) return { allowed: true, rule: byName.rule, reason: byName.reason };
    const reason =
      `${byName.name} resolves to ${formatAddress(parsed)}, which is not a public address (${purpose}), ` +
      `and no rule allows it (rule ${quoted(byName.rule)} could say resolvesTo)`;
    return refused("not-public", reason);
  }

  /** Listening on an address of the host; port 0 asks the host to pick one. */
  listen(address: string, port: number, transport: Transport = "tcp"): Decision {
    const parsed = parseAddress(address);
    if (parsed === undefined) return badAddress(address);
    if (!isPort(port, 0)) return badPort(port, 0);
    const text = endpoint(parsed, port);
    const entry = this.#forAddress(this.#policy.listen, parsed, port, transport);
    if (entry === undefined) {
      const isForTcp = transport !== "tcp" && this.listen(address, port).allowed;
      return refused("default", noRule("listen", text, transport, isForTcp));
    }
    const asked = (): string => `${LISTENING[transport]} ${text}`;
    return this.#tooWide(entry, parsed, transport, asked) ?? byRule(entry, asked);
  }

  /** Any use of a guest path; write is whether it would change anything. */
  file(guestPath: string, write: boolean): FileDecision {
    const nowhere = { ruleIndex: -1, relativePath: "" };
    const path = splitPath(guestPath);
    if ("problem" in path) return { ...refused("path", path.problem, path.errno), ...nowhere };
    const { depth, ...decision } = this.fileAt(path.components, guestPath, write);
    const relativePath = decision.ruleIndex < 0 ? "" : path.components.slice(depth).join("/") || ".";
    return { ...decision, relativePath };
  }

  /** The same of a path by its components, some of which may be bytes; `shown` is for people. */
  fileAt(names: readonly GuestName[], shown: string, write: boolean): NamedFileDecision {
    const ruleIndex = this.#folders.find(names);
    if (ruleIndex === undefined) {
      return { ...refused("default", `no files rule covers ${quoted(shown)}`), ruleIndex: -1, depth: 0 };
    }
    const { id, guest, access } = this.#policy.settings.files[ruleIndex]!;
    const asked = `${write ? "writing" : "reading"} ${quoted(shown)}`;
    const decision: Decision =
      write && access === "ro"
        ? refused(id, `${asked} is denied by rule ${quoted(id)} (${guest} is read-only)`, Errno.EROFS)
        : allowed(id, `${asked} is allowed by rule ${quoted(id)} (${guest})`);
    return { ...decision, ruleIndex, depth: depthOf(guest) };
  }

  /** Names that lead from a path that no rule covers to those that one does (MNT-4). */
  namesBelow(names: readonly GuestName[]): readonly string[] {
    return this.#folders.below(names);
  }

  /** Connecting to a Unix socket, or listening at its path. */
  socket(guestPath: string, access: SocketsRule["access"]): SocketDecision {
    const path = splitPath(guestPath);
    if ("problem" in path) return { ...refused("path", path.problem, path.errno), ruleIndex: -1 };
    const asked = `${access === "connect" ? "connecting to" : "listening at"} ${quoted(guestPath)}`;
    const ruleIndex = this.#sockets.get(socketKey(access, path.components));
    if (ruleIndex === undefined) {
      return { ...refused("default", `no sockets rule allows ${asked}`), ruleIndex: -1 };
    }
    const { id } = this.#policy.settings.sockets[ruleIndex]!;
    return { ...allowed(id, `${asked} is allowed by rule ${quoted(id)}`), ruleIndex };
  }

  /** Where no pattern decides: allowed if one of the addresses is. */
  #byAddresses(
    addresses: readonly string[],
    port: number,
    asked: string,
    transport: Transport,
  ): Decision | undefined {
    for (const address of addresses) {
      const { allowed: isAllowed, rule } = this.connectAddress(address, port, transport);
      if (isAllowed)
        return allowed(rule, `${asked} is allowed by rule ${quoted(rule)}, which allows ${address}`);
    }
    return undefined;
  }

  /** At its own place in the order, the rule that allowed the name counts its resolvesTo first. */
  #ruling(address: Address, port: number, transport: Transport, ruleIndex = -1): Ruling | undefined {
    const { connect } = this.#policy;
    const entry = this.#forAddress(connect, address, port, transport);
    if (ruleIndex >= 0 && (entry === undefined || entry.ruleIndex >= ruleIndex)) {
      const own = this.#forAddress(resolvesTo(this.#policy, connect, ruleIndex), address, port, transport);
      if (own !== undefined) return { entry: own, how: `resolvesTo ${own.matched}` };
    }
    return entry && { entry, how: entry.matched };
  }

  #byRuling(
    { entry, how }: Ruling,
    address: Address,
    port: number,
    transport: Transport,
    asked: Sentence,
    ruleIndex = -1,
  ): Decision {
    const denied = entry.allows ? this.#deniedInside(address, port, transport, asked, ruleIndex) : undefined;
    return denied ?? this.#tooWide(entry, address, transport, asked) ?? byRule(entry, asked, how);
  }

  /** The refusal of many takers, where the rule that allows the address allows single hosts as well. */
  #tooWide(entry: Entry, address: Address, transport: Transport, asked: Sentence): Decision | undefined {
    if (transport === "tcp" || !entry.allows) return undefined;
    // The word of a group names no address.
    const bits = groupNamed(entry.matched) === undefined ? networkFrom(entry.matched).prefix : 0;
    if (bits >= namingBits(address, this.#surroundings)) return undefined;
    const rule = `rule ${quoted(entry.rule)} (${entry.matched})`;
    return refused(
      "default",
      `${asked()} is refused: many get a datagram to this address, and ${rule}, which allows it, does not name it`,
    );
  }

  /** The refusal of a rule that has an IPv4 address which NAT64 finds inside. */
  #deniedInside(
    address: Address,
    port: number,
    transport: Transport,
    asked: Sentence,
    ruleIndex: number,
  ): Decision | undefined {
    for (const inside of insideNat64(address, this.#surroundings.nat64)) {
      const ruling = this.#ruling(inside, port, transport, ruleIndex);
      if (ruling === undefined || ruling.entry.allows) continue;
      return byRule(ruling.entry, asked, `${ruling.how}, NAT64 of ${formatAddress(inside)}`);
    }
    return undefined;
  }

  #forAddress(
    entries: NetworkEntries,
    address: Address,
    port: number,
    transport: Transport,
  ): Entry | undefined {
    const at = portIn(transport, port);
    let found = entryForAddress(this.#policy.words, entries, address, at);
    if (entries.groups !== NONE) found = lower(found, this.#forGroup(entries, address, at, found));
    return found < 0 ? undefined : new Entry(this.#policy, entries, found);
  }

  /** The entry of the address's group, if it comes before `found`; or -1. */
  #forGroup(entries: NetworkEntries, address: Address, port: number, found: number): number {
    const mayDecide = GROUPS.some((group) => {
      const entry = entryForGroup(this.#policy, entries, group, port);
      return entry >= 0 && (found < 0 || entry < found);
    });
    const group = mayDecide ? groupOf(address, this.#surroundings) : undefined;
    return group === undefined ? -1 : entryForGroup(this.#policy, entries, group, port);
  }

  /** What may be connected to at all: not the unspecified address, which Linux takes for loopback. */
  #destination(address: string | Uint8Array, port: number): Address | { readonly refusal: NotAllowed } {
    const parsed = typeof address === "string" ? parseAddress(address) : addressOf(address);
    if (parsed === undefined) return { refusal: badAddress(address as string) };
    if (!isPort(port, 1)) return { refusal: badPort(port, 1) };
    if (!isUnspecified(parsed)) return parsed;
    const reason = `${endpoint(parsed, port)} is the unspecified address, which names no host`;
    return { refusal: refused("address", reason, Errno.EINVAL) };
  }
}

const CONNECTING = { tcp: "connecting to", udp: "sending datagrams to" } as const;
const LISTENING = { tcp: "listening on", udp: "receiving datagrams at" } as const;

/** `isForTcp`: the same is allowed, over TCP. */
function noRule(list: "connect" | "listen", what: string, transport: Transport, isForTcp: boolean): string {
  if (transport === "tcp") return `no ${list} rule allows ${what}`;
  const hint = isForTcp ? " (over TCP it is allowed: a rule holds for UDP where its protocols say so)" : "";
  return `no ${list} rule allows UDP ${list === "connect" ? "to" : "at"} ${what}${hint}`;
}

function endpoint(address: Address, port: number): string {
  return formatHostPort(formatAddress(address), port);
}

function byRule({ rule, allows, matched }: Entry, asked: Sentence, how = matched): Decision {
  if (allows) return new AllowedBy(rule, asked, how);
  return refused(rule, `${asked()} is denied ${by(rule, how)}`);
}

function by(rule: string, how: string): string {
  return `by rule ${quoted(rule)} (${how})`;
}

/** Of nearly all that is allowed nobody asks why: the sentence is made for who does. */
class AllowedBy implements Allowed {
  readonly allowed = true;
  readonly rule: string;
  readonly #asked: Sentence;
  readonly #how: string;

  constructor(rule: string, asked: Sentence, how: string) {
    this.rule = rule;
    this.#asked = asked;
    this.#how = how;
  }

  get reason(): string {
    return `${this.#asked()} is allowed ${by(this.rule, this.#how)}`;
  }
}

/** With its reason made, as an object that can be spread. Word by word: each connect by name makes two. */
function named(decision: Decision, ruleIndex: number, name: string): NameDecision {
  const { rule, reason } = decision;
  if (decision.allowed) return { allowed: true, rule, reason, ruleIndex, name };
  return { allowed: false, rule, reason, errno: decision.errno, ruleIndex, name };
}

/** Components of a normalized path. */
function depthOf(path: string): number {
  return path === "/" ? 0 : path.split("/").length - 1;
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
