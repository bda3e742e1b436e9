// The rooms of the house, for docs/architecture.md: packages, the folders inside of the monitor, and those of native/.

import type { Graph } from "./graph.ts";

/** What each room uses: names of rooms, sorted. */
export type Arrows = ReadonlyMap<string, readonly string[]>;

/** Packages, by the names of their folders. What one has on demand alone counts as well. */
export function packageArrows(graph: Graph, folders: ReadonlyMap<string, string>): Arrows {
  return arrows(graph, (node) => folders.get(node) ?? node.match(/^packages\/([^/]+)\//)?.[1]);
}

/** The files of a package beside its folders: what those stand in, and no room among them. */
export const OUTSIDE = "src";

/** Folders inside of a package, and OUTSIDE. */
export function roomArrows(graph: Graph, src: string): Arrows {
  return arrows(graph, (node) => roomOf(node, src));
}

/** The room inside of a package that a file is in, however deep. */
export function roomOf(node: string, src: string): string | undefined {
  if (!node.startsWith(`${src}/`)) return undefined;
  const [room, ...inside] = node.slice(src.length + 1).split("/");
  return inside.length > 0 ? room : OUTSIDE;
}

export function nativeArrows(graph: Graph): Arrows {
  return arrows(graph, (node) => node.match(/^native\/([^/]+)\//)?.[1]);
}

function arrows({ nodes, edges }: Graph, roomOf: (node: string) => string | undefined): Arrows {
  const found = new Map<string, Set<string>>();
  for (const node of nodes) {
    const room = roomOf(node);
    if (room !== undefined && !found.has(room)) found.set(room, new Set());
  }
  for (const { from, to } of edges) {
    const room = roomOf(from);
    const used = roomOf(to);
    if (room !== undefined && used !== undefined && room !== used) found.get(room)!.add(used);
  }
  return new Map([...found].sort().map(([room, used]) => [room, [...used].sort()]));
}
