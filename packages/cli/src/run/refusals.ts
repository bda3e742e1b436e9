// What was refused, for people: a line as it happens, and at the end all of it as a policy to paste.

import type { Denial, Policy } from "@ringway/monitor";

/** Lines of the agent's that say what the policy refused (docs/agent.md). */
const REFUSED =
  /^ringway-agent: (?:\S+(?: UDP)? to|publish) (.*?)(?:, for (.*) \(pid \d+\))?: Permission denied(?:: (.*))?$/;
/** Those that say that a port is not the host's, for another reason than a rule. */
const UNPUBLISHED = /^ringway-agent: (publish \S+ to \d+: (?!Permission denied: ).*|--publish auto.*)$/;
/** One that asks for ever for other things must not fill this process. */
const KEPT_MAX = 10_000;

/** A line for each refusal, once; undefined where it was there already. */
export class RefusalLines {
  readonly #told: Set<string> = new Set();
  readonly #dim: boolean;

  constructor(dim: boolean) {
    this.#dim = dim;
  }

  /** As the monitor tells it. */
  ofDenial({ reason, rule }: Pick<Denial, "reason" | "rule">): string | undefined {
    return this.#once(`refused: ${reason}${reason.includes(rule) ? "" : ` (rule ${rule})`}`);
  }

  /** As the agent of another process's monitor logs it; undefined for its other lines, too. */
  ofAgent(line: string): string | undefined {
    const [, what, program, reason] = REFUSED.exec(line) ?? [];
    if (what === undefined) return undefined;
    const whose = program === undefined ? "" : `, for ${program}`;
    return this.#once(`refused${whose}: ${reason ?? what}`);
  }

  /** Of a port that the agent cannot publish; undefined for its other lines. */
  ofPort(line: string): string | undefined {
    const [, what] = UNPUBLISHED.exec(line) ?? [];
    return what === undefined ? undefined : this.#once(what);
  }

  #once(what: string): string | undefined {
    const text = `ringway: ${what}`;
    if (this.#told.has(text) || this.#told.size >= KEPT_MAX) return undefined;
    this.#told.add(text);
    return this.#dim ? `\x1b[2m${text}\x1b[0m\n` : `${text}\n`;
  }
}

/**
 * What a policy would have to allow, put together of refusals. A name of the policy's `hosts`, such as host.ringway, is
 * allowed at the addresses that it has there, few of which are public. Of another name at an address that is not public
 * nothing is learned: it may be an attack (DNS rebinding).
 */
export class Learned {
  readonly #names: Policy["hosts"];
  /** Of each host the ports; no port where only its name was asked for. */
  readonly #hosts: Map<string, { readonly ports: Set<number>; readonly protocols: Set<string> }> = new Map();
  #lost = 0;

  /** `names`: the policy's `hosts`. */
  constructor(names: Policy["hosts"]) {
    this.#names = names;
  }

  add({ protocol, what, rule }: Pick<Denial, "protocol" | "what" | "rule">): void {
    const asked = askedOf(protocol, what);
    // Of what a rule of the policy denies, or what is no name, nothing is to be learned.
    if (asked === undefined || !(rule === "default" || (rule === "not-public" && this.#isNamed(asked.host))))
      return;
    let host = this.#hosts.get(asked.host);
    if (host === undefined && this.#hosts.size >= KEPT_MAX) {
      this.#lost++;
      return;
    }
    host ??= { ports: new Set(), protocols: new Set() };
    this.#hosts.set(asked.host, host);
    if (asked.port !== undefined && host.ports.size < KEPT_MAX) host.ports.add(asked.port);
    if (asked.transport !== undefined) host.protocols.add(asked.transport);
  }

  #isNamed(host: string): boolean {
    return Object.hasOwn(this.#names, host);
  }

  get isEmpty(): boolean {
    return this.#hosts.size === 0;
  }

  /** A policy with these alone; there are some. */
  toString(): string {
    const rules = [...this.#hosts].map(([host, { ports, protocols }]) => {
      const list = [...ports].toSorted((a, b) => a - b);
      const keys = [
        `allow: ${quoted(host)}`,
        ...(list.length === 0 ? [] : [`ports: ${list.length === 1 ? list[0] : `[${list.join(", ")}]`}`]),
        ...(protocols.has("udp") ? [`protocols: [${[...protocols].toSorted().join(", ")}]`] : []),
        ...(this.#isNamed(host) ? [`resolvesTo: [${this.#names[host]!.map(quoted).join(", ")}]`] : []),
      ];
      const note =
        list.length === 0 ? " # its name was looked up: at which ports it is wanted is not known" : "";
      return `  - { ${keys.join(", ")} }${note}\n`;
    });
    const lost = this.#lost === 0 ? "" : `# ${this.#lost} more were refused\n`;
    return `version: 1\nconnect:\n${rules.join("")}${lost}`;
  }
}

interface Asked {
  readonly host: string;
  readonly port: number | undefined;
  readonly transport: "tcp" | "udp" | undefined;
}

/** Of "example.com:443", "[2001:db8::1]:80", or the name alone that was looked up. */
function askedOf(protocol: string, what: string): Asked | undefined {
  if (protocol === "resolve") return { host: what, port: undefined, transport: undefined };
  const transport = protocol === "tcp-connect" ? "tcp" : protocol === "udp-connect" ? "udp" : undefined;
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(what) ?? [];
  if (transport === undefined || port === undefined) return undefined;
  return { host: bracketed ?? plain!, port: Number(port), transport };
}

/** YAML takes a colon for the end of a key. */
function quoted(host: string): string {
  return /^[A-Za-z0-9][A-Za-z0-9.-]*$/.test(host) ? host : JSON.stringify(host);
}
