// A tree of files as a line of text for each name in it, so that two of them can be compared.

import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

export interface Told {
  /** What of a time, in milliseconds, counts. */
  time(ms: number): unknown;
  /** What of a link's target counts. */
  target?(target: string): string;
}

/** Names, modes, contents and targets below a folder, in order. */
export function harvest(root: string, { time, target = (text) => text }: Told): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const path = join(root, name);
      const found = lstatSync(path);
      const content = found.isFile() ? readFileSync(path, "latin1") : "";
      const to = found.isSymbolicLink() ? target(readlinkSync(path)) : "";
      return [name, found.mode.toString(8), time(found.mtimeMs), to, content].join(" ");
    });
}
