// Rules that earlier ones hide, in the lists where the first match decides. A rule goes by its targets, the patterns,
// networks and groups that it names, each with the rule's ports; a target is hidden where earlier ones that have all of
// it leave it none of these ports.
//
//   all targets of a rule are hidden             an error: it never decides anything
//   some, by rules that say otherwise            an error: what the file says there does not hold
//   some, by rules that say the same             nothing: lists may overlap
//   a deny, on some ports, by an allow of more   a warning: it may be meant
//
// Found is what one earlier pattern or network has whole, not what several make up together. Each target costs a look
// at what lies above it (earlier.ts), so 20,000 rules are judged in little more than the time that they take to be
// read.

import {
  areTaken,
  type Cover,
  type Decider,
  deciderOf,
  EarlierRules,
  firstDecider,
  type Target,
} from "./earlier.ts";
import { contains, networkFrom, parseAddress } from "./networks.ts";
import { joined } from "./port-cover.ts";
import { formatPath } from "./schema.ts";
import type { Path } from "./source.ts";
import { quoted } from "./text.ts";
import { shownPort } from "./transports.ts";
import type { Action, PortRange } from "./types.ts";

export interface RuleTarget extends Target {
  /** Where it stands in the file. */
  readonly path: Path;
}

export interface OrderedRule {
  /** `["connect", 2]` */
  readonly path: Path;
  readonly action: Action;
  readonly targets: readonly RuleTarget[];
  /** By which it is judged whether the rule is hidden; of the row that transports.ts has. */
  readonly ports: readonly PortRange[];
  /** All that it takes from those behind it. */
  readonly taken: readonly PortRange[];
  /** Empty for a rule that listens. */
  readonly resolvesTo: readonly RuleTarget[];
}

export interface OrderContext {
  complain(path: Path, message: string): void;
  warn(path: Path, message: string): void;
  lineOf(path: Path): number;
}

export function checkOrder(rules: readonly OrderedRule[], context: OrderContext): void {
  const check = new OrderCheck(rules, context);
  for (const [index, rule] of rules.entries()) check.next(rule, index);
}

class OrderCheck {
  readonly #rules: readonly OrderedRule[];
  readonly #context: OrderContext;
  readonly #earlier: EarlierRules = new EarlierRules();

  constructor(rules: readonly OrderedRule[], context: OrderContext) {
    this.#rules = rules;
    this.#context = context;
  }

  next(rule: OrderedRule, index: number): void {
    const ports = joined(rule.ports);
    if (ports.length === 0 || rule.targets.length === 0) return;
    const covers = rule.targets.map((target) => this.#earlier.over(target));
    if (covers.every((over) => areTaken(ports, over))) this.#hidden(rule, ports, covers);
    else for (const [i, target] of rule.targets.entries()) this.#checkTarget(rule, target, ports, covers[i]!);
    for (const target of rule.resolvesTo) this.#checkResolvesTo(target, ports);
    this.#checkEverything(rule, ports);
    const taken = joined(rule.taken);
    for (const target of rule.targets) this.#earlier.add(target, taken, index, rule.action === "allow");
  }

  #hidden({ path, targets }: OrderedRule, ports: readonly PortRange[], covers: readonly Cover[][]): void {
    const deciders = covers.map((over) => deciderOf(ports[0]!.first, over)!);
    const [first, ...others] = [...new Map(deciders.map((decider) => [decider.rule, decider])).values()];
    const by = this.#describe(first!);
    const stand = others.length === 0 ? `${by} stands` : `${by} and ${others.length} more stand`;
    this.#context.complain(
      targets.length === 1 ? targets[0]!.path : path,
      `never matches, because ${stand} before it: ${advice(targets, first!)}`,
    );
  }

  #checkTarget(
    { action }: OrderedRule,
    target: RuleTarget,
    ports: readonly PortRange[],
    over: Cover[],
  ): void {
    const isOther = ({ rule }: Decider): boolean => this.#rules[rule]!.action !== action;
    if (areTaken(ports, over)) {
      const other = firstDecider(ports, over, isOther);
      if (other === undefined) return;
      const says = action === "deny" ? "allows" : "denies";
      this.#context.complain(
        target.path,
        `${shownTarget(target)} never matches, because ${this.#describe(other)} stands before it and ${says} it: ` +
          advice([target], other),
      );
      return;
    }
    if (action === "allow") return;
    for (const { text, allowed } of over) {
      const port = text === target.text ? -1 : allowed.firstOf(ports);
      const decider = port < 0 ? undefined : deciderOf(port, over);
      if (decider === undefined || !isOther(decider)) continue;
      this.#context.warn(
        target.path,
        `does not hold for ${shownPort(port)}: ${this.#describe(decider)} stands before it and allows it; ` +
          "put the narrower rule first",
      );
      return;
    }
  }

  /** What it says is passed over where an earlier rule denies the address. */
  #checkResolvesTo(target: RuleTarget, ports: readonly PortRange[]): void {
    const over = this.#earlier.over(target);
    if (!areTaken(ports, over)) return;
    const denying = firstDecider(ports, over, ({ rule }) => this.#rules[rule]!.action === "deny");
    if (denying === undefined) return;
    this.#context.complain(
      target.path,
      `never counts, because ${this.#describe(denying)} stands before it and denies it: put this rule first`,
    );
  }

  #checkEverything({ path, action, targets, resolvesTo }: OrderedRule, ports: readonly PortRange[]): void {
    if (path[0] !== "connect" || action === "deny") return;
    const isOpen = ({ address }: Lurking): boolean => {
      const network = networkFrom(address);
      return !areTaken(ports, this.#earlier.over({ text: address, network }));
    };
    for (const target of targets) {
      const open = lurkingIn(target).filter(isOpen);
      if (open.length === 0) continue;
      const instead = 'to allow public addresses alone, say public, and "*" for names at them';
      this.#context.warn(target.path, `allows ${listed(open)} as well: deny them in front; ${instead}`);
    }
    for (const target of resolvesTo) {
      const open = lurkingIn(target).filter(isOpen);
      if (open.length === 0) continue;
      const instead = "say where these names lie; public addresses need no resolvesTo";
      this.#context.warn(
        target.path,
        `lets whoever runs these names lead guests to ${listed(open)}: ${instead}`,
      );
    }
  }

  /** `connect[0] ("*", line 3)` */
  #describe({ rule, text }: Decider): string {
    const { path, targets } = this.#rules[rule]!;
    const target = targets.find((other) => other.text === text)!;
    return `${formatPath(path)} (${shownTarget(target)}, line ${this.#context.lineOf(target.path)})`;
  }
}

function advice(targets: readonly Target[], { text }: Decider): string {
  const isSame = targets.every((target) => target.text === text);
  return isSame ? "only one of the two can hold" : "put the narrower rule first";
}

function shownTarget({ text, network, group }: Target): string {
  return network === undefined && group === undefined ? quoted(text) : text;
}

interface Lurking {
  readonly address: string;
  readonly what: string;
}

/** What a network of everything has, and who writes it seldom means. */
const LURKING = {
  4: [
    { address: "127.0.0.1", what: "loopback" },
    { address: "169.254.169.254", what: "a cloud's metadata" },
  ],
  6: [
    { address: "::1", what: "loopback" },
    { address: "fd00:ec2::254", what: "a cloud's metadata" },
  ],
} as const;

/** Networks as long as loopback's or the unique-local ones' are no networks of everything. */
const EVERYTHING_BITS_MAX = 6;

function lurkingIn({ network }: Target): readonly Lurking[] {
  if (network === undefined || network.prefix > EVERYTHING_BITS_MAX) return [];
  return LURKING[network.family].filter(({ address }) => contains(network, parseAddress(address)!));
}

function listed(all: readonly Lurking[]): string {
  return all.map(({ address, what }) => `${address} (${what})`).join(" and ");
}
