// The file systems whose files the monitor reads at once, out of the page cache, as the documents name them.

import { statfsSync } from "node:fs";

/** ext4, XFS, btrfs, F2FS: statfs(2)'s numbers. */
const TYPES = [0xef53, 0x58465342, 0x9123683e, 0xf2f52010];

/** Is what is cached of this folder's files read without a worker? */
export function readsAtOnce(folder: string): boolean {
  return TYPES.includes(statfsSync(folder).type);
}
