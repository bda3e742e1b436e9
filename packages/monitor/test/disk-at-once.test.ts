// Which files are read at once, by the thread of all guests: those on a disk of this machine whose access time no read
// changes. And how seldom a read there misses the page cache.

import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeFd, readAt } from "@ringway/linux";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { readsAtOnce } from "../../../test/support/disk-file-systems.ts";
import { asUser, noUsers } from "../../../test/support/users.ts";
import { memory } from "../../linux/test/helpers.ts";
import { change, perform } from "../src/disk/operations.ts";
import { closeRoots, openRoots } from "../src/disk/roots.ts";
import { AtOnce, READS_AFTER_MISS } from "../src/relays/files/at-once.ts";

const NOBODY = 65534;
const READ = 0;
const WRITE = 1;

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "ringway-at-once-"));
  chmodSync(base, 0o755);
});
afterEach(() => rmSync(base, { recursive: true }));

const onDisk = readsAtOnce(tmpdir());
const noDisk = onDisk ? "" : "(skipped: the temporary folder is on no disk's file system that reads at once)";

const long = new Date("2001-02-03T04:05:06Z");

/** A file below a root, which was last accessed long ago. */
function file(crossMounts: boolean): string {
  const folder = join(base, "root");
  const path = join(folder, "file");
  writeFileSync(path, "content");
  utimesSync(path, long, new Date());
  const rules = [{ id: "root", guest: "/r", host: folder, access: "rw", crossMounts, xattrs: [] }] as const;
  const roots = openRoots(rules, () => {});
  change({ kind: "add-tree", tree: 1, roots, hides: false });
  onTestFinished(() => {
    change({ kind: "remove-tree", tree: 1 });
    closeRoots(roots);
  });
  return path;
}

/** Is it read at once? Reads it as a worker would. */
function opened(flags: number): boolean {
  const place = { tree: 1, root: 0, path: "file", asFolder: false };
  const { errno, value, readsAtOnce: isReadAtOnce } = perform({ kind: "open", ...place, flags, mode: 0 });
  expect(errno).toBe(0);
  if (flags === READ) expect(readAt(value, memory(7).address, 7, 0)).toBe(7);
  closeFd(value);
  return isReadAtOnce!;
}

describe.each([false, true])("with crossMounts %s", (crossMounts) => {
  beforeEach(() => {
    mkdirSync(join(base, "root"));
  });

  test(`a file of the monitor's own is read at once, and its access time stays ${noDisk}`, () => {
    const path = file(crossMounts);
    expect(opened(READ)).toBe(onDisk);
    if (onDisk) expect(statSync(path).atime).toEqual(long);
    expect(opened(WRITE)).toBe(false);
  });

  test.skipIf(noUsers !== "")(`another user's is read by workers ${noUsers}`, () => {
    file(crossMounts);
    expect(asUser(NOBODY, () => opened(READ))).toBe(false);
  });

  test.skipIf(noUsers + noDisk !== "")(`and at once where its mount is noatime ${noUsers}${noDisk}`, () => {
    const root = join(base, "root");
    execFileSync("mount", ["--bind", root, root]);
    try {
      execFileSync("mount", ["-o", "remount,bind,noatime", root]);
      const path = file(crossMounts);
      expect(asUser(NOBODY, () => opened(READ))).toBe(true);
      expect(statSync(path).atime).toEqual(long);
    } finally {
      // The root is still held.
      execFileSync("umount", ["--lazy", root]);
    }
  });
});

test("after a miss workers answer, and the file's end is none where no page begins", () => {
  const atOnce = new AtOnce(true);
  for (const [count, offset] of [
    [100, 0],
    [10, 8190],
    [0, 77],
  ] as const)
    atOnce.gave(count, 100, offset);
  expect(atOnce.tries).toBe(true);
  for (const [count, offset] of [
    [-11, 77],
    [96, 4000],
    [0, 4096],
  ] as const) {
    atOnce.gave(count, 100, offset);
    for (let i = 0; i < READS_AFTER_MISS; i++) {
      expect(atOnce.tries).toBe(false);
      atOnce.workerRead();
    }
    expect(atOnce.tries).toBe(true);
  }
  expect(new AtOnce(false).tries).toBe(false);
});
