// Where built things stay, outside of the tree: one folder for each, named by a hash of all that went into it.
//
// A folder with its final name is complete: it is built under another and renamed. Two that build at once both build;
// the second rename fails, and takes the first one's.

import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** What nobody has used for so long goes, when another of its name is built. */
const KEEP_MS: number = 3 * 24 * 3600_000;

const { RINGWAY_CACHE, XDG_CACHE_HOME } = process.env;
const CACHE: string = join(
  RINGWAY_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "ringway"),
  "vm",
);

/** The folder of `name` for these inputs; `build` fills it when there is none. */
export async function cached(
  name: string,
  inputs: readonly (string | Uint8Array)[],
  build: (folder: string) => void | Promise<void>,
): Promise<string> {
  const hash = createHash("sha256");
  for (const input of inputs) hash.update(input).update("\0");
  const folder = join(CACHE, `${name}-${hash.digest("hex").slice(0, 16)}`);
  if (!existsSync(folder)) {
    const startMs = performance.now();
    const temporary = join(CACHE, `.${name}-${randomBytes(6).toString("hex")}`);
    mkdirSync(temporary, { recursive: true });
    try {
      await build(temporary);
      rename(temporary, folder);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
    process.stderr.write(`built ${name} in ${((performance.now() - startMs) / 1000).toFixed(1)} s\n`);
    prune(name, folder);
  }
  const now = new Date();
  utimesSync(folder, now, now);
  return folder;
}

function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
  }
}

function prune(name: string, current: string): void {
  for (const entry of readdirSync(CACHE)) {
    const path = join(CACHE, entry);
    if (path === current || !/^\.?(.+)-[0-9a-f]+$/.exec(entry)?.[1]?.startsWith(name)) continue;
    const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
    if (Date.now() - mtimeMs > KEEP_MS) rmSync(path, { recursive: true, force: true });
  }
}
