// Debian's static busybox: the userland of a small guest.

import { cpSync } from "node:fs";
import { join } from "node:path";
import { candidate, unpackOne } from "./apt.ts";
import { cached } from "./cache.ts";
import { run } from "./run.ts";

/** The file. */
export async function busybox(): Promise<string> {
  const name = candidate("busybox-static");
  const folder = await cached("busybox", [name], (to) => {
    const root = join(to, "root");
    unpackOne(name, root, join(to, "package"));
    cpSync(join(root, "bin/busybox"), join(to, "busybox"));
    run("rm", ["-r", root, join(to, "package")]);
  });
  return join(folder, "busybox");
}

/** The names by which it is called. */
export function applets(busybox: string): string[] {
  const names = run(busybox, ["--list"]).toString().trim().split("\n");
  return names.filter((name) => name !== "busybox");
}
