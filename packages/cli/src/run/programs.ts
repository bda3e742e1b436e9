// Programs of this machine that a run is made of: where they are.

import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The program of this name, as execvp() would look for it, with all links followed; or a path that leads to one. */
export function findProgram(name: string, path: string = process.env.PATH ?? ""): string | undefined {
  const places = name.includes("/")
    ? [name]
    : path.split(delimiter).map((folder) => join(folder || ".", name));
  const found = places.find(isProgram);
  return found === undefined ? undefined : realpathSync(found);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path, { bigint: true }).isFile();
  } catch {
    return false;
  }
}
