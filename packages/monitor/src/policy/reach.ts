// What a policy allows of a name or an address at some port, whichever: what may be asked of a name server, and what of
// its answers a guest is told (RSL-4). A decision is the same for all ports between two at which another entry of the
// rules begins, so it is made at these alone, until one allows.

import { Errno } from "@ringway/control";
import { type CompiledPolicy, mapsOfGroups } from "./compiled/compile.ts";
import { mapsForName } from "./compiled/name-table.ts";
import { addStarts } from "./compiled/port-map.ts";
import { mapsForAddress } from "./compiled/prefix-tree.ts";
import { insideNat64 } from "./nat64.ts";
import { parseAddress } from "./networks.ts";
import type { Surroundings } from "./surroundings.ts";
import { placeIn, portIn, TRANSPORTS } from "./transports.ts";
import type { Decision, NameDecision, NotAllowed, Transport } from "./types.ts";

/** Who decides for one port (PolicyMatcher). */
export interface PortJudge {
  /** The addresses that a name has whatever anybody else says. */
  fixedAddresses(name: string): readonly string[];
  connectName(name: string, port: number, transport: Transport): NameDecision;
  connectAddress(address: string, port: number, transport: Transport): Decision;
  connectResolved(
    name: string,
    ruleIndex: number,
    address: string,
    port: number,
    transport: Transport,
  ): Decision;
}

export class Reach {
  readonly #policy: CompiledPolicy;
  readonly #judge: PortJudge;
  readonly #surroundings: Surroundings;

  constructor(policy: CompiledPolicy, judge: PortJudge, surroundings: Surroundings) {
    this.#policy = policy;
    this.#judge = judge;
    this.#surroundings = surroundings;
  }

  /** Whether some rule allows the name, which is normalized. */
  name(name: string): Decision {
    const fixed = this.#judge.fixedAddresses(name);
    const starts = this.#startsOf(name, fixed);
    return somewhere(starts, name, (port, transport) => this.#judge.connectName(name, port, transport));
  }

  /** Whether some rule lets the name, which is normalized, lead to the address. */
  resolved(name: string, address: string): Decision {
    const starts = this.#startsOf(name, [...this.#judge.fixedAddresses(name), address]);
    return somewhere(starts, `${name} at ${address}`, (port, transport) => {
      const named = this.#judge.connectName(name, port, transport);
      return named.allowed
        ? this.#judge.connectResolved(name, named.ruleIndex, address, port, transport)
        : named;
    });
  }

  /** Whether that rule of connect, which allows the name, lets it lead to the address. */
  resolvedBy(ruleIndex: number, name: string, address: string): Decision {
    const starts = this.#startsOf(name, [...this.#judge.fixedAddresses(name), address]);
    return somewhere(starts, `${name} at ${address}`, (port, transport) => {
      const named = this.#judge.connectName(name, port, transport);
      if (!named.allowed) return named;
      return named.ruleIndex === ruleIndex
        ? this.#judge.connectResolved(name, ruleIndex, address, port, transport)
        : { allowed: false, rule: "default", reason: "by another rule", errno: Errno.EACCES };
    });
  }

  /** Has the name, which is normalized, addresses whatever anybody else says, and no rule a pattern for it? */
  isByAddress(name: string): boolean {
    if (this.#judge.fixedAddresses(name).length === 0) return false;
    const { words, texts, names } = this.#policy;
    return mapsForName(words, texts, names, name).length === 0;
  }

  /** Whether some rule allows the address. */
  address(address: string): Decision {
    const starts = this.#startsOf(undefined, [address]);
    return somewhere(starts, address, (port, transport) =>
      this.#judge.connectAddress(address, port, transport),
    );
  }

  #startsOf(name: string | undefined, addresses: readonly string[]): Set<number> {
    const { words, texts, names, connect } = this.#policy;
    const maps = name === undefined ? [] : mapsForName(words, texts, names, name);
    for (const text of addresses) {
      const address = parseAddress(text);
      if (address === undefined) continue;
      for (const each of [address, ...insideNat64(address, this.#surroundings.nat64)])
        maps.push(...mapsForAddress(words, connect, each));
      maps.push(...mapsOfGroups(this.#policy, connect));
    }
    const starts = new Set<number>();
    for (const map of maps) addStarts(words, map, starts);
    for (const transport of TRANSPORTS) starts.add(portIn(transport, 1));
    return starts;
  }
}

/** Allowed, or the first rule of the file that says no; or that none says yes. */
function somewhere(
  ports: ReadonlySet<number>,
  what: string,
  decide: (port: number, transport: Transport) => Decision,
): Decision {
  let denied: NotAllowed | undefined;
  for (const number of ports) {
    const { port, transport } = placeIn(number);
    if (port === 0 || transport === undefined) continue;
    const decision = decide(port, transport);
    if (decision.allowed || decision.errno === Errno.EINVAL) return decision;
    if (denied === undefined || denied.rule === "default") denied = decision;
  }
  const { rule } = denied!;
  const reason =
    rule === "default"
      ? `no connect rule allows ${what} at any port`
      : `${what} is allowed at no port: ${denied!.reason}`;
  return { allowed: false, rule, reason, errno: Errno.EACCES };
}
