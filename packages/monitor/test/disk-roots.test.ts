// What the roots of a policy are to each other is found out by climbing from each once, however many there are; and
// what changes in folders that have roots inside costs names that can be counted.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { takeLookups } from "../src/disk/lookups.ts";
import { change, perform } from "../src/disk/operations.ts";
import { closeRoots, openRoots, type Roots } from "../src/disk/roots.ts";
import type { FilesRule } from "../src/policy/types.ts";

let base: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "ringway-roots-"));
});
afterEach(() => rmSync(base, { recursive: true }));

function open(folders: readonly string[], access = (_: number): "ro" | "rw" => "rw"): Roots {
  const rules = folders.map((folder, i): FilesRule => {
    const host = join(base, folder);
    mkdirSync(host, { recursive: true });
    return { id: `rule-${i}`, guest: `/r/${i}`, host, access: access(i), crossMounts: false, xattrs: [] };
  });
  return openRoots(rules, () => {});
}

test("twice as many roots take twice as many looks", () => {
  const looks = (count: number): number => {
    const folders = Array.from({ length: count }, (_, i) => `many/${i}`);
    takeLookups();
    closeRoots(open(folders));
    return takeLookups();
  };
  const [few, many] = [looks(100), looks(200)];
  expect(few).toBeGreaterThan(100);
  expect(many).toBe(2 * few);
});

test("a root has others inside where their paths say so, whatever their order", () => {
  const folders = ["b/c", "a", "a/b/c", "b/c/d", "a/b", "e", "b/c"];
  const { roots } = open(folders, (i) => (i === 5 ? "ro" : "rw"));
  for (const [i, root] of roots.entries()) {
    const holds = folders.some((other) => other.startsWith(`${folders[i]}/`));
    expect(root.holdsOthers, folders[i]).toBe(holds);
    expect(root.sharesReadOnly).toBe(true);
  }
  closeRoots({ roots, sockets: [], nodeSystems: [] });
});

test("a folder that is renamed is looked for above each root, over what they have in common once", () => {
  const roots = open(["data", ...Array.from({ length: 100 }, (_, i) => `data/a/b/c/d/e/f/g/h/${i}`)]);
  mkdirSync(join(base, "data/free"));
  change({ kind: "add-tree", tree: 1, roots, hides: false });
  const at = (path: string): { tree: number; root: number; path: string; asFolder: boolean } => ({
    tree: 1,
    root: 0,
    path,
    asFolder: false,
  });
  takeLookups();
  expect(perform({ kind: "rename", from: at("free"), to: at("moved") }).errno).toBe(0);
  expect(takeLookups()).toBeLessThan(250);
  for (const path of ["a", "a/b/c/d/e/f/g/h", "a/b/c/d/e/f/g/h/99"]) {
    expect(perform({ kind: "rename", from: at(path), to: at("taken") })).toMatchObject({ errno: 13 });
  }
  change({ kind: "remove-tree", tree: 1 });
  closeRoots(roots);
});

test("a folder with all its parents is made in one walk", () => {
  const names = 500;
  const roots = open(["data", "data/inner"], (i) => (i === 1 ? "ro" : "rw"));
  change({ kind: "add-tree", tree: 1, roots, hides: false });
  const path = Array(names).fill("a").join("/");
  takeLookups();
  const place = { tree: 1, root: 0, path, asFolder: false };
  expect(perform({ kind: "mkdir", ...place, mode: 0o755, parents: true }).errno).toBe(0);
  expect(takeLookups()).toBeLessThan(names + 10);
  change({ kind: "remove-tree", tree: 1 });
  closeRoots(roots);
});
