// What each guest boots into: busybox, modules, our init and the tests' own program; for the guest without a disk, curl as well.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cached } from "./cache.ts";
import { Cpio } from "./cpio.ts";
import { run } from "./run.ts";

const guest = (name: string): URL => new URL(`../guest/${name}`, import.meta.url);

/** The archive. `trees` are copied to its root. */
export async function initramfs(
  modules: string,
  busybox: string,
  trees: readonly string[] = [],
): Promise<string> {
  const sources = ["init", "testd.c"].map((name) => readFileSync(guest(name)));
  const code = [readFileSync(new URL(import.meta.url)), readFileSync(new URL("./cpio.ts", import.meta.url))];
  // Paths below the cache say what is behind them.
  const inputs = [...sources, ...code, modules, busybox, ...trees];
  const folder = await cached("initramfs", inputs, (to) => {
    const testd = join(to, "testd");
    run("gcc", [
      "-static",
      "-Os",
      "-s",
      "-Wall",
      "-Wextra",
      "-Werror",
      "-o",
      testd,
      guest("testd.c").pathname,
    ]);
    const archive = new Cpio()
      .file("init", sources[0]!, 0o755)
      .file("bin/busybox", readFileSync(busybox), 0o755);
    for (const applet of run(busybox, ["--list"]).toString().trim().split("\n")) {
      if (applet !== "busybox") archive.link(`bin/${applet}`, "busybox");
    }
    archive.file("opt/ringway/bin/testd", readFileSync(testd), 0o755);
    archive.tree("modules", modules);
    for (const tree of trees) archive.tree(".", tree);
    for (const path of ["dev", "proc", "root", "run", "sys", "tmp"]) archive.directory(path);
    archive.characterDevice("dev/console", 5, 1);
    archive.file("etc/passwd", "root:x:0:0:root:/tmp:/bin/sh\n").file("etc/hosts", "127.0.0.1 localhost\n");
    writeFileSync(join(to, "archive"), archive.end());
  });
  return join(folder, "archive");
}
