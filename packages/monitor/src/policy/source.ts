// A YAML text as a plain value, with the line and column of everything in it. Plain YAML 1.2 only: one document, no
// aliases (a policy says what it means where it stands, and nothing can be multiplied), no tags, no merge keys, keys
// that are scalars. Whatever the parser only warns of is a problem here.
//
// The parser is large. It is loaded with the first text: a monitor's main thread, which has another read policies, does
// without. In lib it is one file, and not 70 (scripts/bundle.mjs).

import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import type { Document, Node, Pair, YAMLMap } from "yaml";
import type { PolicyProblem } from "./errors.ts";
import { quoted } from "./text.ts";

const require = createRequire(import.meta.url);
let parser: typeof Yaml | undefined;

function yaml(): typeof Yaml {
  parser ??= require("yaml") as typeof Yaml;
  return parser;
}

export type Path = readonly (string | number)[];

export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface Source {
  readonly value: unknown;
  /** Of the value at path, or of the nearest thing above it that is there; with "key", of the key that names it. */
  locate(path: Path, part?: "value" | "key"): Position;
}

export type SourceResult = { readonly source: Source } | { readonly problems: readonly PolicyProblem[] };

export function readSource(text: string): SourceResult {
  const { LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const problemAt = (offset: number, message: string): PolicyProblem =>
    problemOf(positionOf(offset), message);

  let document: Document.Parsed;
  try {
    // A byte order mark is no column of the first line.
    document = parseDocument(text.replace(/^\ufeff/, ""), {
      lineCounter: lines,
      prettyErrors: false,
      schema: "core",
      resolveKnownTags: false,
      logLevel: "error",
      // Looked for below, where the key can be named; and not once for each pair of keys.
      uniqueKeys: false,
    });
  } catch (error) {
    // The parser is recursive: thousands of nested brackets overflow the stack.
    return { problems: [problemAt(0, `cannot be read as YAML: ${(error as Error).message}`)] };
  }
  const problems = [...document.errors, ...document.warnings].map((error) =>
    problemAt(error.pos[0], yamlMessage(error.code, error.message)),
  );
  problems.push(...notPlain(document, positionOf));
  if (problems.length > 0) return { problems };

  const locate = (path: Path, part: "value" | "key" = "value"): Position =>
    positionOf(offsetOf(document.contents, path, part));
  return { source: { value: document.toJS() as unknown, locate } };
}

function problemOf(position: Position, message: string): PolicyProblem {
  return { ...position, path: "", message };
}

/** What YAML allows, and a policy does not. */
function notPlain(document: Document.Parsed, positionOf: (offset: number) => Position): PolicyProblem[] {
  const { isScalar, visit } = yaml();
  const problems: PolicyProblem[] = [];
  const at = (offset: number, message: string): PolicyProblem => problemOf(positionOf(offset), message);
  visit(document, {
    Alias: (_, alias) => {
      // The parser has said it.
      if (alias.source === "") return;
      const quoted = `"*${alias.source}"`;
      const remedy = `quote it, ${quoted} (or, where an alias was meant, write it out)`;
      const message = `expected a value, found an alias: ${remedy}`;
      problems.push(at(alias.range?.[0] ?? 0, message));
    },
    Scalar: (_, { value, source, range }) => {
      if (value !== null || source !== "~") return;
      problems.push(
        at(range?.[0] ?? 0, "expected a value, found ~, which is nothing in YAML: write a path out"),
      );
    },
    Map: (_, { items }) => {
      const firsts = new Map<string, number>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        const offset = start(key as Node) ?? 0;
        const name = keyText(key.value);
        const first = firsts.get(name);
        if (first === undefined) firsts.set(name, offset);
        else {
          const { line } = positionOf(first);
          problems.push(
            at(offset, `expected each key once, found ${quoted(name)} again (first in line ${line})`),
          );
        }
      }
    },
    Pair: (_, pair) => {
      if (isScalar(pair.key)) return;
      const offset = (pair.key as Node | null)?.range?.[0] ?? 0;
      problems.push(at(offset, "expected a plain key, found a list or a map as a key"));
    },
  });
  return problems;
}

function offsetOf(root: Node | null, path: Path, part: "value" | "key"): number {
  const { isMap, isSeq } = yaml();
  let node: Node | null = root;
  let offset = start(root) ?? 0;
  for (const [depth, step] of path.entries()) {
    let key: Node | undefined;
    let value: Node | null | undefined;
    if (isMap(node)) {
      const pair = pairsOf(node).get(String(step));
      key = pair?.key as Node | undefined;
      value = pair?.value as Node | null | undefined;
    } else if (isSeq(node)) {
      value = node.items[Number(step)] as Node | undefined;
    }
    if (key === undefined && value === undefined) break;
    const keyOffset = start(key);
    const wantsKey = part === "key" && depth === path.length - 1;
    // A key without a value ("ports:") has an empty node somewhere after the colon: the key shows it better.
    offset = (wantsKey || isEmpty(value) ? (keyOffset ?? start(value)) : start(value)) ?? offset;
    node = value ?? null;
  }
  return offset;
}

const pairsOfMaps = new WeakMap<Node, ReadonlyMap<string, Pair>>();

/** By their keys: a map of 100,000 wrong keys is not looked through for each. */
function pairsOf(map: YAMLMap): ReadonlyMap<string, Pair> {
  const { isScalar } = yaml();
  let pairs = pairsOfMaps.get(map);
  if (pairs === undefined) {
    const named = map.items.flatMap((pair): [string, Pair][] =>
      isScalar(pair.key) ? [[keyText(pair.key.value), pair]] : [],
    );
    // The first of a name.
    pairs = new Map(named.reverse());
    pairsOfMaps.set(map, pairs);
  }
  return pairs;
}

/** As the parser makes property names of keys. */
function keyText(key: unknown): string {
  return key === null ? "" : String(key);
}

function start(node: Node | null | undefined): number | undefined {
  return node?.range?.[0];
}

function isEmpty(node: Node | null | undefined): boolean {
  return !node?.range || node.range[0] === node.range[1];
}

function yamlMessage(code: string, message: string): string {
  if (code === "MULTIPLE_DOCS") return "expected one document, found a second one";
  if (code === "BAD_ALIAS" && message.includes("empty")) {
    return 'expected a value, found an alias without a name: quote it, "*"';
  }
  if (code === "TAG_RESOLVE_FAILED") return `expected no tags: ${message}`;
  return message.includes("call stack") ? "is nested too deeply" : message;
}
