// Who imports whom: the graph that rules.ts judges and docs/architecture.md draws.
//
// A node is a source file of a package, or a module in C: NAME.c and NAME.h together. An edge is an import of any kind
// (of types, on demand, again as an export, `import("x").T`), an #include, or a call from one file in C to another of
// its folder (calls.ts). What is imported by name is a node of its own: "@ringway/linux", "koffi", "node:net".

import { posix } from "node:path";
import { parseSync, Visitor } from "oxc-parser";
import { calledInC, type Definitions, definitionsInC } from "./calls.ts";
import type { Files } from "./files.ts";

export interface Edge {
  readonly from: string;
  readonly to: string;
  /** By import(...), in code or in a type: nothing is loaded before this line runs. */
  readonly onDemand: boolean;
}

/** A text such as "../native/build" in a source, and the path that it means if it is one. */
export interface PathText {
  readonly file: string;
  readonly path: string;
}

export interface Graph {
  readonly nodes: ReadonlySet<string>;
  readonly edges: readonly Edge[];
  readonly pathTexts: readonly PathText[];
}

const SOURCE = /^packages\/[^/]+\/(?:src\/.*\.ts|bin\/.*\.js)$/;
const NATIVE = /^native\/.*\.[ch]$/;

/** Of all files, or of what some of them import. */
export function graphOf(files: Files, paths: Iterable<string> = files.keys()): Graph {
  const nodes = new Set<string>();
  const edges: Edge[] = [];
  const pathTexts: PathText[] = [];
  const definitions = definitionsInC(files);
  for (const path of paths) {
    const text = files.get(path)!;
    if (SOURCE.test(path)) {
      nodes.add(path);
      readSource(path, text, edges, pathTexts);
    } else if (NATIVE.test(path)) {
      nodes.add(moduleInC(path));
      readNative(path, text, files, definitions, edges);
    }
  }
  return { nodes, edges: distinct(edges), pathTexts };
}

function readSource(path: string, text: string, edges: Edge[], pathTexts: PathText[]): void {
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`);
  const add = (specifier: string, onDemand: boolean): void => {
    edges.push({ from: path, to: resolve(path, specifier), onDemand });
  };
  new Visitor({
    ImportDeclaration: ({ source }) => add(source.value, false),
    ExportAllDeclaration: ({ source }) => add(source.value, false),
    ExportNamedDeclaration: ({ source }) => source && add(source.value, false),
    TSImportType: ({ source }) => add(source.value, true),
    ImportExpression: ({ source }) => {
      if (source.type === "Literal" && typeof source.value === "string") add(source.value, true);
    },
    Literal: ({ value }) => {
      if (typeof value !== "string" || !value.startsWith("../")) return;
      pathTexts.push({ file: path, path: posix.normalize(`${posix.dirname(path)}/${value}`) });
    },
  }).visit(program);
}

/** The node that a specifier names: what was built, dist/x.js or lib/x.js, counts as its source. */
function resolve(from: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier.startsWith("node:") ? specifier : packageName(specifier);
  const path = posix.normalize(`${posix.dirname(from)}/${specifier}`);
  return path.replace(/^(packages\/[^/]+)\/(?:dist|lib)\/(.*)\.js$/, "$1/src/$2.ts");
}

/** "@ringway/control/x" is of "@ringway/control", "koffi/y" of "koffi". */
function packageName(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

function readNative(path: string, text: string, files: Files, definitions: Definitions, edges: Edge[]): void {
  const from = moduleInC(path);
  const add = (to: string): void => {
    if (to !== from) edges.push({ from, to, onDemand: false });
  };
  for (const [, name] of text.matchAll(/^[ \t]*#[ \t]*include[ \t]+"([^"]+)"/gm)) {
    const beside = posix.normalize(`${posix.dirname(path)}/${name}`);
    add(moduleInC(files.has(beside) ? beside : foundByName(name!, files)));
  }
  for (const called of calledInC(path, text, definitions)) add(moduleInC(called));
}

/** A header that -I finds: the only one of that name. */
function foundByName(name: string, files: Files): string {
  const found = [...files.keys()].filter((path) => path.startsWith("native/") && path.endsWith(`/${name}`));
  return found.length === 1 ? found[0]! : name;
}

const moduleInC = (path: string): string => path.replace(/\.[ch]$/, "");

function distinct(edges: readonly Edge[]): Edge[] {
  return [...new Map(edges.map((edge) => [`${edge.from} ${edge.to} ${edge.onDemand}`, edge])).values()];
}

// ── Walks ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export function neighbours(edges: readonly Edge[]): Map<string, string[]> {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) {
    const known = next.get(from);
    if (known === undefined) next.set(from, [to]);
    else known.push(to);
  }
  return next;
}

/** The shortest way from a node to one that `wanted` accepts, both ends included; undefined where there is none. */
export function wayTo(
  start: string,
  next: ReadonlyMap<string, readonly string[]>,
  wanted: (node: string) => boolean,
): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const node of queue) {
    for (const to of next.get(node) ?? []) {
      if (wanted(to)) return wayBack(node, to, cameFrom);
      if (to === start || cameFrom.has(to)) continue;
      cameFrom.set(to, node);
      queue.push(to);
    }
  }
  return undefined;
}

function wayBack(last: string, end: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const way = [end];
  for (let node: string | undefined = last; node !== undefined; node = cameFrom.get(node)) way.unshift(node);
  return way;
}

/** One shortest circle for each knot: nodes that all reach each other. */
export function circles(edges: readonly Edge[]): string[][] {
  const next = neighbours(edges);
  const inOne = new Set<string>();
  const found: string[][] = [];
  for (const start of next.keys()) {
    if (inOne.has(start)) continue;
    const circle = wayTo(start, next, (node) => node === start);
    if (circle === undefined) continue;
    found.push(circle);
    for (const node of knotOf(start, next)) inOne.add(node);
  }
  return found;
}

/** All that `start` reaches and that reaches it. */
function knotOf(start: string, next: ReadonlyMap<string, readonly string[]>): string[] {
  return [...reached(start, next)].filter((node) => reached(node, next).has(start));
}

function reached(start: string, next: ReadonlyMap<string, readonly string[]>): Set<string> {
  const seen = new Set([start]);
  for (const node of seen) for (const to of next.get(node) ?? []) seen.add(to);
  return seen;
}
