// Node on a disk of its own: the program that runs the tests, and its libraries beyond libc, mounted at /opt/node.

import { cpSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cached, run } from "@ringway/vm-image";
import { makeDisk } from "./disk.ts";

const PARTS_OF_LIBC = /^(ld-linux|libc\.|libm\.|libdl\.|libpthread\.|librt\.)/;

const WRAPPER = '#!/bin/sh\nLD_LIBRARY_PATH=/opt/node/lib exec /opt/node/lib/node "$@"\n';

/** The disk. */
export async function node(): Promise<string> {
  const program = realpathSync(process.execPath);
  const { size, mtimeMs } = statSync(program);
  const identity = [process.version, program, String(size), String(mtimeMs)];
  const folder = await cached("node", [...identity, readFileSync(new URL(import.meta.url))], (to) => {
    const root = join(to, "root");
    mkdirSync(join(root, "bin"), { recursive: true });
    cpSync(program, join(root, "lib/node"));
    writeFileSync(join(root, "bin/node"), WRAPPER, { mode: 0o755 });
    for (const [, library] of run("ldd", [program])
      .toString()
      .matchAll(/ => (\/\S+) \(/g)) {
      const name = basename(library!);
      if (!PARTS_OF_LIBC.test(name)) cpSync(realpathSync(library!), join(root, "lib", name));
    }
    makeDisk(root, join(to, "disk"));
    rmSync(root, { recursive: true });
  });
  return join(folder, "disk");
}
