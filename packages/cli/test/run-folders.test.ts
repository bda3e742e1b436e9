// How `ringway run` binds the policy's folders: their order, what keeps its place, and what is covered.

import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FilesRule } from "@ringway/monitor";
import { afterAll, beforeAll, expect, test } from "vitest";
import { boundFolders } from "../src/run/folders.ts";
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
