// Code as tsc compiles it, evaluated once more: with a mistake put in, with other Atomics, or with other modules around
// it. Nothing of its logic is written down a second time for a test.
//
// No loader of Node's evaluates one file twice, so a module becomes a function here: as tsc writes them, each import
// and each export of others is one line, and those lines become calls.

import { readFileSync } from "node:fs";

export type Exports = Record<string, unknown>;
/** Evaluates a module. `require` gives those that it imports, by the names that it has for them. */
export type Evaluate = (require: (name: string) => Exports, atomics: unknown) => Exports;

/** A mistake: text that must stand in a module exactly once, spaces and line ends apart. */
export interface Replacement {
  readonly replace: string;
  readonly by: string;
}

/** Where tsc has put the modules of a package: packages/NAME/dist. */
export function builtFolder(name: string): URL {
  return new URL(`../../packages/${name}/dist/`, import.meta.url);
}

/** A module's text without comments that fill a line, so that a mistake's may go over one. */
export function readBuilt(url: URL): string {
  return readFileSync(url, "utf8").replace(/^\s*\/\/.*$/gm, "");
}

/** Throws where it fits no more: never is there a mistake that nobody makes. `module` is for people. */
export function replaceOnce(text: string, module: string, { replace, by }: Replacement): string {
  const escaped = replace.trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const pattern = new RegExp(escaped.replace(/\s+/g, "\\s*"), "g");
  const found = text.match(pattern)?.length ?? 0;
  if (found !== 1) {
    throw new Error(`a mutant no longer fits: ${module}.js has ${found} places that read\n${replace}`);
  }
  return text.replace(pattern, () => by);
}

export function compile(text: string): Evaluate {
  const names: string[] = [];
  const body = text
    .replace(/^import \* as (\w+) from "([^"]+)";$/gm, `const $1 = require("$2");`)
    .replace(/^import \{(.*)\} from "([^"]+)";$/gm, (_, list: string, from: string) => {
      return `const {${list.replaceAll(" as ", ": ")}} = require("${from}");`;
    })
    .replace(/^export \* as (\w+) from "([^"]+)";$/gm, `exports.$1 = require("$2");`)
    .replace(/^export \* from "([^"]+)";$/gm, `Object.assign(exports, require("$1"));`)
    .replace(/^export \{(.*)\} from "([^"]+)";$/gm, (_, list: string, from: string) => {
      return `{ const {${list}} = require("${from}"); Object.assign(exports, {${list}}); }`;
    })
    .replace(/^export \{\s*\};$/gm, "")
    .replace(/^export (class|function|const) (\w+)/gm, (_, kind: string, name: string) => {
      names.push(name);
      return `${kind} ${name}`;
    });
  const make = `"use strict"; const exports = {}; ${body}\nreturn Object.assign(exports, { ${names.join(", ")} });`;
  return new Function("require", "Atomics", make) as Evaluate;
}
