// The SDK's file calls beside node:fs, on two trees that are the same: each kind of name, with and without a slash at
// its end, and as a folder on the way. The same code comes back, and the same tree stays.

import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import * as node from "node:fs/promises";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { beforeAll, expect, it } from "vitest";
import { heldForAll } from "../support/held.ts";
import { harvest } from "../support/tree.ts";
import { type Host, startHost } from "./host.ts";

const hold = heldForAll();
let host: Host;
let guest: Guest;

beforeAll(async () => {
  host = hold(await startHost());
  guest = hold(await Guest.attach(host.path));
});

const NAMES = ["file", "dir", "full", "to-file", "to-dir", "to-nothing", "to-self", "none"];
const ENDS = ["", "/", "//", "/.", "/file", "/none", "/inner/"];
const PATHS = NAMES.flatMap((name) => ENDS.map((end) => `${name}${end}`));

type Files = Pick<
  typeof node,
  | "readFile"
  | "stat"
  | "lstat"
  | "readdir"
  | "mkdir"
  | "unlink"
  | "rmdir"
  | "symlink"
  | "readlink"
  | "chmod"
  | "utimes"
  | "statfs"
> & {
  writeFile(path: string, data: string, options: { flag: string }): Promise<void>;
  rename(from: string, to: string): Promise<void>;
};

const OPERATIONS: Record<
  string,
  (fs: Files, path: (name: string) => string, name: string) => Promise<unknown>
> = {
  readFile: (fs, path, name) => fs.readFile(path(name)),
  writeFile: (fs, path, name) => fs.writeFile(path(name), "written", { flag: "w" }),
  "writeFile r+": (fs, path, name) => fs.writeFile(path(name), "written", { flag: "r+" }),
  "writeFile a": (fs, path, name) => fs.writeFile(path(name), "written", { flag: "a" }),
  "writeFile wx": (fs, path, name) => fs.writeFile(path(name), "written", { flag: "wx" }),
  stat: (fs, path, name) => fs.stat(path(name)),
  lstat: (fs, path, name) => fs.lstat(path(name)),
  readdir: (fs, path, name) => fs.readdir(path(name)),
  mkdir: (fs, path, name) => fs.mkdir(path(name)),
  unlink: (fs, path, name) => fs.unlink(path(name)),
  rmdir: (fs, path, name) => fs.rmdir(path(name)),
  "rename from": (fs, path, name) => fs.rename(path(name), path("new")),
  "rename from, to a folder's name": (fs, path, name) => fs.rename(path(name), path("new/")),
  "rename a file onto": (fs, path, name) => fs.rename(path("other"), path(name)),
  "rename a folder onto": (fs, path, name) => fs.rename(path("other-dir"), path(name)),
  symlink: (fs, path, name) => fs.symlink("file", path(name)),
  readlink: (fs, path, name) => fs.readlink(path(name)),
  chmod: (fs, path, name) => fs.chmod(path(name), 0o700),
  utimes: (fs, path, name) => fs.utimes(path(name), 1, 2),
  statfs: (fs, path, name) => fs.statfs(path(name)),
};

function plant(root: string): void {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, "full/inner"), { recursive: true });
  mkdirSync(join(root, "dir"));
  mkdirSync(join(root, "other-dir"));
  for (const name of ["file", "full/file", "other"]) writeFileSync(join(root, name), name);
  symlinkSync("file", join(root, "to-file"));
  symlinkSync("full", join(root, "to-dir"));
  symlinkSync("made", join(root, "to-nothing"));
  symlinkSync("to-self", join(root, "to-self"));
}

const told = { time: (ms: number): string => (ms === 2000 ? "touched" : "") };

const grown = (tree: string): string => harvest(join(host.folder, tree), told).join("\n");

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "ok",
    (error: { code?: string }) => error.code ?? String(error),
  );

// "dir/." is the folder itself here (FILE-1: such components do not count), where the kernel will not have it.
const DOT = /\/\.$/;
const REFUSES_DOT = ["mkdir", "rmdir", "unlink", "symlink", /^rename/, /^writeFile/];

it.each(Object.keys(OPERATIONS))("%s gives the codes of node:fs, and leaves the same tree", async (name) => {
  const operation = OPERATIONS[name]!;
  const refusesDot = REFUSES_DOT.some((one) => (typeof one === "string" ? one === name : one.test(name)));
  const ours: Files = new Proxy(guest as unknown as Files, {
    get: (_, key: keyof Guest & keyof Files) =>
      key === "writeFile"
        ? (path: string, data: string, { flag }: { flag: string }) =>
            guest.writeFile(path, data, { flags: flag })
        : guest[key].bind(guest),
  });
  const differing: string[] = [];
  for (const path of PATHS) {
    if (DOT.test(path) && refusesDot) continue;
    plant(join(host.data, "tree"));
    plant(join(host.folder, "outside/tree"));
    const expected = await codeOf(
      operation(node, (at) => `${join(host.folder, "outside/tree")}/${at}`, path),
    );
    const found = await codeOf(operation(ours, (at) => `/data/tree/${at}`, path));
    if (found !== expected) differing.push(`${path}: ${found}, node:fs ${expected}`);
    else if (grown("data/tree") !== grown("outside/tree"))
      differing.push(`${path}: ${found}, but another tree`);
  }
  expect(differing).toEqual([]);
});
