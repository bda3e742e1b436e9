// What the rules before one have taken: patterns, networks and groups with the ports that are theirs, found by what
// would have all of another. A name pattern is had by itself, by "*.x" for each of the labels behind its first, and by
// "*"; a network by those above it in the tree, and one of loopback addresses by that group; a group by itself: of the
// others no network is sure to have all, or none, as long as the host's own addresses are not known.

import { NetworkTree } from "./compiled/network-tree.ts";
import { type Group, isLoopback } from "./groups.ts";
import type { Network } from "./networks.ts";
import { PortCover } from "./port-cover.ts";
import type { PortRange } from "./types.ts";

/** A pattern, a network or a group, in canonical form. */
export interface Target {
  readonly text: string;
  /** Undefined for a pattern, and a group. */
  readonly network: Network | undefined;
  readonly group?: Group | undefined;
}

/** Ports that rules have of one pattern, network or group. */
export interface Cover {
  readonly text: string;
  readonly ports: PortCover;
  /** Those of the rules that allow. */
  readonly allowed: PortCover;
}

/** The rule that decides first, for a port, and what it says. */
export interface Decider {
  readonly rule: number;
  readonly text: string;
  readonly port: number;
}

export class EarlierRules {
  readonly #names: Map<string, Cover> = new Map();
  readonly #groups: Map<string, Cover> = new Map();
  readonly #networks: NetworkTree<Cover> = new NetworkTree();

  /** In the order of the rules: all targets of one are looked at before the first is added. */
  add(target: Target, ports: readonly PortRange[], rule: number, allows: boolean): void {
    const cover = this.#own(target);
    cover.ports.add(ports, rule);
    if (allows) cover.allowed.add(ports, rule);
  }

  /** Of all that has the whole target, the target itself included. */
  over({ text, network, group }: Target): Cover[] {
    if (group !== undefined) return this.#ofGroup(group);
    if (network === undefined) return this.#overName(text);
    const above = this.#networks.above(network);
    return isLoopback(network) && network.prefix >= 8 ? [...above, ...this.#ofGroup("loopback")] : above;
  }

  #ofGroup(group: Group): Cover[] {
    const cover = this.#groups.get(group);
    return cover === undefined ? [] : [cover];
  }

  #own({ text, network, group }: Target): Cover {
    const node = network === undefined ? undefined : this.#networks.node(network);
    const texts = group === undefined ? this.#names : this.#groups;
    const found = node === undefined ? texts.get(text) : node.value;
    if (found !== undefined) return found;
    const made: Cover = { text, ports: new PortCover(), allowed: new PortCover() };
    if (node === undefined) texts.set(text, made);
    else node.value = made;
    return made;
  }

  #overName(pattern: string): Cover[] {
    const covers: Cover[] = [];
    const look = (text: string): void => {
      const cover = this.#names.get(text);
      if (cover !== undefined) covers.push(cover);
    };
    look(pattern);
    if (pattern === "*") return covers;
    const bare = pattern.startsWith("*.") ? pattern.slice(2) : pattern;
    for (let dot = bare.indexOf("."); dot >= 0; dot = bare.indexOf(".", dot + 1)) look(`*${bare.slice(dot)}`);
    look("*");
    return covers;
  }
}

/** Whether there is none of these ports that no cover has. Ports ascend, each once. */
export function areTaken(ports: readonly PortRange[], covers: readonly Cover[]): boolean {
  return ports.every(({ first, last }) => {
    let port = first;
    while (port <= last) {
      const end = Math.max(-1, ...covers.map((cover) => cover.ports.endOf(port)));
      if (end < 0) return false;
      port = end + 1;
    }
    return true;
  });
}

export function deciderOf(port: number, covers: readonly Cover[]): Decider | undefined {
  let best: Decider | undefined;
  for (const { text, ports } of covers) {
    const piece = ports.at(port);
    if (piece !== undefined && (best === undefined || piece.rule < best.rule))
      best = { rule: piece.rule, text, port };
  }
  return best;
}

/** The first decider of these ports that is such a one. */
export function firstDecider(
  ports: readonly PortRange[],
  covers: readonly Cover[],
  isSuch: (decider: Decider) => boolean,
): Decider | undefined {
  for (const { first, last } of ports) {
    for (
      let port = first;
      port <= last;
      port = Math.min(...covers.map((cover) => cover.ports.edgeAfter(port)))
    ) {
      const decider = deciderOf(port, covers);
      if (decider !== undefined && isSuch(decider)) return decider;
    }
  }
  return undefined;
}
