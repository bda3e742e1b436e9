// Debian's own userland on a disk of its own, read-only: what curl, wget and busybox need, and no more. Of the same
// packages: busybox, with which every guest boots, and curl with its libraries alone, for the guest that has no disk.

import { cpSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { cached, run } from "@ringway/vm-image";
import { closureOf, unpackClosure } from "./apt.ts";
import { makeDisk } from "./disk.ts";

const PACKAGES = ["busybox-static", "coreutils", "curl", "dash", "wget"];
const MERGED = ["bin", "lib", "lib64", "sbin"];
/** Where something is mounted, or written to in memory. */
const MOUNT_POINTS = ["dev", "opt/node", "opt/ringway", "proc", "run", "sys", "tmp"];
const NOT_NEEDED = ["usr/share/doc", "usr/share/locale", "usr/share/man", "usr/lib/x86_64-linux-gnu/gconv"];

export interface Debian {
  readonly disk: string;
  readonly busybox: string;
  /** A tree with usr/bin/curl, its libraries and their loader. */
  readonly curl: string;
}

export async function debian(): Promise<Debian> {
  const inputs = [...closureOf(PACKAGES), readFileSync(new URL(import.meta.url))];
  const folder = await cached("debian", inputs, (to) => {
    const root = unpackRoot(PACKAGES, to);
    makeDisk(root, join(to, "disk"));
    cpSync(join(root, "bin/busybox"), join(to, "busybox"));
    copyWithLibraries(root, "usr/bin/curl", join(to, "curl"));
    run("rm", ["-r", root, join(to, "packages")]);
  });
  return { disk: join(folder, "disk"), busybox: join(folder, "busybox"), curl: join(folder, "curl") };
}

/** A disk that has these as well, and a resolver on the guest's loopback: of the agent's. */
export async function debianWith(more: readonly string[]): Promise<string> {
  const packages = [...PACKAGES, ...more];
  const inputs = [...closureOf(packages), readFileSync(new URL(import.meta.url))];
  const folder = await cached("programs", inputs, (to) => {
    const root = unpackRoot(packages, to);
    writeFileSync(join(root, "etc/resolv.conf"), "nameserver 127.0.0.1\n");
    writeFileSync(join(root, "etc/nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files dns\n");
    makeDisk(root, join(to, "disk"));
    run("rm", ["-r", root, join(to, "packages")]);
  });
  return join(folder, "disk");
}

/** The folder in `to` that is the root; what was downloaded for it stays beside it. */
function unpackRoot(packages: readonly string[], to: string): string {
  const root = join(to, "root");
  for (const name of MERGED) {
    mkdirSync(join(root, "usr", name), { recursive: true });
    symlinkSync(join("usr", name), join(root, name));
  }
  unpackClosure(packages, root, join(to, "packages"));
  for (const path of NOT_NEEDED) rmSync(join(root, path), { recursive: true, force: true });
  for (const path of MOUNT_POINTS) mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/tmp:/bin/sh\n");
  writeFileSync(join(root, "etc/hosts"), "127.0.0.1 localhost\n");
  return root;
}

/** A program of `root` and its libraries, as the root's own loader finds them. */
function copyWithLibraries(root: string, program: string, to: string): void {
  const loader = "lib64/ld-linux-x86-64.so.2";
  const paths = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"]
    .map((path) => join(root, path))
    .join(":");
  const list = run(join(root, loader), ["--library-path", paths, "--list", join(root, program)]).toString();
  const copy = (from: string, path: string): void => cpSync(realpathSync(from), join(to, path));
  copy(join(root, program), program);
  copy(join(root, loader), loader);
  for (const [, found] of list.matchAll(/ => (\S+) \(/g)) {
    if (relative(root, found!).startsWith(".."))
      throw new Error(`${program} needs ${found}, outside of its root`);
    copy(found!, join("lib/x86_64-linux-gnu", basename(found!)));
  }
}
