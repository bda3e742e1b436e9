// The API report: what each published package exports, as text in etc/api/. A change of it is a change for those who
// import the package, and this shows it in review. From the declarations that tsc writes: their text without comments
// and without what is private, sorted by name.

import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { type Node, type Program, parseSync, type Statement, Visitor } from "oxc-parser";

/** A name that a module declares: once, or several times (overloads, a value and a type). */
interface Declaration {
  readonly module: Module;
  readonly name: string;
  readonly nodes: Node[];
}

type Binding = { readonly module: string; readonly name: string };

interface Module {
  readonly path: string;
  readonly text: string;
  readonly declared: Map<string, Declaration>;
  readonly imported: Map<string, Binding>;
  /** Under their names outside; "*" as the other's name is all of it. */
  readonly exported: Map<string, Binding>;
  readonly exportsAllOf: string[];
}

/** What stands behind an exported name. */
type Meaning = Declaration | { readonly package: string; readonly name: string } | Map<string, Meaning>;

export interface Api {
  /** The report. */
  readonly text: string;
  /** Types of the package that what it exports names, and that nobody can import: a line for each. */
  readonly hidden: readonly string[];
}

interface Manifest {
  readonly name: string;
  /** By what follows the name in an import, with "." before it; a path, where it is no code. */
  readonly exports?: Readonly<Record<string, string | { readonly types: string }>>;
}

/** Of the package in `folder`, whose declarations are in `folder`/dist. */
export function apiOf(folder: string): Api {
  const { name, exports = {} } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
  const modules = new Modules();
  const text = [HEAD(name)];
  const shown = new Set<Declaration>();
  for (const [path, entry] of Object.entries(exports)) {
    if (typeof entry === "string") continue;
    const lines: string[] = [];
    print(modules.exportsOf(join(folder, entry.types)), "", lines, shown);
    if (path !== ".") text.push(`## ${name}${path.slice(1)}\n`);
    text.push("```ts", ...lines, "```", "");
  }
  const hidden = new Set([...shown].flatMap((declaration) => modules.hiddenIn(declaration, shown)));
  return { text: text.join("\n"), hidden: [...hidden].sort() };
}

const HEAD = (name: string): string => `# What ${name} exports

Written by \`npm run api\`. A change here is a change for those who import the package.
`;

// ── Modules ──────────────────────────────────────────────────────────────────────────────────────────────────────────

class Modules {
  readonly #modules = new Map<string, Module>();

  exportsOf(path: string): Map<string, Meaning> {
    const module = this.#load(path);
    const meanings = new Map<string, Meaning>();
    for (const other of module.exportsAllOf)
      for (const [name, meaning] of this.exportsOf(other)) meanings.set(name, meaning);
    for (const [name, binding] of module.exported) meanings.set(name, this.#meaning(binding));
    return meanings;
  }

  #meaning({ module, name }: Binding): Meaning {
    if (!module.startsWith("/")) return { package: module, name };
    if (name === "*") return this.exportsOf(module);
    const loaded = this.#load(module);
    const declaration = loaded.declared.get(name);
    if (declaration !== undefined) return declaration;
    const imported = loaded.imported.get(name);
    const meaning = imported === undefined ? this.exportsOf(module).get(name) : this.#meaning(imported);
    if (meaning === undefined) throw new Error(`${module} declares no ${name}`);
    return meaning;
  }

  /** Types of this package that a declaration names and that are not shown. */
  hiddenIn(declaration: Declaration, shown: ReadonlySet<Declaration>): string[] {
    const { module } = declaration;
    const hidden: string[] = [];
    for (const name of namesIn(declaration)) {
      const known = module.declared.get(name) ?? this.#imported(module, name);
      if (known === undefined || !("nodes" in known) || shown.has(known)) continue;
      hidden.push(`${known.name}, in ${declaration.name}`);
    }
    return hidden;
  }

  #imported(module: Module, name: string): Meaning | undefined {
    const binding = module.imported.get(name);
    return binding === undefined ? undefined : this.#meaning(binding);
  }

  #load(path: string): Module {
    const known = this.#modules.get(path);
    if (known !== undefined) return known;
    const text = readFileSync(path, "utf8");
    const module = {
      path,
      text,
      declared: new Map(),
      imported: new Map(),
      exported: new Map(),
      exportsAllOf: [],
    };
    this.#modules.set(path, module);
    for (const statement of (parseSync(path, text).program as Program).body) read(statement, module);
    return module;
  }
}

function read(statement: Statement, module: Module): void {
  const target = (source: { value: string }): string => moduleNamed(module.path, source.value);
  switch (statement.type) {
    case "ImportDeclaration":
      for (const specifier of statement.specifiers) {
        const name = specifier.type === "ImportSpecifier" ? nameOf(specifier.imported) : "*";
        module.imported.set(specifier.local.name, { module: target(statement.source), name });
      }
      return;
    case "ExportAllDeclaration":
      if (statement.exported === null) module.exportsAllOf.push(target(statement.source));
      else module.exported.set(nameOf(statement.exported), { module: target(statement.source), name: "*" });
      return;
    case "ExportNamedDeclaration":
      for (const { local, exported } of statement.specifiers) {
        const from = statement.source === null ? module.path : target(statement.source);
        module.exported.set(nameOf(exported), { module: from, name: nameOf(local) });
      }
      if (statement.declaration === null) return;
      for (const name of declare(statement.declaration, module))
        module.exported.set(name, { module: module.path, name });
      return;
    default:
      declare(statement, module);
  }
}

/** Notes what a statement declares, and gives its names. */
function declare(node: Node, module: Module): string[] {
  const names = declaredBy(node);
  for (const name of names) {
    const known = module.declared.get(name);
    if (known === undefined) module.declared.set(name, { module, name, nodes: [node] });
    else known.nodes.push(node);
  }
  return names;
}

function declaredBy(node: Node): string[] {
  if (node.type === "VariableDeclaration") {
    return node.declarations.flatMap(({ id }) => (id.type === "Identifier" ? [id.name] : []));
  }
  return "id" in node && node.id?.type === "Identifier" ? [node.id.name] : [];
}

const nameOf = (name: { name: string } | { value: string }): string =>
  "name" in name ? name.name : name.value;

/** The declarations that a specifier names: a path, or a package's name. */
function moduleNamed(from: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  return posix.join(posix.dirname(from), specifier.replace(/\.[jt]s$/, ".d.ts"));
}

/** The first words of all types and base classes that a declaration names. */
function namesIn({ nodes }: Declaration): Set<string> {
  const names = new Set<string>();
  const add = (node: Node): void => {
    if (node.type === "TSQualifiedName") add(node.left);
    else if (node.type === "Identifier") names.add(node.name);
  };
  const visitor = new Visitor({
    TSTypeReference: ({ typeName }) => add(typeName),
    TSInterfaceHeritage: ({ expression }) => add(expression),
    ClassDeclaration: ({ superClass }) => superClass && add(superClass),
    TSTypeQuery: ({ exprName }) => add(exprName),
  });
  for (const node of nodes) visitor.visit({ type: "Program", body: [node] } as unknown as Program);
  return names;
}

// ── Text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

function print(
  meanings: ReadonlyMap<string, Meaning>,
  space: string,
  lines: string[],
  shown: Set<Declaration>,
): void {
  for (const [name, meaning] of [...meanings].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (meaning instanceof Map) print(meaning, `${space}${name}.`, lines, shown);
    else if ("nodes" in meaning) {
      shown.add(meaning);
      const alias = name === meaning.name ? "" : ` as ${name}`;
      if (space !== "" || alias !== "") lines.push(`// ${space}${meaning.name}${alias}`);
      for (const node of meaning.nodes) lines.push(...textOf(node, meaning.module.text));
    } else lines.push(`export { ${space}${name} } from "${meaning.package}";`);
  }
}

/** A declaration's lines, without its comments, its private members, and the words that all have. */
function textOf(node: Node, text: string): string[] {
  let body = text.slice(node.start, node.end).replace(/^(?:export )?(?:declare )?/, "");
  body = body.replaceAll(/\/\*[\s\S]*?\*\//g, "");
  return body
    .split("\n")
    .filter((line) => line.trim() !== "" && !/^\s+(?:#private;|private (?!constructor))/.test(line));
}

// ── Comparing ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The first place where a report differs from the one that is committed; empty where they are the same. */
export function firstDifference(file: string, report: string): string[] {
  const committed = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  const now = report.split("\n");
  const lines = Math.max(committed.length, now.length);
  const at = Array.from({ length: lines }, (_, i) => i).find((i) => committed[i] !== now[i]);
  if (at === undefined) return [];
  return [`line ${at + 1}`, `- ${committed[at] ?? "(nothing)"}`, `+ ${now[at] ?? "(nothing)"}`];
}
