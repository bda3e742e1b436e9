// Decides every connect, listen and file of a guest against one policy. Deny by default, first match wins, and no host
// socket or file exists before the answer. Immutable: a reload makes a new matcher. A decision does not walk over
// rules: names are found by hash, addresses in a tree, paths in a tree, and of what matches the first in the policy
// decides (compiled/). The only imports are pure, so that a Worker can hold a matcher without loading the YAML parser.
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
// The name `localhost` is what its addresses are: where no rule has a pattern for it, a guest that may connect to
// 127.0.0.1 or ::1 may ask for them by that name. Each address is judged as if the guest had asked for it, so the name
// opens nothing.
import { Errno, formatHostPort } from "@ringway/control";
import {
  type CompiledPolicy,
  compilePolicy,
  Entry,
  type NetworkEntries,
  resolvesTo,
} from "./compiled/compile.ts";
import { FolderTree } from "./compiled/folders.ts";
import { entryForName } from "./compiled/name-table.ts";
import { entryForAddress } from "./compiled/prefix-tree.ts";
import { normalizeName } from "./names.ts";
import { insideNat64 } from "./nat64.ts";
import { type Address, addressOf, formatAddress, parseAddress } from "./networks.ts";
import { splitPath } from "./paths.ts";
import { isPort } from "./ports.ts";
import { isUnspecified, notPublic } from "./special.ts";
import { NO_SURROUNDINGS, type Surroundings } from "./surroundings.ts";
import { quoted } from "./text.ts";
import type { Allowed, Decision, FileDecision, NameDecision, NotAllowed, Policy } from "./types.ts";

/** The rule that decides for an address, and what of it has the address. */
interface Ruling {
  readonly entry: Entry;
  readonly how: string;
}

/** The beginning of a reason, made when it is wanted. */
type Sentence = () => string;

const LOCALHOST = "localhost";
const LOOPBACK = ["127.0.0.1", "::1"];

export class PolicyMatcher {
  readonly #policy: CompiledPolicy;
  readonly #surroundings: Surroundings;
  readonly #folders: FolderTree = new FolderTree();

  /** Of a policy, or of one that was compiled on another thread. */
  constructor(policy: Policy | CompiledPolicy, surroundings: Surroundings = NO_SURROUNDINGS) {
    this.#surroundings = surroundings;
    this.#policy = "words" in policy ? policy : compilePolicy(policy);
    for (const [index, { guest }] of this.#policy.settings.files.entries()) {
      const path = splitPath(guest);
      if ("problem" in path) throw new TypeError(path.problem);
      this.#folders.add(path.components, index);
    }
  }

  /** Phase 1 of connecting to a name. */
  connectName(name: string, port: number): NameDecision {
    const parsed = normalizeName(name);
    if ("problem" in parsed)
      return { ...refused("name", parsed.problem, Errno.EINVAL), ruleIndex: -1, name: "" };
    if (!isPort(port, 1)) return { ...badPort(port, 1), ruleIndex: -1, name: parsed.name };
    const asked = `connect to ${parsed.name}:${port}`;
    const { words, texts, names } = this.#policy;
    const found = entryForName(words, texts, names, parsed.name, port);
    if (found >= 0) {
      const entry = new Entry(this.#policy, names, found);
      const decision = plain(byRule(entry, () => asked));
      return { ...decision, ruleIndex: entry.ruleIndex, name: parsed.name };
    }
    const byAddress = parsed.name === LOCALHOST ? this.#localhost(port, asked) : undefined;
    if (byAddress !== undefined) return { ...byAddress, ruleIndex: -1, name: parsed.name };
    const reason = `no connect rule allows ${parsed.name}:${port}`;
    return { ...refused("default", reason), ruleIndex: -1, name: parsed.name };
  }

  /** Connecting to a literal address: its text, or its 4 or 16 bytes. */
  connectAddress(address: string | Uint8Array, port: number): Decision {
    const parsed = this.#destination(address, port);
    if ("refusal" in parsed) return parsed.refusal;
    const ruling = this.#ruling(parsed, port);
    if (ruling === undefined) return refused("default", `no connect rule allows ${endpoint(parsed, port)}`);
    return this.#byRuling(ruling, parsed, port, () => `connect to ${endpoint(parsed, port)}`);
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

    const shown = formatAddress(parsed);
    const asked = (): string => `connect to ${named.name}:${port}, which resolves to ${shown},`;
    const ruling = this.#ruling(parsed, port, ruleIndex);
    if (ruling !== undefined) return this.#byRuling(ruling, parsed, port, asked, ruleIndex);
    if (ruleIndex < 0) {
      return refused("default", `no connect rule allows ${endpoint(parsed, port)} (${named.name})`);
    }
    const denied = this.#deniedInside(parsed, port, asked, ruleIndex);
    if (denied !== undefined) return denied;

    const purpose = notPublic(parsed, this.#surroundings);
    if (purpose === undefined) return { allowed: true, rule: named.rule, reason: named.reason };
    const reason =
      `${named.name} resolves to ${shown}, which is not a public address (${purpose}), ` +
      `and no rule allows it (rule ${quoted(named.rule)} could say resolvesTo)`;
    return refused("not-public", reason);
  }

  /** Listening on an address of the host; port 0 asks the host to pick one. */
  listen(address: string, port: number): Decision {
    const parsed = parseAddress(address);
    if (parsed === undefined) return badAddress(address);
    if (!isPort(port, 0)) return badPort(port, 0);
    const text = endpoint(parsed, port);
    const entry = this.#forAddress(this.#policy.listen, parsed, port);
    if (entry !== undefined) return byRule(entry, () => `listen on ${text}`);
    return refused("default", `no listen rule allows ${text}`);
  }

  /** Any use of a guest path; write is whether it would change anything. */
  file(guestPath: string, write: boolean): FileDecision {
    const nowhere = { ruleIndex: -1, relativePath: "" };
    const path = splitPath(guestPath);
    if ("problem" in path) return { ...refused("path", path.problem, path.errno), ...nowhere };
    const ruleIndex = this.#folders.find(path.components);
    if (ruleIndex === undefined) {
      return { ...refused("default", `no files rule covers ${quoted(guestPath)}`), ...nowhere };
    }
    const { id, guest, access } = this.#policy.settings.files[ruleIndex]!;
    const relativePath = path.components.slice(depthOf(guest)).join("/") || ".";
    const asked = `${write ? "write" : "read"} ${quoted(guestPath)}`;
    const decision: Decision =
      write && access === "ro"
        ? refused(id, `${asked} is denied by rule ${quoted(id)} (${guest} is read-only)`, Errno.EROFS)
        : allowed(id, `${asked} is allowed by rule ${quoted(id)} (${guest})`);
    return { ...decision, ruleIndex, relativePath };
  }

  /** Where no pattern decides: allowed if one of its addresses is. */
  #localhost(port: number, asked: string): Decision | undefined {
    for (const address of LOOPBACK) {
      const { allowed: isAllowed, rule } = this.connectAddress(address, port);
      if (isAllowed) return allowed(rule, `${asked} is allowed by rule ${quoted(rule)}, as to ${address}`);
    }
    return undefined;
  }

  /** At its own place in the order, the rule that allowed the name counts its resolvesTo first. */
  #ruling(address: Address, port: number, ruleIndex = -1): Ruling | undefined {
    const { connect } = this.#policy;
    const entry = this.#forAddress(connect, address, port);
    if (ruleIndex >= 0 && (entry === undefined || entry.ruleIndex >= ruleIndex)) {
      const own = this.#forAddress(resolvesTo(this.#policy, connect, ruleIndex), address, port);
      if (own !== undefined) return { entry: own, how: `resolvesTo ${own.matched}` };
    }
    return entry && { entry, how: entry.matched };
  }

  #byRuling(
    { entry, how }: Ruling,
    address: Address,
    port: number,
    asked: Sentence,
    ruleIndex = -1,
  ): Decision {
    const denied = entry.allows ? this.#deniedInside(address, port, asked, ruleIndex) : undefined;
    return denied ?? byRule(entry, asked, how);
  }

  /** The refusal of a rule that has an IPv4 address which NAT64 finds inside. */
  #deniedInside(address: Address, port: number, asked: Sentence, ruleIndex: number): Decision | undefined {
    for (const inside of insideNat64(address, this.#surroundings.nat64)) {
      const ruling = this.#ruling(inside, port, ruleIndex);
      if (ruling === undefined || ruling.entry.allows) continue;
      return byRule(ruling.entry, asked, `${ruling.how}, NAT64 of ${formatAddress(inside)}`);
    }
    return undefined;
  }

  #forAddress(entries: NetworkEntries, address: Address, port: number): Entry | undefined {
    const found = entryForAddress(this.#policy.words, entries, address, port);
    return found < 0 ? undefined : new Entry(this.#policy, entries, found);
  }

  /** What may be connected to at all: not the unspecified address, which Linux takes for loopback. */
  #destination(address: string | Uint8Array, port: number): Address | { readonly refusal: NotAllowed } {
    const parsed = typeof address === "string" ? parseAddress(address) : addressOf(address);
    if (parsed === undefined) return { refusal: badAddress(address as string) };
    if (!isPort(port, 1)) return { refusal: badPort(port, 1) };
    if (!isUnspecified(parsed)) return parsed;
    const reason = `connect to ${endpoint(parsed, port)}: the unspecified address names no host`;
    return { refusal: refused("address", reason, Errno.EINVAL) };
  }
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

/** With its reason made, as an object that can be spread. */
function plain(decision: Decision): Decision {
  return decision.allowed ? allowed(decision.rule, decision.reason) : decision;
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
