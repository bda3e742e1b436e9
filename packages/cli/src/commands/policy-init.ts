// ringway policy init: a policy to begin with, at a place where there is none.

import { existsSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { Exit, errorLine, Failure } from "../errors.ts";
import { policyStart } from "./policy-start.ts";

const SCHEMA = "@ringway/monitor/policy.schema.json";
const STDOUT = "-";

/** Throws Failure where there is a file already: nothing is ever written over. */
export function initPolicy(file: string): number {
  const text = policyStart(schemaFor(file === STDOUT ? "." : dirname(resolve(file))));
  if (file === STDOUT) {
    process.stdout.write(text);
    return Exit.OK;
  }
  try {
    writeFileSync(file, text, { flag: "wx" });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const advice = adviceFor(code);
    const detail = advice === undefined ? errorLine(error) : `${advice} (${code})`;
    throw new Failure(`cannot write ${file}: ${detail}`, { cause: error });
  }
  console.log(`${file}: written. It allows nothing yet: open it, then run  ringway policy check ${file}`);
  return Exit.OK;
}

function adviceFor(code: string | undefined): string | undefined {
  switch (code) {
    case "EEXIST":
      return "it is there already, and stays as it is";
    case "ENOENT":
      return "its folder does not exist; make it first";
    case "EACCES":
      return "this user may not write there";
    case "EROFS":
      return "its file system is read-only";
    default:
      return undefined;
  }
}

/**
 * Where an editor finds the schema for a file in `folder`: in a node_modules beside it or above, by a path that holds
 * on other machines too; else where this command has it, by a URL. Neither has blanks, at which editors stop reading.
 */
function schemaFor(folder: string): string {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const path = join(at, "node_modules", SCHEMA);
    if (existsSync(path)) return relative(resolve(folder), path);
    if (at === dirname(at)) return import.meta.resolve(SCHEMA);
  }
}
