// What a guest boots into: busybox, the kernel's modules, and what its caller adds, /init before all.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { applets } from "./busybox.ts";
import { Cpio } from "./cpio.ts";
import type { Kernel } from "./kernel.ts";

const FOLDERS = ["dev", "proc", "root", "run", "sys", "tmp"];

/** An archive to add to; /modules/order has the names of the modules, one a line. */
export function initramfs(kernel: Kernel, busybox: string): Cpio {
  const archive = new Cpio().file("bin/busybox", readFileSync(busybox), 0o755);
  for (const applet of applets(busybox)) archive.link(`bin/${applet}`, "busybox");
  for (const name of ["order", ...kernel.order]) {
    archive.file(`modules/${name}`, readFileSync(join(kernel.modules, name)));
  }
  for (const path of FOLDERS) archive.directory(path);
  archive.characterDevice("dev/console", 5, 1);
  return archive
    .file("etc/passwd", "root:x:0:0:root:/tmp:/bin/sh\n")
    .file("etc/hosts", "127.0.0.1 localhost\n");
}
