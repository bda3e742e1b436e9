// Networks by their bits: a binary tree in which a node is a prefix, and below it lie the longer ones that begin with it. An address
// walks down from the root and meets every network that has it, and no other: 33 or 129 nodes at the most, however many there are.
//
//   node words: 4 words of the prefix (IPv4: the first) | bits of the prefix | port map, or NONE | child for bit 0 | for bit 1

import type { Address, Network } from "../addresses.ts";
import { lower } from "./name-table.ts";
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

interface Node {
  readonly words: readonly number[];
  readonly prefix: number;
  /** None where the node only joins two others. */
  entries: PortEntry[];
  readonly children: [Node | undefined, Node | undefined];
}

export class PrefixTreeBuilder {
  readonly #roots: { 4: Node | undefined; 6: Node | undefined } = { 4: undefined, 6: undefined };

  /** In the order of the entries. */
  add({ family, words, prefix }: Network, entry: PortEntry): void {
    this.#roots[family] = insert(this.#roots[family], words, prefix, entry);
  }

  write(writer: WordsWriter): PrefixTree {
    return { four: writeNode(writer, this.#roots[4]), six: writeNode(writer, this.#roots[6]) };
  }
}

/** The subtree with one more network in it. As deep as a prefix has bits. */
function insert(node: Node | undefined, words: readonly number[], prefix: number, entry: PortEntry): Node {
  if (node === undefined) return { words, prefix, entries: [entry], children: [undefined, undefined] };
  const common = Math.min(commonBits(node.words, words), node.prefix, prefix);
  if (common === node.prefix) {
    if (common === prefix) node.entries.push(entry);
    else {
      const bit = bitAt(words, common);
      node.children[bit] = insert(node.children[bit], words, prefix, entry);
    }
    return node;
  }
  const above: Node = {
    words: cut(words, common),
    prefix: common,
    entries: [],
    children: [undefined, undefined],
  };
  above.children[bitAt(node.words, common)] = node;
  return insert(above, words, prefix, entry);
}

function writeNode(writer: WordsWriter, node: Node | undefined): Place {
  if (node === undefined) return NONE;
  const { words, prefix, entries, children } = node;
  const map = entries.length === 0 ? NONE : writePortMap(writer, entries);
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

/** Does the address begin with the node's prefix? */
function begins(words: Uint32Array, node: Place, address: readonly number[], prefix: number): boolean {
  for (let i = 0, left = prefix; left > 0; i++, left -= 32) {
    const differs = (words[node + i]! ^ address[i]!) >>> 0;
    if ((left >= 32 ? differs : differs >>> (32 - left)) !== 0) return false;
  }
  return true;
}

/** How many leading bits two have in common. */
function commonBits(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const differs = a[i]! ^ b[i]!;
    if (differs !== 0) return 32 * i + Math.clz32(differs);
  }
  return 32 * a.length;
}

function bitAt(words: readonly number[], bit: number): 0 | 1 {
  return ((words[bit >>> 5]! >>> (31 - (bit & 31))) & 1) as 0 | 1;
}

/** The leading bits alone. */
function cut(words: readonly number[], bits: number): number[] {
  return words.map((word, i) => {
    const left = bits - 32 * i;
    if (left >= 32) return word;
    return left <= 0 ? 0 : (word & (0xffffffff << (32 - left))) >>> 0;
  });
}
