// Removes from each packages/NAME/dist what has no source in src any more. tsc -b leaves it, and an import of it, by a
// path that is gone or wrong, would then still work here and nowhere else.
//
//   node scripts/stale.mjs [ROOT]     says what it removed

import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** x.js, x.d.ts and the maps of both are made from x.ts. */
const MADE = /(?:\.js|\.d\.ts)(?:\.map)?$/;

/** The paths that it removed. */
export function removeStale(root) {
  const packages = join(root, "packages");
  const folders = readdirSync(packages).filter((name) => existsSync(join(packages, name, "package.json")));
  return folders.flatMap((name) => removeIn(join(packages, name, "src"), join(packages, name, "dist")));
}

function removeIn(src, dist) {
  if (!existsSync(dist)) return [];
  const removed = [];
  for (const entry of readdirSync(dist, { withFileTypes: true })) {
    const source = join(src, entry.name);
    const path = join(dist, entry.name);
    if (entry.isDirectory()) {
      if (existsSync(source)) {
        removed.push(...removeIn(source, path));
        continue;
      }
    } else if (!MADE.test(entry.name) || existsSync(source.replace(MADE, ".ts"))) continue;
    rmSync(path, { recursive: true });
    removed.push(path);
  }
  return removed;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = process.argv[2] ?? fileURLToPath(new URL("..", import.meta.url));
  for (const path of removeStale(root)) console.log(`removed ${path}: its source is gone`);
}
