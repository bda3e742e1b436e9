// Rules to connect and to listen, from the file's values (build.ts): what each names, in canonical form, and where that
// stands.

import { parseIp } from "@ringway/control";
import { nearest } from "@ringway/linux";
import { ALL_PORTS } from "./defaults.ts";
import { GROUPS, groupNamed } from "./groups.ts";
import { normalizePattern } from "./names.ts";
import { parseNetwork } from "./networks.ts";
import type { OrderedRule, RuleTarget } from "./order.ts";
import { parsePorts } from "./ports.ts";
import type { BuildContext, RawPort, RawRule } from "./raw.ts";
import type { Path } from "./source.ts";
import { quoted } from "./text.ts";
import { portsIn, TRANSPORTS } from "./transports.ts";
import type { Action, ConnectRule, ListenRule, PortRange, Transport } from "./types.ts";

/** A rule, and what its place among the others is judged by. */
export interface Built<Rule> {
  readonly rule: Rule;
  readonly ordered: OrderedRule;
}

/** An entry of a list, or the one value that stands for a list of one, with its path. */
type Entry<T> = readonly [value: T, path: Path];

export function connectRule(
  rule: RawRule,
  id: string,
  path: Path,
  context: BuildContext,
): Built<ConnectRule> {
  const action: Action = rule.allow === undefined ? "deny" : "allow";
  const targets: RuleTarget[] = [];
  let targetsAreRight = !context.isBroken([...path, action]);
  for (const [text, place] of entries(rule[action] ?? [], [...path, action], context)) {
    const target = parseTarget(text);
    if ("problem" in target) {
      targetsAreRight = false;
      context.complain(place, `expected a name pattern, an address or a CIDR; ${target.problem}`);
    } else {
      targets.push({ ...target, path: place });
      checkMeansName(text, place, context);
    }
  }
  const isName = ({ network, group }: RuleTarget): boolean => network === undefined && group === undefined;
  const names = targets.filter(isName).map(({ text }) => text);
  const networks = targets.filter((target) => !isName(target)).map(({ text }) => text);
  if (rule.resolvesTo !== undefined && action === "allow" && names.length === 0 && targetsAreRight) {
    context.complain([...path, "resolvesTo"], "goes only with names, and this rule allows none");
  }
  const ports =
    rule.ports === undefined
      ? ALL_PORTS
      : portRanges(entries(rule.ports, [...path, "ports"], context), 1, context);
  const protocols = transports(rule, action, path, context);
  const resolvesTo = networkTargets(rule.resolvesTo, [...path, "resolvesTo"], context, true);
  if (action === "allow") for (const target of [...targets, ...resolvesTo]) checkNamesHost(target, context);
  return {
    rule: { id, action, protocols, names, networks, ports, resolvesTo: resolvesTo.map(({ text }) => text) },
    ordered: { path, action, targets, resolvesTo, ...portsOf(rule, protocols, ports) },
  };
}

export function listenRule(rule: RawRule, id: string, path: Path, context: BuildContext): Built<ListenRule> {
  const action: Action = rule.allow === undefined ? "deny" : "allow";
  const targets = networkTargets(rule[action], [...path, action], context);
  const ports = portRanges(entries(rule.ports ?? [], [...path, "ports"], context), 0, context);
  const protocols = transports(rule, action, path, context);
  return {
    rule: { id, action, protocols, networks: targets.map(({ text }) => text), ports },
    ordered: { path, action, targets, resolvesTo: [], ...portsOf(rule, protocols, ports) },
  };
}

/** An allow that does not say allows TCP alone, and a deny denies all: what is added here opens nothing by itself. */
function transports(
  { protocols }: RawRule,
  action: Action,
  path: Path,
  context: BuildContext,
): readonly Transport[] {
  if (protocols === undefined) return action === "allow" ? ["tcp"] : TRANSPORTS;
  const named = entries(protocols, [...path, "protocols"], context).map(([protocol]) => protocol);
  return TRANSPORTS.filter((transport) => named.includes(transport));
}

/** A deny that does not say is there for TCP: whether it is hidden is seen by that. */
function portsOf(
  rule: RawRule,
  protocols: readonly Transport[],
  ports: readonly PortRange[],
): Pick<OrderedRule, "ports" | "taken"> {
  const taken = portsIn(protocols, ports);
  return { ports: rule.protocols === undefined ? portsIn(["tcp"], ports) : taken, taken };
}

/** The built-in rule `address` is before every rule of the file. */
function checkNamesHost({ text, network, path }: RuleTarget, context: BuildContext): void {
  if (network === undefined || (text !== "0.0.0.0" && text !== "::")) return;
  const all = text === "::" ? "IPv6 address is ::/0" : "IPv4 address is 0.0.0.0/0";
  context.complain(path, `never matches, because ${text} names no host; every ${all}`);
}

/** A group with a slip of the pen is a name: a deny of it would deny nothing, and no error would tell. */
function checkMeansName(text: string, place: Path, context: BuildContext): void {
  if (text.includes(".") || groupNamed(text) !== undefined) return;
  const meant = nearest(text, GROUPS);
  if (meant === undefined) return;
  const otherwise = `did you mean the group ${meant}? If not, write ${quoted(`${text}.`)}`;
  context.warn(place, `is the name ${quoted(text)}; ${otherwise}`);
}

type Target = Omit<RuleTarget, "path"> | { readonly problem: string };

/** What was meant is told by the characters: "/" and ":" are in no name. */
function parseTarget(text: string): Target {
  if (text.includes("://"))
    return { problem: `${quoted(text)} is a URL: give its host, and its port in ports` };
  if (/^[^:]+:[0-9]+$/.test(text)) return { problem: `${quoted(text)} has a port: give it in ports` };
  if (text.includes("/") || text.includes(":") || text.includes("%") || parseIp(text) !== undefined) {
    const result = parseNetwork(text);
    return "problem" in result ? result : { text: result.network.text, network: result.network };
  }
  const group = groupNamed(text);
  if (group !== undefined) return { text: group, network: undefined, group };
  const result = normalizePattern(text);
  return "problem" in result ? result : { text: result.name, network: undefined };
}

function networkTargets(
  value: string | string[] | undefined,
  path: Path,
  context: BuildContext,
  mayBeGroups = false,
): RuleTarget[] {
  return entries(value ?? [], path, context).flatMap(([text, place]): RuleTarget[] => {
    const group = mayBeGroups ? groupNamed(text) : undefined;
    if (group !== undefined) return [{ text: group, network: undefined, group, path: place }];
    const result = parseNetwork(text);
    if ("network" in result) return [{ text: result.network.text, network: result.network, path: place }];
    const expected = mayBeGroups
      ? `an address, a CIDR or a group (${GROUPS.join(", ")})`
      : "an address or a CIDR";
    context.complain(place, `expected ${expected}; ${result.problem}`);
    return [];
  });
}

function portRanges(ports: readonly Entry<RawPort>[], lowest: 0 | 1, context: BuildContext): PortRange[] {
  return ports.flatMap(([port, path]) => {
    const result = parsePorts(port, lowest);
    if ("range" in result) return [result.range];
    context.complain(path, result.problem);
    return [];
  });
}

function entries<T extends string | number>(
  value: T | readonly T[],
  path: Path,
  context: BuildContext,
): readonly Entry<T>[] {
  const all: Entry<T>[] = Array.isArray(value)
    ? value.map((item: T, index) => [item, [...path, index]])
    : [[value as T, path]];
  return context.isBroken(path) ? [] : all.filter(([, place]) => !context.isBroken(place));
}
