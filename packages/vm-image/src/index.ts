// Images of small virtual machines: Debian's kernel and busybox, kept in a cache, and archives to boot from. For
// `ringway bench --vm` and for the tests in virtual machines.

export { WITHOUT_LOCKS, withLists } from "./apt.ts";
export { busybox } from "./busybox.ts";
export { cached } from "./cache.ts";
export { Cpio } from "./cpio.ts";
export { initramfs } from "./initramfs.ts";
export { type Kernel, kernel } from "./kernel.ts";
export { run } from "./run.ts";
