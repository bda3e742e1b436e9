// The project's files, as git knows them: what is committed, and what is new and not ignored.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** Texts by path, relative to the repository's root. */
export type Files = ReadonlyMap<string, string>;

const BINARY = /\.(?:png|ico|gz|tar|wasm)$/;

export function projectFiles(): Files {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  const paths = listed.split("\0").filter((path) => path !== "" && !BINARY.test(path));
  // A file that is deleted and not yet committed is still listed.
  const there = paths.filter((path) => existsSync(join(ROOT, path)));
  return new Map(there.map((path) => [path, readFileSync(join(ROOT, path), "utf8")]));
}
