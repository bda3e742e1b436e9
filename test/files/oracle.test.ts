// Random trees, links, mounts and operations beside an oracle that knows nothing of descriptors: it walks the same
// names on a tree that stands still. Then the same operations while a thread of the host's swaps folders and links:
// what is outside, and what is read-only, stays as it is to the nanosecond. RINGWAY_FILES_SEED is another tree,
// RINGWAY_FILES_ROUNDS more of them.

import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { Done, Errno, fileMessages, fsMessages, StatReply } from "@ringway/control";
import { beforeAll, describe, expect, it } from "vitest";
import { Random } from "../simulator/random.ts";
import { errnoOf } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { run } from "../support/slow-disk.ts";
import { type Host, startHost } from "./host.ts";
import { FileGuest, type RawStream } from "./wire.ts";

const { READ, WRITE, CREATE, TRUNCATE, EXCLUSIVE } = fileMessages.FileFlags;
const { FileDirection, Write, Written } = fileMessages;
const m = fsMessages;
const SEED = Number(process.env.RINGWAY_FILES_SEED ?? 1);
const ROUNDS = Number(process.env.RINGWAY_FILES_ROUNDS ?? 3);

interface Rule {
  readonly guest: readonly string[];
  readonly host: string;
  readonly access: "ro" | "rw";
}

/** Roots in roots, in the guest's tree and on the host, and not in the same order. */
const FILES = `
  - { id: in-guest, guest: /data/a/fixed, host: ./data/b/c, access: ro }
  - { id: on-host, guest: /kept, host: ./data/a/b, access: ro }
  - { id: both, guest: /data/c, host: ./data/c, access: ro }
  - { id: inner, guest: /inner, host: ./data/b, access: rw }
  - { id: loose, guest: /fixed/a, host: ./fixed/b, access: rw }
`;
const NAMES = ["a", "b", "c", "fixed", "f", "g", "l1", "l2", "l3", "l4", "m"];

const hold = heldForAll();
let host: Host;
let guest: FileGuest;
let rules: Rule[];
let mounts: string[] = [];
/** What a tree began with, from the host's base folder. */
let planted: string[] = [];

beforeAll(async () => {
  host = hold(await startHost({ files: FILES }));
  hold({ [Symbol.dispose]: unmountAll });
  guest = hold(await FileGuest.attach(host.path));
  rules = host.policy.files.map((rule) => ({ ...rule, guest: rule.guest.split("/").slice(1) }));
});

function unmountAll(): void {
  for (const at of mounts) run("umount", at);
  mounts = [];
}

const ROOTS = ["data", "data/a/b", "data/b", "data/b/c", "data/c", "fixed", "fixed/b", "other", "outside"];

/** Roots stay the folders that they are; everything else is new. */
function plant(random: Random): void {
  unmountAll();
  const clear = (folder: string): void => {
    for (const name of readdirSync(join(host.folder, folder))) {
      const path = `${folder}/${name}`;
      if (!ROOTS.some((root) => root === path || root.startsWith(`${path}/`))) {
        rmSync(join(host.folder, path), { recursive: true });
      } else if (lstatSync(join(host.folder, path)).isDirectory()) clear(path);
    }
  };
  for (const root of ["data", "fixed", "other", "outside"]) clear(root);
  for (const root of ROOTS) mkdirSync(join(host.folder, root), { recursive: true });
  const folders = [...ROOTS];
  planted = ROOTS.filter((root) => root !== "outside");
  for (let i = 0; i < 120; i++) {
    const place = join(random.pick(folders), random.pick(NAMES));
    const path = join(host.folder, place);
    try {
      if (random.below(3) === 0) {
        mkdirSync(path);
        folders.push(place);
      } else if (random.below(2) === 0) writeFileSync(path, path, { flag: "wx" });
      else symlinkSync(target(random), path);
      if (!place.startsWith("outside")) planted.push(place);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
  if (process.getuid?.() !== 0) return;
  for (const folder of ["data", "data/b", "other"]) {
    const at = join(host.folder, folder, "mounted");
    mkdirSync(at);
    run("mount", "--bind", join(host.folder, "outside"), at);
    mounts.push(at);
  }
}

function names(random: Random, most: number): string[] {
  return Array.from({ length: random.below(most + 1) }, () => random.pick([...NAMES, "mounted"]));
}

function target(random: Random): string {
  const parts = names(random, 3);
  for (let i = random.below(4); i > 0; i--) parts.splice(random.below(parts.length + 1), 0, "..");
  const top = random.pick(["data", "kept", "inner", "fixed", "other", "outside", "etc"]);
  const end = random.below(8) === 0 ? "/" : "";
  switch (random.below(4)) {
    case 0:
      return `/${[top, ...parts].join("/")}${end}`;
    case 1:
      return join(host.folder, "outside", ...parts);
    default:
      return `${[".", ...parts].join("/")}${end}`;
  }
}

/** Half of them of what was planted, by its name on the host, as far as that is one of the guest's. */
function guestPath(random: Random): string {
  if (random.once(2)) return `/${random.pick(planted)}${random.once(8) ? "/" : ""}`;
  const top = random.pick(["data", "data", "data", "kept", "inner", "fixed", "other"]);
  return `/${[top, ...names(random, 4)].join("/")}${random.once(8) ? "/" : ""}`;
}

// ── The oracle ───────────────────────────────────────────────────────────────────────────────────────────────────

interface Found {
  readonly errno: number;
  /** Of the host, and by which rule it was reached; "" where nothing is. */
  readonly path: string;
  readonly rule?: Rule;
}

const none = (errno: number): Found => ({ errno, path: "" });
const covers = (outer: readonly string[], inner: readonly string[]): boolean =>
  outer.length <= inner.length && outer.every((name, i) => name === inner[i]);

function ruleOf(path: readonly string[]): Rule | undefined {
  const covering = rules.filter((rule) => covers(rule.guest, path));
  return covering.sort((a, b) => b.guest.length - a.guest.length)[0];
}

/** Where a guest path leads, one name at a time, on a tree that stands still. */
function find(path: string, follow: boolean): Found {
  let asFolder = path.endsWith("/");
  let at: string[] = [];
  let links = 0;
  const next = path.split("/").filter((name) => name !== "");
  while (next.length > 0) {
    const name = next.shift()!;
    if (name === "..") {
      at.pop();
      continue;
    }
    // The deepest root that these names lead to by their text.
    const jump = [...next, ".."].findLastIndex((_, i) =>
      rules.some(({ guest: root }) => `${root}` === `${[...at, name, ...next.slice(0, i)]}`),
    );
    const upTo = next.indexOf("..");
    if (jump >= 0 && (upTo < 0 || jump <= upTo)) {
      at = [...at, name, ...next.splice(0, jump)];
      continue;
    }
    const rule = ruleOf(at);
    if (rule === undefined) {
      at.push(name);
      if (!rules.some(({ guest: root }) => covers(at, root))) return none(Errno.EXDEV);
      continue;
    }
    const here = join(rule.host, ...at.slice(rule.guest.length), name);
    if (mounts.includes(here)) return none(Errno.EXDEV);
    const seen = lstatSync(here, { throwIfNoEntry: false });
    if (seen === undefined) return none(Errno.ENOENT);
    if (seen.isSymbolicLink() && (next.length > 0 || follow || asFolder)) {
      if (++links > 40) return none(Errno.ELOOP);
      const text = readlinkSync(here);
      if (next.length === 0 && /(^|\/)\.{0,2}$/.test(text)) asFolder = true;
      if (text.startsWith("/")) at = [];
      next.unshift(...text.split("/").filter((part) => part !== "" && part !== "."));
    } else if (seen.isDirectory()) at.push(name);
    else if (next.length > 0 || asFolder) return none(Errno.ENOTDIR);
    else return { errno: 0, path: here, rule };
  }
  const rule = ruleOf(at);
  if (rule === undefined) return none(Errno.EXDEV);
  return { errno: 0, path: join(rule.host, ...at.slice(rule.guest.length)), rule };
}

/**
 * May a guest that named `path` change what it found? By the name, by the root it came to, by the deepest root on the
 * host.
 */
function mayWrite(path: string, { path: there, rule }: Found): boolean {
  const named = ruleOf(path.split("/").filter((name) => name !== ""))!;
  const below = rules
    .filter(({ host: root }) => `${there}/`.startsWith(`${root}/`) && root.startsWith(rule!.host))
    .sort((a, b) => b.host.length - a.host.length);
  return [named, rule!, below[0]!].every(({ access }) => access === "rw");
}

// ── The operations ───────────────────────────────────────────────────────────────────────────────────────────────

const time = { seconds: 1, nanoseconds: 0 };

async function writeSome(path: string, flags: number): Promise<void> {
  const file = await guest.openFile(path, flags);
  await file.call(Write, { data: Buffer.from("by a guest") }, Written);
  await file.finish();
}

/** Anything at all, on anything. */
function anything(random: Random, fs: RawStream): Promise<unknown> {
  const path = guestPath(random);
  const operations: (() => Promise<unknown>)[] = [
    () => writeSome(path, WRITE),
    () => writeSome(path, WRITE | CREATE | TRUNCATE),
    () => writeSome(path, READ | WRITE | CREATE | EXCLUSIVE),
    () =>
      guest
        .openFileStream({ path, direction: FileDirection.WRITE, flags: WRITE | CREATE | TRUNCATE })
        .then(([stream]) => stream.reset()),
    () => fs.call(m.Mkdir, { path, mode: 0o755, parents: random.below(2) === 0 }, Done),
    () => fs.call(m.Unlink, { path }, Done),
    () => fs.call(m.Rmdir, { path }, Done),
    () => fs.call(m.Rename, { from: path, to: guestPath(random) }, Done),
    () => fs.call(m.Rename, { from: guestPath(random), to: path }, Done),
    () => fs.call(m.Symlink, { target: target(random), path }, Done),
    () => fs.call(m.Chmod, { path, mode: 0o700 + random.below(0o100) }, Done),
    () => fs.call(m.Utimes, { path, accessed: time, modified: time }, Done),
    () => fs.readDir(path),
  ];
  return random.pick(operations)();
}

/** What no guest may change, to the nanosecond. */
function untouchable(): string {
  const lines: string[] = [];
  const look = (path: string): void => {
    const seen = lstatSync(path, { bigint: true });
    const content = seen.isFile() ? readFileSync(path, "latin1") : "";
    lines.push(`${path} ${seen.ino} ${seen.mode} ${seen.nlink} ${seen.ctimeNs} ${seen.mtimeNs} ${content}`);
    if (!seen.isDirectory()) return;
    for (const name of readdirSync(path).sort()) {
      // A read-write root inside a read-only one.
      if (!rules.some(({ host: root, access }) => access === "rw" && root === join(path, name))) {
        look(join(path, name));
      }
    }
  };
  for (const root of ["outside", "fixed", "data/a/b", "data/b/c", "data/c"]) look(join(host.folder, root));
  return lines.join("\n");
}

async function storm(random: Random, operations: number): Promise<Map<number, number>> {
  const seen = new Map<number, number>();
  const one = async (): Promise<void> => {
    const own = new Random(random.below(2 ** 31));
    const fs = await guest.openFs();
    for (let i = 0; i < operations; i++) {
      const errno = await errnoOf(anything(own, fs));
      seen.set(errno, (seen.get(errno) ?? 0) + 1);
    }
    await fs.finish();
  };
  await Promise.all([one(), one(), one(), one()]);
  return seen;
}

describe.each(Array.from({ length: ROUNDS }, (_, i) => SEED + i))("seed %i", (seed) => {
  it("every path leads where the oracle says, and may be written where it says", async () => {
    const random = new Random(seed);
    plant(random);
    const fs = await guest.openFs();
    const found = new Map<number, number>();
    for (let i = 0; i < 600; i++) {
      const path = guestPath(random);
      for (const follow of [true, false]) {
        const expected = find(path, follow);
        let errno = 0;
        const reply = fs.call(follow ? m.Stat : m.Lstat, { path }, StatReply).then(({ inode }) => {
          expect(inode, path).toBe(lstatSync(expected.path === "" ? host.folder : expected.path).ino);
        });
        errno = await errnoOf(reply);
        expect(errno, `${follow ? "stat" : "lstat"} ${path}`).toBe(expected.errno);
        found.set(errno, (found.get(errno) ?? 0) + 1);
      }
      const expected = find(path, true);
      if (expected.path === "" || lstatSync(expected.path).isDirectory()) continue;
      const writing = guest.openFile(path, WRITE).then((file) => file.finish());
      expect(await errnoOf(writing), `write ${path}`).toBe(mayWrite(path, expected) ? 0 : Errno.EROFS);
    }
    for (const errno of [0, Errno.ENOENT, Errno.EXDEV]) expect(found.get(errno)).toBeGreaterThan(10);
    await fs.finish();
  });

  it("nothing outside or read-only is changed by any operation, and the roots stay", async () => {
    const random = new Random(seed);
    plant(random);
    const before = untouchable();
    const seen = await storm(random, 250);
    expect(untouchable()).toBe(before);
    expect(seen.get(0)).toBeGreaterThan(50);
    expect(seen.get(Errno.EROFS)).toBeGreaterThan(20);
    expect(readdirSync(join(host.folder, "data"))).toEqual(expect.arrayContaining(["a", "b", "c"]));
  });

  it("nor while a thread of the host's swaps folders and links", async () => {
    const random = new Random(seed);
    plant(random);
    for (const [name, text] of [
      ["w", "a/b"],
      ["x", "c"],
      ["y", join(host.folder, "outside")],
      ["z", "/kept"],
    ] as const) {
      mkdirSync(join(host.data, name));
      writeFileSync(join(host.data, name, "f"), "harmless");
      symlinkSync(text, join(host.data, `${name}-link`));
    }
    const script = `
      const { renameSync } = require("node:fs");
      const { workerData: { data, stop } } = require("node:worker_threads");
      const move = (from, to) => { try { renameSync(data + from, data + to); } catch {} };
      while (Atomics.load(stop, 0) === 0) {
        for (const name of ["/w", "/x", "/y", "/z"]) {
          move(name, name + "-away");
          move(name + "-link", name);
          move(name, name + "-link");
          move(name + "-away", name);
        }
      }`;
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const before = untouchable();
    const worker = new Worker(script, { eval: true, workerData: { data: host.data, stop } });
    const raced = new Map<number, number>();
    const end = performance.now() + 1500;
    const one = async (): Promise<void> => {
      const own = new Random(random.below(2 ** 31));
      while (performance.now() < end) {
        const path = `/data/${own.pick(["w", "x", "y", "z"])}/${own.pick(["f", "new", "a/f", "c"])}`;
        const errno = await errnoOf(
          own.pick([
            () => writeSome(path, WRITE | CREATE | TRUNCATE),
            () => fs.call(m.Mkdir, { path, mode: 0o755, parents: false }, Done),
            () => fs.call(m.Unlink, { path }, Done),
            () => fs.call(m.Chmod, { path, mode: 0o600 }, Done),
            () => fs.call(m.Rename, { from: path, to: "/data/moved" }, Done),
            () => fs.call(m.Symlink, { target: "f", path }, Done),
          ])(),
        );
        raced.set(errno, (raced.get(errno) ?? 0) + 1);
      }
    };
    const fs = await guest.openFs();
    await Promise.all([one(), one(), one(), one()]);
    Atomics.store(stop, 0, 1);
    await new Promise((resolve) => worker.once("exit", resolve));
    await fs.finish();
    expect(untouchable()).toBe(before);
    // It was raced: there were folders, and links to what is read-only and to the outside.
    for (const errno of [0, Errno.EROFS, Errno.EXDEV]) expect(raced.get(errno)).toBeGreaterThan(0);
  });
});
