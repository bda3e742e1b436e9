// The monitor as built, with a mistake put in: a copy of its package, put together as the package itself is.

import { execFile } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { Monitor } from "@ringway/monitor";
import { readBuilt, replaceOnce } from "../../support/built.ts";
import { startMonitor } from "../../support/monitor.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import type { StartMonitor } from "../monitor/case.ts";
import type { Patch } from "./load.ts";

const PACKAGE: string = fileURLToPath(new URL("../../../packages/monitor", import.meta.url));
const BUNDLE: string = fileURLToPath(new URL("../../../scripts/bundle.mjs", import.meta.url));

/** Starts monitors that have it. Throws where a mistake does not fit the code any more. */
export async function mistakenMonitor(patches: readonly Patch[]): Promise<StartMonitor> {
  // Below a node_modules: so vitest leaves it to Node, as it does the package itself.
  const root = join(temporaryFolder("mistaken"), "node_modules");
  const copy = join(root, "packages/monitor");
  mkdirSync(copy, { recursive: true });
  for (const part of ["src", "dist", "package.json", "policy.validator.js"]) {
    cpSync(join(PACKAGE, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(PACKAGE, "node_modules"), join(copy, "node_modules"));
  for (const { module, ...replacement } of patches) {
    const file = join(copy, "dist", `${module}.js`);
    writeFileSync(file, replaceOnce(readBuilt(pathToFileURL(file)), module, replacement));
  }
  await promisify(execFile)(process.execPath, [BUNDLE, root]);
  const loaded = (await import(pathToFileURL(join(copy, "lib/index.js")).href)) as {
    Monitor: typeof Monitor;
  };
  return (policy, options) => startMonitor(policy, options, loaded.Monitor);
}
