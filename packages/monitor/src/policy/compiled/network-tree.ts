// Networks by their bits: a binary tree in which a node is a prefix, and below it lie the longer ones that begin with
// it. What is looked for walks down from the root and meets every network that has it, and no other: 33 or 129 nodes at
// the most, however many there are.

import type { Network } from "../networks.ts";

export interface NetworkNode<T> {
  readonly words: readonly number[];
  readonly prefix: number;
  /** None where the node only joins two others. */
  value: T | undefined;
  readonly children: [NetworkNode<T> | undefined, NetworkNode<T> | undefined];
}

export class NetworkTree<T> {
  readonly #roots: { 4: NetworkNode<T> | undefined; 6: NetworkNode<T> | undefined } = {
    4: undefined,
    6: undefined,
  };

  root(family: 4 | 6): NetworkNode<T> | undefined {
    return this.#roots[family];
  }

  /** The node of the network, made where there is none. */
  node({ family, words, prefix }: Network): NetworkNode<T> {
    let above: NetworkNode<T> | undefined;
    const put = (node: NetworkNode<T>): NetworkNode<T> => {
      if (above === undefined) this.#roots[family] = node;
      else above.children[bitAt(words, above.prefix)] = node;
      return node;
    };
    let at = this.#roots[family];
    while (at !== undefined) {
      const common = Math.min(commonBits(at.words, words), at.prefix, prefix);
      if (common < at.prefix) {
        const joint = put(newNode(cut(words, common), common));
        joint.children[bitAt(at.words, common)] = at;
        if (common === prefix) return joint;
        above = joint;
        return put(newNode(words, prefix));
      }
      if (at.prefix === prefix) return at;
      above = at;
      at = at.children[bitAt(words, at.prefix)];
    }
    return put(newNode(words, prefix));
  }

  /** What the networks have that hold all of this one, it included: the widest first. */
  above({ family, words, prefix }: Network): T[] {
    const found: T[] = [];
    let at = this.#roots[family];
    while (at !== undefined && at.prefix <= prefix && commonBits(at.words, words) >= at.prefix) {
      if (at.value !== undefined) found.push(at.value);
      if (at.prefix === prefix) break;
      at = at.children[bitAt(words, at.prefix)];
    }
    return found;
  }
}

function newNode<T>(words: readonly number[], prefix: number): NetworkNode<T> {
  return { words, prefix, value: undefined, children: [undefined, undefined] };
}

/** How many leading bits two have in common. */
function commonBits(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const differs = a[i]! ^ b[i]!;
    if (differs !== 0) return 32 * i + Math.clz32(differs);
  }
  return 32 * a.length;
}

export function bitAt(words: readonly number[], bit: number): 0 | 1 {
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
