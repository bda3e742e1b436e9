// A file system of a folder's files, for virtio-blk: mke2fs copies them in itself, without mounting anything.

import { truncateSync } from "node:fs";
import { run } from "@ringway/vm-image";

const MiB = 1024 * 1024;

export function makeDisk(folder: string, file: string): void {
  const kib = Number(run("du", ["-sk", "--apparent-size", folder]).toString().split("\t")[0]);
  truncateSync(make(file), Math.ceil((kib * 1024 * 1.2) / MiB + 8) * MiB);
  // Nobody ever writes to it: no journal, and no room kept for root.
  const owner = ["-E", "root_owner=0:0,no_copy_xattrs"];
  run("mke2fs", ["-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", ...owner, "-d", folder, file]);
}

function make(file: string): string {
  run("touch", [file]);
  return file;
}
