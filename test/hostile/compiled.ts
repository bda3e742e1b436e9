// A program of this folder as one file that Node runs as it stands. tsx would load itself and transform each module in
// every process anew: that is most of the time that the process of a flood lives.

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { here } from "./child.ts";

const LINUX: URL = new URL("../../packages/linux/package.json", import.meta.url);
/** In the workspace, where what is imported by name is found. */
const FOLDER: string = fileURLToPath(new URL("../../build/tests", import.meta.url));
/** Of packages/linux, whose own modules some programs use. */
const KOFFI: string = createRequire(LINUX).resolve("koffi");

const made: Map<string, Promise<string>> = new Map();

/** Its path. What a module of it looks for beside itself must be made as well: that is where import.meta.url is. */
export function compiled(name: string): Promise<string> {
  const path = made.get(name) ?? compile(name);
  made.set(name, path);
  return path;
}

async function compile(name: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [here(name)],
    write: false,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    alias: { koffi: KOFFI },
    external: [KOFFI],
    logLevel: "warning",
  });
  const [{ contents } = { contents: new Uint8Array(0) }] = outputFiles;
  mkdirSync(FOLDER, { recursive: true });
  const path = join(FOLDER, `${basename(name).replace(/\.\w+$/, "")}.mjs`);
  // As a whole: another process may load it just now.
  writeFileSync(`${path}.${process.pid}`, contents);
  renameSync(`${path}.${process.pid}`, path);
  return path;
}
