// Name patterns by hash: `example.com` under that name, `*.example.com` under `.example.com`. A name is looked for once
// whole, and once from each of its dots: as often as it has labels, however many patterns there are. Hashes run from
// the end of a name to its front, so that one walk has them all.
//
//   table words: capacity, a power of two | slots of 4 words
//   slot:        hash | text's start | text's length, 0 where empty | port map
//
// Open addressing, at most half full.

import { entryForPort, type PortEntry, writePortMap } from "./port-map.ts";
import { NONE, type Place, type TextsWriter, type WordsWriter } from "./words.ts";

const SLOT_WORDS = 4;
const DOT = 0x2e;

/** Where the names of a policy stand in its words. */
export interface NameTable {
  readonly table: Place;
  /** Port map of the pattern `*`, or NONE. */
  readonly any: Place;
}

/** Entries of each pattern, ascending. */
export function writeNameTable(
  writer: WordsWriter,
  texts: TextsWriter,
  patterns: ReadonlyMap<string, readonly PortEntry[]>,
): NameTable {
  const capacity = 2 ** Math.ceil(Math.log2(2 * patterns.size + 1));
  const slots = new Uint32Array(capacity * SLOT_WORDS);
  let any = NONE;
  for (const [pattern, entries] of patterns) {
    const map = writePortMap(writer, entries);
    if (pattern === "*") {
      any = map;
      continue;
    }
    const key = pattern.startsWith("*") ? pattern.slice(1) : pattern;
    let hash = HASH_SEED;
    for (let i = key.length - 1; i >= 0; i--) hash = hashed(hash, key.charCodeAt(i));
    let slot = (hash & (capacity - 1)) * SLOT_WORDS;
    while (slots[slot + 2] !== 0) slot = (slot + SLOT_WORDS) % slots.length;
    const [start, length] = texts.add(key);
    slots.set([hash, start, length, map], slot);
  }
  const table = writer.append([capacity]);
  writer.append(slots);
  return { table, any };
}

/** The lowest entry for the name, which is normalized, and the port; or -1. */
export function entryForName(
  words: Uint32Array,
  texts: string,
  { table, any }: NameTable,
  name: string,
  port: number,
): number {
  let best = any === NONE ? -1 : entryForPort(words, any, port);
  let hash = HASH_SEED;
  for (let i = name.length - 1; i >= 0; i--) {
    const code = name.charCodeAt(i);
    hash = hashed(hash, code);
    if (code !== DOT && i > 0) continue;
    const map = find(words, texts, table, hash, name, i);
    if (map !== NONE) best = lower(best, entryForPort(words, map, port));
  }
  return best;
}

/** The port maps of all patterns that the name has. */
export function mapsForName(
  words: Uint32Array,
  texts: string,
  { table, any }: NameTable,
  name: string,
): Place[] {
  const maps = [any];
  let hash = HASH_SEED;
  for (let i = name.length - 1; i >= 0; i--) {
    const code = name.charCodeAt(i);
    hash = hashed(hash, code);
    if (code === DOT || i === 0) maps.push(find(words, texts, table, hash, name, i));
  }
  return maps.filter((map) => map !== NONE);
}

/** The port map of the pattern whose key is the name from `from` on, or NONE. */
function find(
  words: Uint32Array,
  texts: string,
  table: Place,
  hash: number,
  name: string,
  from: number,
): Place {
  const mask = words[table]! - 1;
  for (let i = hash & mask; ; i = (i + 1) & mask) {
    const slot = table + 1 + i * SLOT_WORDS;
    const length = words[slot + 2]!;
    if (length === 0) return NONE;
    if (words[slot] !== hash || length !== name.length - from) continue;
    const start = words[slot + 1]!;
    if (texts.slice(start, start + length) === name.slice(from)) return words[slot + 3]!;
  }
}

/** FNV-1a. */
const HASH_SEED = 0x811c9dc5;
function hashed(hash: number, code: number): number {
  return Math.imul(hash ^ code, 0x01000193) >>> 0;
}

/** Of two entries, the lower; -1 is none. */
export function lower(a: number, b: number): number {
  if (a < 0) return b;
  return b < 0 || a < b ? a : b;
}
