// The tree of networks (network-tree.ts) as words, to look for addresses in it.
//
//   node words: 4 words of the prefix (IPv4: the first) | bits of the prefix | port map, or NONE | child for bit 0
//               | child for bit 1

import type { Address, Network } from "../networks.ts";
import { lower } from "./name-table.ts";
import { bitAt, type NetworkNode, NetworkTree } from "./network-tree.ts";
import { entryForPort, type PortEntry, writePortMap } from "./port-map.ts";
import { NONE, type Place, type WordsWriter } from "./words.ts";

const PREFIX = 4;
const MAP = 5;
const CHILD = 6;

/** Roots by family, each NONE where it has no network. */
export interface PrefixTree {
  readonly four: Place;
  readonly six: Place;
}

export class PrefixTreeBuilder {
  readonly #tree: NetworkTree<PortEntry[]> = new NetworkTree();

  /** In the order of the entries. */
  add(network: Network, entry: PortEntry): void {
    const node = this.#tree.node(network);
    node.value ??= [];
    node.value.push(entry);
  }

  write(writer: WordsWriter): PrefixTree {
    return { four: writeNode(writer, this.#tree.root(4)), six: writeNode(writer, this.#tree.root(6)) };
  }
}

function writeNode(writer: WordsWriter, node: NetworkNode<PortEntry[]> | undefined): Place {
  if (node === undefined) return NONE;
  const { words, prefix, value, children } = node;
  const map = value === undefined ? NONE : writePortMap(writer, value);
  const [zero, one] = [writeNode(writer, children[0]), writeNode(writer, children[1])];
  return writer.append([
    ...words,
    ...new Array<number>(PREFIX - words.length).fill(0),
    prefix,
    map,
    zero,
    one,
  ]);
}

/** The lowest entry whose network has the address, for the port; or -1. */
export function entryForAddress(
  words: Uint32Array,
  { four, six }: PrefixTree,
  address: Address,
  port: number,
): number {
  let best = -1;
  let node = address.family === 4 ? four : six;
  while (node !== NONE) {
    const prefix = words[node + PREFIX]!;
    if (!begins(words, node, address.words, prefix)) break;
    const map = words[node + MAP]!;
    if (map !== NONE) best = lower(best, entryForPort(words, map, port));
    if (prefix === 32 * address.words.length) break;
    node = words[node + CHILD + bitAt(address.words, prefix)]!;
  }
  return best;
}

/** The port maps of all networks that have the address. */
export function mapsForAddress(words: Uint32Array, { four, six }: PrefixTree, address: Address): Place[] {
  const maps: Place[] = [];
  let node = address.family === 4 ? four : six;
  while (node !== NONE) {
    const prefix = words[node + PREFIX]!;
    if (!begins(words, node, address.words, prefix)) break;
    maps.push(words[node + MAP]!);
    if (prefix === 32 * address.words.length) break;
    node = words[node + CHILD + bitAt(address.words, prefix)]!;
  }
  return maps.filter((map) => map !== NONE);
}

/** Does the address begin with the node's prefix? */
function begins(words: Uint32Array, node: Place, address: readonly number[], prefix: number): boolean {
  for (let i = 0, left = prefix; left > 0; i++, left -= 32) {
    const differs = (words[node + i]! ^ address[i]!) >>> 0;
    if ((left >= 32 ? differs : differs >>> (32 - left)) !== 0) return false;
  }
  return true;
}
