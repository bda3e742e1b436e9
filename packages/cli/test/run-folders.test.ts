// How `ringway run` binds the policy's folders: their order, what keeps its place, and what is covered.

import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FilesRule } from "@ringway/monitor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { boundFolders } from "../src/run/folders.ts";
import { unwritable } from "../src/run/unwritable.ts";
import { whoIs } from "../src/run/who.ts";

let folder: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "ringway-run-folders-")));
  mkdirSync(join(folder, "a/b/mounted/below"), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const rule = (guest: string, host: string, access: "ro" | "rw", crossMounts = false): FilesRule => ({
  id: guest,
  guest,
  host: join(folder, host),
  access,
  crossMounts,
  xattrs: [],
});
const host = (path: string): string => join(folder, path);

test("a folder inside one that is written is bound onto itself, and so are the folders on the way", () => {
  expect(boundFolders([rule("/inner", "a/b", "ro"), rule("/project", ".", "rw")], [])).toEqual([
    ...["--ro-bind", host("a/b"), "/inner"],
    ...["--bind", folder, "/project"],
    ...["--bind", host("a"), "/project/a"],
    ...["--ro-bind", host("a/b"), "/project/a/b"],
  ]);
});

test("what is mounted below is covered behind each folder that is bound, unless its own rule lets it through", () => {
  const points = [host("a/b/mounted"), host("a/b/mounted/below")];
  const covered = ["--tmpfs", "/project/a/b/mounted", "--remount-ro", "/project/a/b/mounted"];
  const [outer, inner] = [rule("/project", ".", "rw"), rule("/project/a/b", "a/b", "ro")];
  const inPlace = boundFolders([inner, outer], points);
  expect(inPlace.slice(-covered.length)).toEqual(covered);
  const ofOuter = inPlace.indexOf("--ro-bind");
  expect(inPlace.slice(ofOuter + 3, ofOuter + 3 + covered.length)).toEqual(covered);
  expect(boundFolders([{ ...inner, crossMounts: true }, outer], points)).not.toContain("--tmpfs");
});

test("a home that is no place is that of the user", () => {
  const passwd = "someone:x:1234:1234::/home/someone:/bin/sh\n";
  const homeOf = (home: string): string => whoIs(undefined, { uid: 1234, gid: 1234, home }, passwd).home;
  expect(["", "here", "//", "/home//else/"].map(homeOf)).toEqual([
    "/home/someone",
    "/home/someone",
    "/",
    "/home/else",
  ]);
});

test("a folder to be written that is another user's is told of, where its bits leave the program nothing", () => {
  const [rw, ro] = [rule("/a", "a", "rw"), rule("/b", "a/b", "ro")];
  const own = process.getuid!();
  const told = (uid: number, mode: number): string[] => {
    chmodSync(host("a"), mode);
    return unwritable([rw, ro], { uid });
  };
  expect(told(own, 0o755)).toEqual([]);
  const other = own + 4711;
  expect(told(other, 0o757)).toEqual([]);
  // By an access list, perhaps.
  expect(told(other, 0o775)).toEqual([]);
  const line = `files rule /a: the program, as user ${other}, has no right to write in ${host("a")}`;
  const who = `${own}:${process.getgid!()}`;
  expect(told(other, 0o755)).toEqual([`${line}, which is that of user ${own}; --user ${who} may`]);
});
