// May a test mount a file system of its own?

import { run } from "../native/toolchain.ts";

/** Tried, not asked: the device, and the right to mount what it serves. */
const TRY = `exec 9<>/dev/fuse
mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 probe /mnt`;

/** Why not, or undefined. */
export const noFuse: string | undefined =
  run("unshare", ["-Urm", "sh", "-ec", TRY]).status === 0
    ? undefined
    : "no /dev/fuse here, or no right to mount it in a user namespace";
