// What a policy would have to allow, put together of what guests were refused, and of what they were allowed. A name of
// the policy's `hosts`, such as host.ringway, is allowed at the addresses that it has there, few of which are public.
// Of a refusal of another name at an address that is not public nothing is learned: it may be an attack (DNS
// rebinding). Nor is anything learned of what a rule denies.

import { canonicalAddress } from "@ringway/control";
import type { Denial, Policy } from "@ringway/monitor";
import type { Evidence } from "./evidence.ts";
import { AT_THE_END, type PlacedRule, Reached, type Transport } from "./reach.ts";

/** What names are made of; a guest may ask for whatever it likes. */
const NAME = /^[A-Za-z0-9_.-]+$/;

export type Refused = Pick<Denial, "protocol" | "what" | "rule"> & Partial<Pick<Denial, "reason">>;

export class Learned {
  #names: Policy["hosts"];
  readonly connect: Reached = new Reached();
  readonly listen: Reached = new Reached();

  /** `names`: the policy's `hosts`. */
  constructor(names: Policy["hosts"]) {
    this.#names = names;
  }

  /** Another policy is in force, which has these `hosts`, and places as `placeOf` says; undefined: it denies that. */
  under(names: Policy["hosts"], placeOf: (asked: Asked) => number | undefined): void {
    this.#names = names;
    for (const list of ["connect", "listen"] as const) {
      this[list].placeAnew((host, port, transport) => placeOf({ list, host, port, transport }));
    }
  }

  /** Where it was learned; undefined where nothing was. `place`: of the rule that allowed the name, if one did. */
  add(refused: Refused, place: number = AT_THE_END): Evidence | undefined {
    const { rule } = refused;
    const asked = askedOf(refused);
    if (asked === undefined) return undefined;
    // Of what a rule of the policy denies, or what is no name, nothing is to be learned.
    if (rule !== "default" && !(rule === "not-public" && this.#isNamed(asked.host))) return undefined;
    return this.addAllowed(asked, this.#isNamed(asked.host) ? this.#names[asked.host]! : [], place);
  }

  /** `notPublic`: the addresses that a name has led to, where a rule had to allow them. */
  addAllowed(
    { list, host, port, transport }: Asked,
    notPublic: readonly string[],
    place: number = AT_THE_END,
  ): Evidence | undefined {
    const isPort = port !== undefined && transport !== undefined;
    return this[list].add(host, isPort ? { port, transport, resolvesTo: notPublic, place } : undefined);
  }

  #isNamed(host: string): boolean {
    return Object.hasOwn(this.#names, host);
  }

  get isEmpty(): boolean {
    return this.connect.isEmpty && this.listen.isEmpty;
  }

  /** A policy with these alone, and with rules of another one in their places. */
  toString(others: Readonly<Partial<Record<"connect" | "listen", readonly PlacedRule[]>>> = {}): string {
    const lists = (["connect", "listen"] as const).map((list) => {
      const rules = this[list].rules(others[list]);
      if (rules.length === 0) return "";
      // Comments alone are nothing, and a list is wanted.
      const isEmpty = rules.every((rule) => rule.startsWith("  #"));
      return `${list}:${isEmpty ? " []" : ""}\n${rules.join("")}`;
    });
    const lost = this.connect.lost + this.listen.lost;
    return `version: 1\n${lists.join("")}${lost === 0 ? "" : `# ${lost} more are not here\n`}`;
  }
}

export interface Asked {
  readonly list: "connect" | "listen";
  readonly host: string;
  readonly port: number | undefined;
  readonly transport: Transport | undefined;
}

const CONNECTS: Readonly<Record<string, readonly ["connect" | "listen", Transport]>> = {
  "tcp-connect": ["connect", "tcp"],
  "udp-connect": ["connect", "udp"],
  "tcp-listen": ["listen", "tcp"],
  "udp-bind": ["listen", "udp"],
};

/** Reasons of the connect rules. */
const OF_A_PEER = /^(?:no connect rule|sending datagrams to) /;

/** Of "example.com:443", "[2001:db8::1]:80", or the name alone that was looked up; undefined for what is no such. */
export function askedOf({ protocol, what, reason = "" }: Omit<Refused, "rule">): Asked | undefined {
  if (protocol === "resolve") {
    const host = hostOf(what);
    return host === undefined ? undefined : { list: "connect", host, port: undefined, transport: undefined };
  }
  const known = Object.hasOwn(CONNECTS, protocol) ? CONNECTS[protocol] : undefined;
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(what) ?? [];
  const host = hostOf(bracketed ?? plain ?? "");
  const port = Number(digits);
  if (known === undefined || host === undefined || port > 65_535) return undefined;
  const [of, transport] = known;
  // A bound socket asks for its peers, too.
  const list = protocol === "udp-bind" && OF_A_PEER.test(reason) ? "connect" : of;
  if (list === "connect" ? port === 0 : canonicalAddress(host) === undefined) return undefined;
  return { list, host, port, transport };
}

/** As a policy has it: two ways to write a name are one rule. */
function hostOf(text: string): string | undefined {
  return canonicalAddress(text) ?? (NAME.test(text) ? text.toLowerCase().replace(/\.$/, "") : undefined);
}
