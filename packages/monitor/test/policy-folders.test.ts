// The folders of a policy are closed once: what is done under it when it is over already closes nothing of another's.

import { mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeFd, fstat } from "@ringway/linux";
import { expect, test } from "vitest";
import { PolicyFolders } from "../src/disk/policy-folders.ts";
import type { DiskPool } from "../src/disk/pool.ts";
import { openRoots } from "../src/disk/roots.ts";

test("they are closed once, and whoever has their descriptors then keeps them", () => {
  const host = mkdtempSync(join(tmpdir(), "ringway-folders-"));
  const removed: number[] = [];
  const disk = { addTree: () => 7, removeTree: (tree: number) => void removed.push(tree) };
  const rule = { id: "r", guest: "/r", host, access: "rw", crossMounts: false, xattrs: [] } as const;
  const folders = new PolicyFolders(
    openRoots([rule], () => {}),
    disk as unknown as DiskPool,
    false,
  );
  const { fd } = folders.root(0);
  folders.close();
  const next = openSync(host, "r");
  expect(next).toBe(fd);
  folders.close();
  expect(typeof fstat(next)).not.toBe("number");
  expect(removed).toEqual([7]);
  closeFd(next);
  rmSync(host, { recursive: true });
});
