// What each guest boots into: the small machine of vm-image, our init and the tests' own program; for the guest without
// a disk, curl as well.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { initramfs as base, cached, type Kernel, run } from "@ringway/vm-image";

const guest = (name: string): URL => new URL(`../guest/${name}`, import.meta.url);
const CC = ["-static", "-Os", "-s", "-Wall", "-Wextra", "-Werror"];

/** The archive. `trees` are copied to its root. */
export async function initramfs(
  kernel: Kernel,
  busybox: string,
  trees: readonly string[] = [],
): Promise<string> {
  const sources = ["init", "testd.c"].map((name) => readFileSync(guest(name)));
  // Paths below the cache say what is behind them. What is the same for every such machine is small, and made anew.
  const common = base(kernel, busybox).end();
  const inputs = [...sources, readFileSync(new URL(import.meta.url)), common, ...trees];
  const folder = await cached("initramfs", inputs, (to) => {
    const testd = join(to, "testd");
    run("gcc", [...CC, "-o", testd, guest("testd.c").pathname]);
    const archive = base(kernel, busybox)
      .file("init", sources[0]!, 0o755)
      .file("opt/ringway/bin/testd", readFileSync(testd), 0o755);
    for (const tree of trees) archive.tree(".", tree);
    writeFileSync(join(to, "archive"), archive.end());
  });
  return join(folder, "archive");
}
