// Who calls whom in C. Where one header speaks for many files, as native/lib/internal.h does, no #include tells it.
//
// An edge stands for a call of a function that another file of the same folder defines; what a folder may include of
// another is a rule of its own. Read as text: a definition begins at the margin, and a call is a name before a bracket
// that no `.` and no `->` stands before. A function that is handed over as a pointer is no call: so, what must go
// upwards goes.

import { posix } from "node:path";
import type { Files } from "./files.ts";

const SOURCE = /^native\/.*\.c$/;
const NO_CODE = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g;
const DEFINITION = /^(?!static\b)[A-Za-z_][\w *]*?\b(\w+)\((?:[^;{}()]|\([^()]*\))*\) ?\{/gm;
const CALL = /(?<![\w.]|->)([A-Za-z_]\w*)\(/g;

/** The files in C that define each function which others may call. */
export type Definitions = ReadonlyMap<string, readonly string[]>;

const namesIn = (code: string, pattern: RegExp): Set<string> =>
  new Set([...code.matchAll(pattern)].map(([, name]) => name!));

export function definitionsInC(files: Files): Definitions {
  const found = new Map<string, string[]>();
  for (const [path, text] of files) {
    if (!SOURCE.test(path)) continue;
    for (const name of namesIn(text.replace(NO_CODE, " "), DEFINITION)) {
      const known = found.get(name);
      if (known === undefined) found.set(name, [path]);
      else known.push(path);
    }
  }
  return found;
}

/** Files of the same folder of which this one calls a function. */
export function calledInC(path: string, text: string, definitions: Definitions): Set<string> {
  if (!SOURCE.test(path)) return new Set();
  const called = [...namesIn(text.replace(NO_CODE, " "), CALL)].flatMap((name) => {
    const beside = (definitions.get(name) ?? []).filter(
      (file) => posix.dirname(file) === posix.dirname(path),
    );
    // One that it defines itself is its own, whatever else has that name.
    return beside.includes(path) ? [] : beside;
  });
  return new Set(called);
}
