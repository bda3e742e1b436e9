// ringway policy learn --from AUDIT: a policy out of what guests asked for, as audit lines have it: what they were
// allowed, and what no rule allowed. It allows that, and nothing beside it; what the policy in force denies or limits
// stays so.

import { HostSurroundings, type Policy, PolicyLoader, PolicyMatcher, parsePolicy } from "@ringway/monitor";
import { Exit, errorLine, Failure, UsageError } from "../errors.ts";
import { isOf } from "../guests/of.ts";
import { type AuditLine, AuditLines } from "../learn/audit-lines.ts";
import { Evidence } from "../learn/evidence.ts";
import { denials, isName, otherKeys, Places } from "../learn/in-force.ts";
import { type Asked, askedOf, Learned } from "../learn/learned.ts";
import { PathsAsked } from "../learn/paths.ts";
import { AT_THE_END } from "../learn/reach.ts";
import { yamlText } from "../learn/yaml.ts";
import { loadOnce, STDIN } from "./load.ts";

export interface LearnOptions {
  readonly from?: readonly string[];
  readonly guest?: string;
  readonly policy?: string;
}

/** Allows every name at public addresses: what it refuses needs a rule's resolvesTo, or is no request at all. */
const ANY_NAME = 'version: 1\nconnect: [{ id: any, allow: "*", protocols: [tcp, udp] }]\n';
const NO_REQUEST = ["name", "address", "port"];

export async function learnPolicy({ from = [], guest, policy: file }: LearnOptions): Promise<number> {
  if (from.length === 0) throw new UsageError("expected --from FILE: audit lines, as --audit writes them");
  if ([...from, file].filter((each) => each === STDIN).length > 1) {
    throw new UsageError("- is standard input, which can be read once only");
  }
  const policy = file === undefined ? undefined : await loadPolicy(file);
  using surroundings = new HostSurroundings();
  const lessons = new Lessons(policy, surroundings);
  const lines = new AuditLines();
  for (const each of from) {
    try {
      for await (const line of lines.of(each))
        if (guest === undefined || isOf(line.guest, guest)) lessons.take(line);
    } catch (error) {
      throw new Failure(`cannot read ${each}: ${errorLine(error)}`, { cause: error });
    }
  }
  process.stdout.write(lessons.toString(lines.unreadable));
  return Exit.OK;
}

async function loadPolicy(file: string): Promise<Policy> {
  await using loader = new PolicyLoader();
  return await loadOnce(file, loader);
}

class Lessons {
  readonly #policy: Policy | undefined;
  readonly #learned: Learned;
  readonly #paths: PathsAsked = new PathsAsked();
  readonly #all: Evidence = new Evidence();
  readonly #judge: PolicyMatcher;
  readonly #places: Places | undefined;
  /** Of guests' own UDP sockets, whose peers that were allowed have no lines. */
  readonly #ownSockets: Evidence = new Evidence();
  #hasOwnSockets = false;

  constructor(policy: Policy | undefined, surroundings: HostSurroundings) {
    this.#policy = policy;
    this.#learned = new Learned(policy?.hosts ?? {});
    this.#judge = new PolicyMatcher(parsePolicy(ANY_NAME, { file: "any.yaml" }), surroundings);
    this.#places = policy === undefined ? undefined : new Places(policy, surroundings);
  }

  take(line: AuditLine): void {
    const { audit } = line;
    if (audit !== "refused" && audit !== "opened" && audit !== "closed") return;
    if (audit !== "closed") this.#all.add(line);
    if (this.#paths.take(line)) return;
    if (line.protocol === "udp-bind" && audit !== "refused" && line.rule === "") {
      this.#hasOwnSockets = true;
      this.#ownSockets.add(line, audit === "closed");
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
    // The end of one that has begun in a file which is not here counts as one, too.
    evidence?.add(line, audit === "closed");
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
      this.#paths.toString(this.#policy),
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
