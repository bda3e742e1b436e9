// What an operation has cost its worker, in names that were looked up: the pool prices it by them, once it is over
// (pool.ts). A path does not tell beforehand: a short one may lead by links over thousands of names, and the host's
// folders above a root count too.
//
// This thread's own: a worker does one operation at a time.

import type { PathLike } from "@ringway/linux";

/** Names on a path that the kernel takes at once, in about the time of one that is opened and looked at here. */
const AT_ONCE = 16;

const SLASH = 0x2f;

let lookups = 0;

export function lookedUp(names: number): void {
  lookups += names;
}

/** Those since it was asked last. */
export function takeLookups(): number {
  const taken = lookups;
  lookups = 0;
  return taken;
}

/** For a path that the kernel takes in one step. */
export function lookedUpAtOnce(path: PathLike): void {
  let names = 1;
  if (typeof path === "string") {
    for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) names++;
  } else for (const byte of path) if (byte === SLASH) names++;
  lookups += names / AT_ONCE;
}
