// What a list of rules, connect or listen, has to allow: hosts, each with the ports that were asked for over TCP and
// over UDP, and for each port the addresses that are not public to which its name has led. A rule has those hosts
// together whose ports, protocols and addresses are the same: so it allows what was asked for, and nothing else.
//
// A policy decides by the first rule that matches. So each has a place: that of the rule of the policy in force which
// allowed it, or the end. What that policy denies stands between, where it stood.

import { Evidence } from "./evidence.ts";
import { nameText, yamlText } from "./yaml.ts";

export type Transport = "tcp" | "udp";

/** Hosts, ports and addresses, all together: one that asks for ever for other things must not fill this process. */
const KEPT_MAX = 10_000;
/** Behind all rules of the policy that was in force. */
export const AT_THE_END: number = Number.POSITIVE_INFINITY;

/** One port of a host, over TCP or UDP. */
interface Wanted {
  readonly port: number;
  readonly transport: Transport;
  /** Undefined: the policy in force denies it now. */
  place: number | undefined;
  /** Not public, and its name has led there. */
  readonly resolvesTo: Set<string>;
}

interface Host {
  /** By transport and port. None: its name was looked up, and nothing else. */
  readonly wanted: Map<string, Wanted>;
  readonly evidence: Evidence;
}

export interface PlacedRule {
  readonly place: number;
  /** Lines of YAML. */
  readonly text: string;
}

interface Rule {
  readonly place: number;
  readonly keys: readonly string[];
  readonly hosts: (readonly [name: string, Evidence])[];
}

export interface ReachedPort {
  readonly port: number;
  readonly transport: Transport;
  readonly resolvesTo: readonly string[];
  readonly place: number;
}

export class Reached {
  readonly #hosts: Map<string, Host> = new Map();
  #kept = 0;
  #lost = 0;

  get isEmpty(): boolean {
    return this.#hosts.size === 0;
  }

  has(name: string): boolean {
    return this.#hosts.has(name);
  }

  /** How often there was something that did not fit any more. */
  get lost(): number {
    return this.#lost;
  }

  /** `at`: undefined where only its name was asked for. */
  add(name: string, at: ReachedPort | undefined): Evidence | undefined {
    const host = this.#hosts.get(name) ?? { wanted: new Map(), evidence: new Evidence() };
    if (!this.#hosts.has(name)) {
      if (!this.#hasRoom()) return undefined;
      this.#hosts.set(name, host);
    }
    if (at !== undefined) this.#addPort(host, at);
    return host.evidence;
  }

  #addPort({ wanted }: Host, { port, transport, resolvesTo, place }: ReachedPort): void {
    const key = `${transport} ${port}`;
    const one = wanted.get(key) ?? { port, transport, place, resolvesTo: new Set<string>() };
    if (!wanted.has(key)) {
      if (!this.#hasRoom()) return;
      wanted.set(key, one);
    }
    for (const address of resolvesTo) {
      if (!one.resolvesTo.has(address) && this.#hasRoom()) one.resolvesTo.add(address);
    }
  }

  /** Another policy is in force. */
  placeAnew(placeOf: (host: string, port: number, transport: Transport) => number | undefined): void {
    for (const [name, { wanted }] of this.#hosts) {
      for (const one of wanted.values()) one.place = placeOf(name, one.port, one.transport);
    }
  }

  /** For one more, which is kept or lost. */
  #hasRoom(): boolean {
    const hasRoom = this.#kept < KEPT_MAX;
    if (hasRoom) this.#kept++;
    else this.#lost++;
    return hasRoom;
  }

  /** Rules in YAML, each with its evidence, and `others` in their places; comments for names without a port. */
  rules(others: readonly PlacedRule[] = []): string[] {
    const rules: Map<string, Rule> = new Map();
    const comments: string[] = [];
    for (const [name, { wanted, evidence }] of this.#hosts) {
      if (wanted.size === 0) {
        const line = `  # ${nameText(name)}: its name was looked up, and nothing else`;
        comments.push(commented(line, evidence));
      }
      for (const { place, keys } of rulesOf(wanted.values())) {
        const key = [place, ...keys].join(", ");
        const rule = rules.get(key) ?? { place, keys, hosts: [] };
        rules.set(key, rule);
        rule.hosts.push([name, evidence]);
      }
    }
    const learned = [...rules.values()].map((rule) => ({ place: rule.place, text: ruleText(rule) }));
    // Of the same place are those of one rule, or of the end: they stay as they came.
    const placed = [...others, ...learned].toSorted((a, b) => (a.place === b.place ? 0 : a.place - b.place));
    return [...placed.map(({ text }) => text), ...comments];
  }
}

/** What one host wants: a rule for the ports that have the same place and addresses, or one for each protocol. */
function rulesOf(all: Iterable<Wanted>): Omit<Rule, "hosts">[] {
  interface Same extends Pick<Wanted, "resolvesTo"> {
    readonly place: number;
    readonly ports: Readonly<Record<Transport, Set<number>>>;
  }
  const groups: Map<string, Same> = new Map();
  for (const { port, transport, place, resolvesTo } of all) {
    if (place === undefined) continue;
    const key = [place, ...[...resolvesTo].toSorted()].join(" ");
    const same = groups.get(key) ?? { place, resolvesTo, ports: { tcp: new Set(), udp: new Set() } };
    groups.set(key, same);
    same.ports[transport].add(port);
  }
  return [...groups.values()].flatMap(({ place, resolvesTo, ports }) =>
    keysOf(ports).map((keys) => ({ place, keys: [...keys, ...resolvesToKey(resolvesTo)] })),
  );
}

/** Of one rule, or of one for each protocol. */
function keysOf({ tcp, udp }: Readonly<Record<Transport, ReadonlySet<number>>>): string[][] {
  const [overTcp, overUdp] = [portsKey(tcp), portsKey(udp)];
  if (overTcp === overUdp) return [[overTcp, "protocols: [tcp, udp]"]];
  const rules = [];
  if (tcp.size > 0) rules.push([overTcp]);
  if (udp.size > 0) rules.push([overUdp, "protocols: [udp]"]);
  return rules;
}

/** `ports: 443`, `ports: [80, 8000-8002]`: those and no others. */
function portsKey(ports: ReadonlySet<number>): string {
  const runs: [first: number, last: number][] = [];
  for (const port of [...ports].toSorted((a, b) => a - b)) {
    const run = runs.at(-1);
    // 0 is no part of a range: it is any port.
    if (run !== undefined && run[0] > 0 && run[1] === port - 1) run[1] = port;
    else runs.push([port, port]);
  }
  const texts = runs.flatMap(([first, last]) => {
    if (last - first > 1) return [`${first}-${last}`];
    return first === last ? [`${first}`] : [`${first}`, `${last}`];
  });
  return `ports: ${texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`}`;
}

function resolvesToKey(resolvesTo: ReadonlySet<string>): string[] {
  if (resolvesTo.size === 0) return [];
  return [`resolvesTo: [${[...resolvesTo].map(yamlText).join(", ")}]`];
}

function ruleText({ keys, hosts }: Rule): string {
  const [[name, evidence] = ["", new Evidence()]] = hosts;
  if (hosts.length === 1)
    return commented(`  - { ${[`allow: ${nameText(name)}`, ...keys].join(", ")} }`, evidence);
  const list = hosts.map(([each, seen]) => commented(`      - ${nameText(each)}`, seen));
  return [`  - allow:\n${list.join("")}`, ...keys.map((key) => `    ${key}\n`)].join("");
}

function commented(line: string, evidence: Evidence): string {
  const text = String(evidence);
  if (text === "") return `${line}\n`;
  return `${line}${line.includes(" # ") ? "; " : " # "}${text}\n`;
}
