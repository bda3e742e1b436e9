// A watch that cannot be set leaves none in the kernel, whichever of its openings the host has no descriptor for.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeFd, createInotify, Errno } from "@ringway/linux";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { performMount } from "../src/disk/mount/operations.ts";
import { WatchedEntriesReader } from "../src/disk/mount/watched-entries.ts";
import { closeRoots, openRoots, type Roots } from "../src/disk/roots.ts";
import { addTree, removeTree } from "../src/disk/tree.ts";

/** As many more openings go well. */
const opens = vi.hoisted(() => ({ left: Number.POSITIVE_INFINITY }));

vi.mock("@ringway/linux", async (original) => {
  const real = await original<typeof import("@ringway/linux")>();
  const openat2: typeof real.openat2 = (...args) =>
    opens.left-- > 0 ? real.openat2(...args) : -real.Errno.EMFILE;
  return { ...real, openat2 };
});

const TREE = 4712;
let folder: string;
let roots: Roots;
let inotify: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ringway-watch-"));
  mkdirSync(join(folder, "below"));
  writeFileSync(join(folder, "below/file"), "");
  const rule = { id: "data", guest: "/data", host: folder, access: "rw" } as const;
  roots = openRoots([{ ...rule, crossMounts: false, xattrs: [] }], () => {});
  addTree(TREE, roots, false);
  inotify = createInotify();
});
afterEach(() => {
  opens.left = Number.POSITIVE_INFINITY;
  closeFd(inotify);
  removeTree(TREE);
  closeRoots(roots);
  rmSync(folder, { recursive: true });
});

function watches(): number {
  const text = readFileSync(`/proc/self/fdinfo/${inotify}`, "utf8");
  return text.match(/^inotify wd:/gm)?.length ?? 0;
}

test.each([
  ["of the folder itself", "."],
  ["of one that has appeared in it", "below"],
])("a watch %s", (_, below) => {
  const place = { tree: TREE, root: 0, path: ".", asFolder: false };
  const { identity } = roots.roots[0]!;
  for (let left = 0; ; left++) {
    opens.left = left;
    const result = performMount({
      kind: "mount-watch",
      place,
      inotify,
      identity,
      below,
      deep: true,
      tell: true,
    });
    opens.left = Number.POSITIVE_INFINITY;
    if (result.watched === undefined) {
      expect([left, result.errno, watches()]).toEqual([left, Errno.EMFILE, 0]);
      continue;
    }
    expect(left).toBeGreaterThan(1);
    expect(watches()).toBe(1);
    const entries = new WatchedEntriesReader(result.watched.entries);
    expect(entries.next()).toBeDefined();
    expect(entries.next()).toBeUndefined();
    return;
  }
});
