// What a learned policy keeps of the one that was in force: what that denies, and all that is no list of what guests
// may reach. What it allows is written again as far as it was used (reach.ts, paths.ts).
//
// Invariant: a deny stands behind what was learned of the rules in front of it, and in front of all else: so it denies
// what it did, and nothing that was allowed.

import {
  type ConnectRule,
  DEFAULT_LIMITS,
  DEFAULT_RATES,
  DEFAULT_TIMEOUTS,
  type ListenRule,
  type Policy,
  PolicyMatcher,
  type PortRange,
  type Surroundings,
} from "@ringway/monitor";
import type { Asked } from "./learned.ts";
import { AT_THE_END, type PlacedRule } from "./reach.ts";
import { idKey, nameText, yamlText } from "./yaml.ts";

/** The places of a policy's rules: undefined is what the policy denies. */
export class Places {
  readonly #policy: Policy;
  readonly #matcher: PolicyMatcher;

  constructor(policy: Policy, surroundings: Surroundings) {
    this.#policy = policy;
    this.#matcher = new PolicyMatcher(policy, surroundings);
  }

  /** Of the rule that allows it; AT_THE_END where no rule decides. */
  of({ list, host, port, transport }: Asked): number | undefined {
    if (port === undefined) return AT_THE_END;
    const matcher = this.#matcher;
    const { allowed, rule } =
      list === "listen"
        ? matcher.listen(host, port, transport)
        : isName(host)
          ? matcher.connectName(host, port, transport)
          : matcher.connectAddress(host, port, transport);
    const place = this.#policy[list].findIndex(({ id }) => id === rule);
    if (place < 0) return AT_THE_END;
    return allowed ? place : undefined;
  }
}

export const isName = (host: string): boolean => !host.includes(":") && !/^\d+(\.\d+){3}$/.test(host);

/** The rules that deny, as they stand. */
export function denials(policy: Policy): Record<"connect" | "listen", PlacedRule[]> {
  return { connect: denialsOf(policy.connect), listen: denialsOf(policy.listen) };
}

function denialsOf(rules: readonly (ConnectRule | ListenRule)[]): PlacedRule[] {
  return rules.flatMap((rule, place) => {
    if (rule.action !== "deny") return [];
    const { id, protocols, networks, ports } = rule;
    const names = "names" in rule ? rule.names : [];
    const keys = [
      ...idKey(id),
      `deny: [${[...names.map(nameText), ...networks.map(yamlText)].join(", ")}]`,
      `ports: [${ports.map(portsText).join(", ")}]`,
      `protocols: [${protocols.join(", ")}]`,
    ];
    return [{ place, text: `  - { ${keys.join(", ")} } # of the policy in force\n` }];
  });
}

function portsText({ first, last }: PortRange): string {
  return first === last ? `${first}` : `${first}-${last}`;
}

/** All keys beside the lists of rules and `hosts`, as far as they say something. */
export function otherKeys({
  guest,
  refusals,
  audit,
  audited,
  vms,
  run,
  limits,
  rates,
  timeouts,
}: Policy): string {
  const lines = {
    refusals: refusals === "explain" ? "" : refusals,
    audit: audit === "best-effort" ? "" : audit,
    audited: audited === "all" ? "" : audited,
    guest: mapText({
      ...(guest.argv.length === 0 ? {} : { argv: listText(guest.argv) }),
      ...(Object.keys(guest.env).length === 0 ? {} : { env: mapText(texts(guest.env)) }),
    }),
    run:
      run.system.length === 1 && run.system[0] === "default" ? "" : mapText({ system: listText(run.system) }),
    vms: vms.length === 0 ? "" : `[${vms.map(vmText).join(", ")}]`,
    limits: mapText(changed(limits, DEFAULT_LIMITS)),
    rates: mapText(ratesOf(rates)),
    timeouts: mapText(changed(timeouts, DEFAULT_TIMEOUTS)),
  };
  return Object.entries(lines)
    .filter(([, text]) => text !== "")
    .map(([key, text]) => `${key}: ${text}\n`)
    .join("");
}

function vmText({ name, memory, doorbell, memoryBytes }: Policy["vms"][number]): string {
  return mapText({ ...texts({ name, memory, doorbell }), size: `${memoryBytes}` });
}

function ratesOf(rates: Policy["rates"]): Record<string, string> {
  const all = Object.entries(rates).filter(
    ([key, { perSecond }]) => perSecond !== DEFAULT_RATES[key as keyof Policy["rates"]].perSecond,
  );
  return Object.fromEntries(
    all.flatMap(([key, { perSecond, burst }]) => [
      [key, `${perSecond}`],
      ...(burst === perSecond ? [] : [[`${key}Burst`, `${burst}`]]),
    ]),
  );
}

function changed(numbers: object, defaults: object): Record<string, string> {
  const usual = new Map<string, number>(Object.entries(defaults));
  const others = Object.entries(numbers).filter(([key, value]) => value !== usual.get(key));
  return Object.fromEntries(others.map(([key, value]) => [key, `${value}`]));
}

function texts(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, text]) => [key, yamlText(text)]));
}

const listText = (values: readonly string[]): string => `[${values.map(yamlText).join(", ")}]`;

/** "" of an empty one. */
function mapText(entries: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(entries).map(([key, text]) => `${yamlText(key)}: ${text}`);
  return pairs.length === 0 ? "" : `{ ${pairs.join(", ")} }`;
}
