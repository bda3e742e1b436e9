// A policy as the reactor's thread gets it: rules to connect and to listen in tables that decide without walking over
// rules, and the rest as it was. The tables are made on the thread that loads policies, and handed over by reference: a
// policy of 20,000 rules costs the reactor what one of 20 does, also when it comes by a reload.
//
//   entry   a name pattern or a network of a rule. Numbered in the order of the rules, and within a rule as it lists
//           them: of all entries that match, the lowest is the first match.
//             words: rule | text's start | text's length
// Ports are those of the row that transports.ts has.
//
//   rule    words: 1 for allow, 0 for deny | id's start | id's length | of resolvesTo: entries | IPv4 root | IPv6 root
//           | groups
//   groups  words: of each group its port map, or NONE; NONE instead of a place where there is none of them

import { ALL_PORTS } from "../defaults.ts";
import { GROUPS, type Group, groupNamed } from "../groups.ts";
import { networkFrom } from "../networks.ts";
import { portsIn, TRANSPORTS } from "../transports.ts";
import type { ConnectRule, ListenRule, Policy, PortRange, Transport } from "../types.ts";
import { type NameTable, writeNameTable } from "./name-table.ts";
import { entryForPort, type PortEntry, writePortMap } from "./port-map.ts";
import { type PrefixTree, PrefixTreeBuilder } from "./prefix-tree.ts";
import { NONE, type Place, TextsWriter, WordsWriter } from "./words.ts";

/** A policy without its rules to connect and to listen. */
export type PolicySettings = Omit<Policy, "connect" | "listen">;

/** A policy in tables. Plain data: it is structured-cloned, but for the words, which are shared. */
export interface CompiledPolicy {
  readonly settings: PolicySettings;
  /** Does any rule allow datagrams to anybody? */
  readonly sendsDatagrams: boolean;
  readonly words: Uint32Array;
  readonly texts: string;
  readonly names: NameEntries;
  readonly connect: NetworkEntries;
  readonly listen: NetworkEntries;
}

/** Places of the first rule, and of the first entry. */
export interface Entries {
  readonly rules: Place;
  readonly entries: Place;
}

/** Entries that are names, and how one is found. */
export type NameEntries = Entries & NameTable;
/** Entries that are networks and groups, and how one is found. */
export type NetworkEntries = Entries & PrefixTree & { readonly groups: Place };

export function compilePolicy(policy: Policy): CompiledPolicy {
  const { connect, listen, ...settings } = policy;
  const writer = new WordsWriter();
  const texts = new TextsWriter();
  const connectRules = writeRules(writer, texts, connect);
  const listenRules = writeRules(writer, texts, listen);
  const tables = {
    names: { rules: connectRules, ...writeNames(writer, texts, connect) },
    connect: { rules: connectRules, ...writeNetworks(writer, texts, connect) },
    listen: { rules: listenRules, ...writeNetworks(writer, texts, listen) },
  };
  const sendsDatagrams = connect.some(
    ({ action, protocols }) => action === "allow" && protocols.includes("udp"),
  );
  return { settings, sendsDatagrams, words: writer.finish(), texts: texts.finish(), ...tables };
}

const RULE_WORDS = 7;
const RESOLVES_TO = 3;
const ENTRY_WORDS = 3;

function writeRules(
  writer: WordsWriter,
  texts: TextsWriter,
  rules: readonly (ConnectRule | ListenRule)[],
): Place {
  const words: number[] = [];
  for (const [index, rule] of rules.entries()) {
    const networks = "resolvesTo" in rule ? rule.resolvesTo : [];
    const everywhere = { networks, protocols: TRANSPORTS, ports: ALL_PORTS };
    const own = writeNetworks(writer, texts, [everywhere], index);
    words.push(rule.action === "allow" ? 1 : 0, ...texts.add(rule.id));
    words.push(own.entries, own.four, own.six, own.groups);
  }
  return writer.append(words);
}

function writeNames(
  writer: WordsWriter,
  texts: TextsWriter,
  connect: readonly ConnectRule[],
): NameTable & { entries: Place } {
  const patterns = new Map<string, PortEntry[]>();
  const words: number[] = [];
  for (const [rule, { names, protocols, ports: own }] of connect.entries()) {
    const ports = portsIn(protocols, own);
    for (const pattern of names) {
      const entry = { entry: words.length / ENTRY_WORDS, ports };
      const same = patterns.get(pattern);
      if (same === undefined) patterns.set(pattern, [entry]);
      else same.push(entry);
      words.push(rule, ...texts.add(pattern));
    }
  }
  return { entries: writer.append(words), ...writeNameTable(writer, texts, patterns) };
}

/** `firstRule`: the index of the first of `rules`. */
function writeNetworks(
  writer: WordsWriter,
  texts: TextsWriter,
  rules: readonly {
    readonly networks: readonly string[];
    readonly protocols: readonly Transport[];
    readonly ports: readonly PortRange[];
  }[],
  firstRule = 0,
): PrefixTree & { entries: Place; groups: Place } {
  const tree = new PrefixTreeBuilder();
  const groups = new Map<Group, PortEntry[]>();
  const words: number[] = [];
  for (const [index, { networks, protocols, ports: own }] of rules.entries()) {
    const ports = portsIn(protocols, own);
    for (const text of networks) {
      const entry = { entry: words.length / ENTRY_WORDS, ports };
      const group = groupNamed(text);
      if (group === undefined) tree.add(networkFrom(text), entry);
      else entriesOf(groups, group).push(entry);
      words.push(firstRule + index, ...texts.add(text));
    }
  }
  return { entries: writer.append(words), ...tree.write(writer), groups: writeGroups(writer, groups) };
}

function entriesOf(groups: Map<Group, PortEntry[]>, group: Group): PortEntry[] {
  const entries = groups.get(group) ?? [];
  groups.set(group, entries);
  return entries;
}

function writeGroups(writer: WordsWriter, groups: ReadonlyMap<Group, readonly PortEntry[]>): Place {
  if (groups.size === 0) return NONE;
  const maps = GROUPS.map((group) => {
    const entries = groups.get(group);
    return entries === undefined ? NONE : writePortMap(writer, entries);
  });
  return writer.append(maps);
}

/** The port maps of the groups that rules name. */
export function mapsOfGroups({ words }: CompiledPolicy, { groups }: NetworkEntries): Place[] {
  if (groups === NONE) return [];
  return GROUPS.map((_, i) => words[groups + i]!).filter((map) => map !== NONE);
}

/** The entry of the group for the port, or -1. */
export function entryForGroup(
  { words }: CompiledPolicy,
  { groups }: NetworkEntries,
  group: Group,
  port: number,
): number {
  const map = words[groups + GROUPS.indexOf(group)]!;
  return map === NONE ? -1 : entryForPort(words, map, port);
}

/** The networks that the names of a rule may resolve to. */
export function resolvesTo({ words }: CompiledPolicy, { rules }: Entries, ruleIndex: number): NetworkEntries {
  const at = rules + ruleIndex * RULE_WORDS + RESOLVES_TO;
  return { rules, entries: words[at]!, four: words[at + 1]!, six: words[at + 2]!, groups: words[at + 3]! };
}

/** What an entry says. */
export class Entry {
  readonly ruleIndex: number;
  readonly allows: boolean;
  readonly rule: string;
  /** The pattern, network or group that matched, as the policy has it. */
  readonly matched: string;

  constructor({ words, texts }: CompiledPolicy, { rules, entries }: Entries, entry: number) {
    const at = entries + entry * ENTRY_WORDS;
    this.ruleIndex = words[at]!;
    const rule = rules + this.ruleIndex * RULE_WORDS;
    this.allows = words[rule] === 1;
    this.rule = texts.slice(words[rule + 1]!, words[rule + 1]! + words[rule + 2]!);
    this.matched = texts.slice(words[at + 1]!, words[at + 1]! + words[at + 2]!);
  }
}
