// What a list of rules, connect or listen, has to allow: hosts, each with the ports that were asked for over TCP and
// over UDP. A rule has those hosts together whose ports, protocols and addresses are the same: so it allows what was
// asked for, and nothing else.

import { Evidence } from "./evidence.ts";
import { yamlText } from "./yaml.ts";

export type Transport = "tcp" | "udp";

/** One that asks for ever for other things must not fill this process. */
const KEPT_MAX = 10_000;
/** Words of groups (docs/policy.md): as a name each has a dot behind it. */
const GROUPS = ["public", "private", "loopback", "host"];

interface Host {
  readonly ports: Readonly<Record<Transport, Set<number>>>;
  /** Not public, and its name has led there. */
  readonly resolvesTo: Set<string>;
  readonly evidence: Evidence;
}

interface Rule {
  readonly keys: readonly string[];
  readonly hosts: (readonly [name: string, Evidence])[];
}

export class Reached {
  readonly #hosts: Map<string, Host> = new Map();
  #lost = 0;

  get isEmpty(): boolean {
    return this.#hosts.size === 0;
  }

  has(name: string): boolean {
    return this.#hosts.has(name);
  }

  /** What does not fit any more. */
  get lost(): number {
    return this.#lost;
  }

  /** `port`: undefined where only its name was asked for. */
  add(
    name: string,
    port: number | undefined,
    transport: Transport | undefined,
    resolvesTo: readonly string[] = [],
  ): Evidence | undefined {
    let host = this.#hosts.get(name);
    if (host === undefined && this.#hosts.size >= KEPT_MAX) {
      this.#lost++;
      return undefined;
    }
    host ??= {
      ports: { tcp: new Set(), udp: new Set() },
      resolvesTo: new Set(),
      evidence: new Evidence(),
    };
    this.#hosts.set(name, host);
    if (port !== undefined && transport !== undefined && host.ports[transport].size < KEPT_MAX) {
      host.ports[transport].add(port);
    }
    for (const address of resolvesTo) if (host.resolvesTo.size < KEPT_MAX) host.resolvesTo.add(address);
    return host.evidence;
  }

  /** A rule in YAML for each, with its evidence. `lookups`: what is made of names without a port. */
  rules(lookups: "rules" | "comments"): string[] {
    const rules: Map<string, Rule> = new Map();
    const comments: string[] = [];
    for (const [name, host] of this.#hosts) {
      const isLookup = host.ports.tcp.size + host.ports.udp.size === 0;
      if (isLookup && lookups === "comments") {
        comments.push(
          commented(`  # ${hostText(name)}: its name was looked up, and nothing else`, host.evidence),
        );
        continue;
      }
      for (const keys of isLookup ? [[]] : keysOf(host)) {
        const all = [...keys, ...resolvesToKey(host)];
        const key = isLookup ? `${name}:` : all.join(", ");
        const rule = rules.get(key) ?? { keys: all, hosts: [] };
        rules.set(key, rule);
        rule.hosts.push([name, host.evidence]);
      }
    }
    return [...[...rules.values()].map(ruleText), ...comments];
  }
}

/** Of one rule, or of one for each protocol. */
function keysOf({ ports: { tcp, udp } }: Host): string[][] {
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

function resolvesToKey({ resolvesTo }: Host): string[] {
  if (resolvesTo.size === 0) return [];
  return [`resolvesTo: [${[...resolvesTo].map(yamlText).join(", ")}]`];
}

function ruleText({ keys, hosts }: Rule): string {
  const [[name, evidence] = ["", new Evidence()]] = hosts;
  if (hosts.length === 1) {
    const line = `  - { ${[`allow: ${hostText(name)}`, ...keys].join(", ")} }`;
    return keys.some((key) => key.startsWith("ports"))
      ? commented(line, evidence)
      : commented(`${line} # its name was looked up: at which ports it is wanted is not known`, evidence);
  }
  const list = hosts.map(([each, seen]) => commented(`      - ${hostText(each)}`, seen));
  return [`  - allow:\n${list.join("")}`, ...keys.map((key) => `    ${key}\n`)].join("");
}

function hostText(name: string): string {
  return GROUPS.includes(name) ? `${name}.` : yamlText(name);
}

function commented(line: string, evidence: Evidence): string {
  const text = String(evidence);
  if (text === "") return `${line}\n`;
  return `${line}${line.includes(" # ") ? "; " : " # "}${text}\n`;
}
