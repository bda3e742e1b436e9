// Where this package lies: what is found from there.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** This very command, for packages that start it: arguments follow. */
export const RINGWAY: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL("../bin/ringway.js", import.meta.url)),
];

/** The package's. */
export function version(): string {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
