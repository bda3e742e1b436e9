// A policy out of audit lines: what guests were allowed, and what no rule allowed. It allows that, and nothing beside
// it; what the policy in force denies or limits stays so.

import { type HostSurroundings, type Policy, PolicyMatcher, parsePolicy } from "@ringway/monitor";
import type { AuditLine } from "./audit-lines.ts";
import { Evidence } from "./evidence.ts";
import { denials, isName, otherKeys, Places } from "./in-force.ts";
import { type Asked, askedOf, Learned } from "./learned.ts";
import { PathsAsked } from "./paths.ts";
import { AT_THE_END } from "./reach.ts";
import type { RealFolders } from "./real-folders.ts";
import { yamlText } from "./yaml.ts";

/** Allows every name at public addresses: what it refuses needs a rule's resolvesTo, or is no request at all. */
const ANY_NAME = 'version: 1\nconnect: [{ id: any, allow: "*", protocols: [tcp, udp] }]\n';
const NO_REQUEST = ["name", "address", "port"];

export class Lessons {
  #policy: Policy | undefined;
  #folders: RealFolders;
  readonly #surroundings: HostSurroundings;
  readonly #learned: Learned;
  readonly #paths: PathsAsked = new PathsAsked();
  /** Of all that something was learned of. */
  readonly #all: Evidence = new Evidence();
  readonly #judge: PolicyMatcher;
  #places: Places | undefined;
  /** Of guests' own UDP sockets, whose peers that were allowed have no lines. */
  readonly #ownSockets: Evidence = new Evidence();
  #hasOwnSockets = false;

  /** `folders`: those of the policy. */
  constructor(policy: Policy | undefined, surroundings: HostSurroundings, folders: RealFolders) {
    this.#policy = policy;
    this.#folders = folders;
    this.#surroundings = surroundings;
    this.#learned = new Learned(policy?.hosts ?? {});
    this.#judge = new PolicyMatcher(parsePolicy(ANY_NAME, { file: "any.yaml" }), surroundings);
    this.#places = policy === undefined ? undefined : new Places(policy, surroundings);
  }

  /** Another policy is in force: what was learned is kept, as far as that one does not deny it. */
  under(policy: Policy, folders: RealFolders): void {
    const places = new Places(policy, this.#surroundings);
    this.#policy = policy;
    this.#folders = folders;
    this.#places = places;
    this.#learned.under(policy.hosts, (asked) => places.of(asked));
  }

  take(line: AuditLine): void {
    const { audit } = line;
    if (audit !== "refused" && audit !== "opened" && audit !== "closed") return;
    const path = this.#paths.take(line);
    if (path !== undefined) {
      if (path) this.#all.add(line);
      return;
    }
    if (line.protocol === "udp-bind" && audit !== "refused" && line.rule === "") {
      this.#hasOwnSockets = true;
      this.#ownSockets.add(line);
      this.#all.add(line);
      return;
    }
    const asked = askedOf(line);
    if (asked === undefined || !this.#isRequest(asked)) return;
    const place = this.#places === undefined ? AT_THE_END : this.#places.of(asked);
    // It denies that now, whatever was in force then.
    if (place === undefined) return;
    const evidence =
      audit === "refused"
        ? this.#learned.add(line, place)
        : this.#learned.addAllowed(asked, this.#notPublic(asked, line.address), place);
    if (evidence === undefined) return;
    evidence.add(line);
    this.#all.add(line);
  }

  #isRequest({ list, host, port = 1, transport }: Asked): boolean {
    if (list === "listen") return true;
    const decision = isName(host)
      ? this.#judge.connectName(host, port, transport)
      : this.#judge.connectAddress(host, port, transport);
    return !NO_REQUEST.includes(decision.rule);
  }

  /** The address that a name has led to, where a rule has to say that it may. */
  #notPublic({ list, host, port, transport }: Asked, address: string): readonly string[] {
    const at = askedOf({ protocol: "tcp-connect", what: address });
    if (list !== "connect" || port === undefined || !isName(host) || at === undefined) return [];
    if (isName(at.host)) return [];
    return this.#judge.connectResolved(host, 0, at.host, port, transport).allowed ? [] : [at.host];
  }

  toString(unreadable: number): string {
    const seen = String(this.#all);
    const head = [
      seen === "" ? "# Learned from no audit line.\n" : `# Learned from what was asked for ${seen}.\n`,
      ...(unreadable === 0 ? [] : [`# ${unreadable} lines could not be read.\n`]),
    ];
    const own = this.#hasOwnSockets
      ? `# UDP sockets of guests' own: ${this.#ownSockets}; to whom they sent, where it was allowed, has no lines\n`
      : "";
    const kept = this.#policy === undefined ? {} : denials(this.#policy);
    return [
      ...head,
      this.#learned.toString(kept),
      this.#hosts(),
      this.#paths.toString(this.#policy, this.#folders),
      this.#policy === undefined ? "" : otherKeys(this.#policy),
      own,
    ].join("");
  }

  /** Names that have their addresses of the policy alone. */
  #hosts(): string {
    const known = Object.entries(this.#policy?.hosts ?? {}).filter(([name]) =>
      this.#learned.connect.has(name),
    );
    if (known.length === 0) return "";
    const lines = known.map(
      ([name, addresses]) => `  ${yamlText(name)}: [${addresses.map(yamlText).join(", ")}]\n`,
    );
    return `hosts:\n${lines.join("")}`;
  }
}
