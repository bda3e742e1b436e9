// The user of the processes that are started, where that is not this one's: root's to choose. Folders that root writes
// in stay root's, so that nobody plants a link there.

import { chmodSync, lchownSync } from "node:fs";
import type { Who } from "./who.ts";

/** For spawn(): nothing where it stays who it is. */
export type As = { readonly uid: number; readonly gid: number } | Record<string, never>;

export function asWhom(who: Who): As {
  const isOther = process.getuid!() === 0 && who.uid !== 0;
  return isOther ? { uid: who.uid, gid: who.gid } : {};
}

/** A folder of this process's alone lets them through, to what they know the name of. */
export function letThrough(folder: string, as: As): void {
  if (as.uid !== undefined) chmodSync(folder, 0o711);
}

/** A socket becomes theirs to connect to; its folder does not. */
export function handOver(socket: string, as: As): void {
  if (as.uid !== undefined) lchownSync(socket, as.uid, as.gid);
}
