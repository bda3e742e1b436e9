// The user of the processes that are started, where that is not this one's: root's to choose.

import { chownSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Who } from "./who.ts";

/** For spawn(): nothing where it stays who it is. */
export type As = { readonly uid: number; readonly gid: number } | Record<string, never>;

export function asWhom(who: Who): As {
  const isOther = process.getuid!() === 0 && who.uid !== 0;
  return isOther ? { uid: who.uid, gid: who.gid } : {};
}

/** A folder with all that is in it becomes theirs. */
export function handOver(folder: string, as: As): void {
  if (as.uid === undefined) return;
  const entries = readdirSync(folder, { recursive: true, encoding: "utf8" });
  for (const path of [folder, ...entries.map((name) => join(folder, name))]) chownSync(path, as.uid, as.gid);
}
