// Names that have addresses whatever anybody else says (host.ringway, localhost, those of `hosts`), and lead nowhere
// all the same. A rule that allows such a name allows its addresses only by resolvesTo, as with any other name; an
// address counts as allowed where it may be the host's own, and where it may not.

import { isLoopback } from "./groups.ts";
import { fixedAddresses } from "./hosts.ts";
import { PolicyMatcher } from "./matcher.ts";
import { normalizeName } from "./names.ts";
import { parseAddress } from "./networks.ts";
import type { OrderedRule, RuleTarget } from "./order.ts";
import type { BuildContext, RawPolicy } from "./raw.ts";
import type { Reach } from "./reach.ts";
import { NO_SURROUNDINGS, type Surroundings } from "./surroundings.ts";
import type { Policy } from "./types.ts";

/** Warns of them, at the rule, or where no rule has the name, at the name. `connect` has all of the policy's rules. */
export function checkLeads(
  policy: Policy,
  connect: readonly OrderedRule[],
  hosts: NonNullable<RawPolicy["hosts"]>,
  context: BuildContext,
): void {
  const check = new LeadsCheck(policy, context);
  for (const [index, { action, targets }] of connect.entries())
    if (action === "allow") for (const target of targets) check.ofRule(index, target);
  if (!context.isBroken(["hosts"])) for (const text of Object.keys(hosts)) check.ofHosts(text);
}

class LeadsCheck {
  readonly #policy: Policy;
  readonly #context: BuildContext;
  readonly #hosts: ReadonlyMap<string, readonly string[]>;
  readonly #told: Set<string> = new Set();
  #reaches: readonly Reach[] | undefined;

  constructor(policy: Policy, context: BuildContext) {
    this.#policy = policy;
    this.#context = context;
    this.#hosts = new Map(Object.entries(policy.hosts));
  }

  ofRule(index: number, { text: name, network, group, path }: RuleTarget): void {
    if (network !== undefined || group !== undefined) return;
    const addresses = fixedAddresses(this.#hosts, name);
    const decisions = addresses.flatMap((address) =>
      this.#reach().map((reach) => reach.resolvedBy(index, name, address)),
    );
    if (decisions.length === 0 || decisions.some(({ allowed }) => allowed)) return;
    this.#told.add(name);
    const denied = decisions.find(({ rule }) => rule !== "not-public");
    const why =
      denied?.reason ??
      `${name} is at ${addresses.join(" and ")}, not public: add resolvesTo: ${inRule(addresses)} to the rule`;
    this.#context.warn(path, `leads nowhere: ${why}`);
  }

  ofHosts(text: string): void {
    const parsed = normalizeName(text);
    if ("problem" in parsed || this.#context.isBroken(["hosts", text]) || this.#told.has(parsed.name)) return;
    const { name } = parsed;
    const addresses = fixedAddresses(this.#hosts, name);
    const leads = addresses.some((address) =>
      this.#reach().some((reach) => reach.resolved(name, address).allowed),
    );
    if (addresses.length === 0 || leads) return;
    this.#context.warn(["hosts", text], `leads nowhere: no connect rule lets ${name} be at its address`);
  }

  /** Made when it is wanted: most policies have no such name. */
  #reach(): readonly Reach[] {
    const somewhere: Surroundings = { ...NO_SURROUNDINGS, isOwn: () => true };
    this.#reaches ??= [NO_SURROUNDINGS, somewhere].map((each) => new PolicyMatcher(this.#policy, each).reach);
    return this.#reaches;
  }
}

/** What a rule says for these, as YAML has it. */
function inRule(addresses: readonly string[]): string {
  if (addresses.every((address) => isLoopback(parseAddress(address)!))) return "loopback";
  const texts = addresses.map((address) => (address.includes(":") ? `"${address}"` : address));
  return texts.length === 1 ? texts[0]! : `[${texts.join(", ")}]`;
}
