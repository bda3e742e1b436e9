// Ports to the entry that decides: for one name pattern, or one network, that several rules may have with different
// ports.
//
//   words: count | first port, entry + 1 | first port, entry + 1 | ...
//
// Ascending; each holds up to the next one's first port.
//
// Entries are numbered in the order of the rules, and of what stands in each: the lowest one decides.

import type { PortRange } from "../types.ts";
import type { Place, WordsWriter } from "./words.ts";

export interface PortEntry {
  readonly entry: number;
  readonly ports: readonly PortRange[];
}

/** `entries` ascend. */
export function writePortMap(writer: WordsWriter, entries: readonly PortEntry[]): Place {
  const edges = new Set<number>([0]);
  for (const { ports } of entries)
    for (const { first, last } of ports) {
      edges.add(first);
      edges.add(last + 1);
    }
  const firsts = [...edges].sort((a, b) => a - b);
  const places = new Map(firsts.map((first, i) => [first, i]));
  const owners = new Array<number>(firsts.length).fill(0);
  // The next segment that has no owner, itself included; with the way shortened at each walk, the work is nearly
  // linear.
  const free = firsts.map((_, i) => i).concat(firsts.length);
  const nextFree = (from: number): number => {
    let end = from;
    while (free[end] !== end) end = free[end]!;
    for (let i = from; i !== end; ) {
      const next = free[i]!;
      free[i] = end;
      i = next;
    }
    return end;
  };
  for (const { entry, ports } of entries)
    for (const { first, last } of ports) {
      const end = places.get(last + 1)!;
      for (let i = nextFree(places.get(first)!); i < end; i = nextFree(i)) {
        owners[i] = entry + 1;
        free[i] = i + 1;
      }
    }
  const segments = firsts.flatMap((first, i) =>
    i > 0 && owners[i] === owners[i - 1] ? [] : [first, owners[i]!],
  );
  return writer.append([segments.length / 2, ...segments]);
}

/** Adds the ports at which another entry, or none, begins to decide. */
export function addStarts(words: Uint32Array, map: Place, starts: Set<number>): void {
  for (let i = 0; i < words[map]!; i++) starts.add(words[map + 1 + 2 * i]!);
}

/** The entry that decides, or -1. */
export function entryForPort(words: Uint32Array, map: Place, port: number): number {
  let low = 0;
  let high = words[map]!;
  // The last segment that begins at the port or before it; the first one begins at 0.
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (words[map + 1 + 2 * middle]! <= port) low = middle;
    else high = middle;
  }
  return words[map + 2 + 2 * low]! - 1;
}
