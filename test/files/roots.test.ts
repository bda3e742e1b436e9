// Roots that lie in each other on the host: what a change really lands on decides (FS-2; landing.ts). Nothing below a
// read-only root is changed, by whatever name a guest comes to it, and no root moves.

import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Done, Errno, fileMessages, fsMessages, StatReply } from "@ringway/control";
import { beforeAll, describe, expect, it } from "vitest";
import { errnoOf, failureOf } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { audited, type Host, startHost } from "./host.ts";
import { FileGuest, type RawStream } from "./wire.ts";

const { READ, WRITE, CREATE, TRUNCATE, EXCLUSIVE } = fileMessages.FileFlags;
const { Data, FileDirection, Read, Write, Written } = fileMessages;
const m = fsMessages;
const EBUSY = 16;

const hold = heldForAll();
let host: Host;
let guest: FileGuest;
let fs: RawStream;

const FILES = `
  - { id: config, guest: /data/config, host: ./data/config, access: ro }
  - { id: secret, guest: /secret, host: ./data/a/secret, access: ro }
  - { id: empty, guest: /empty, host: ./data/empty, access: ro }
  - { id: scratch, guest: /scratch, host: ./fixed/scratch, access: rw }
  - { id: deep, guest: /data/x/y/deep, host: ./deep, access: rw }
`;

beforeAll(async () => {
  host = hold(await startHost({ files: FILES }));
  guest = hold(await FileGuest.attach(host.path));
  fs = await guest.openFs();
  for (const folder of ["config", "a/secret"]) {
    writeFileSync(onHost(folder, "kept"), "kept", { mode: 0o640 });
    mkdirSync(onHost(folder, "folder/inner"), { recursive: true });
  }
  writeFileSync(onHost("own"), "own");
  symlinkSync("config", onHost("link"));
  symlinkSync("/data/config", onHost("link-absolute"));
  symlinkSync("config/kept", onHost("link-file"));
  symlinkSync("a/../link/folder", onHost("link-crooked"));
  symlinkSync("/secret/kept", onHost("link-secret"));
});

const onHost = (...names: string[]): string => join(host.data, ...names);

async function readFile(path: string): Promise<string> {
  const file = await guest.openFile(path, READ);
  const { data } = await file.call(Read, { bytes: 1000 }, Data);
  await file.finish();
  return Buffer.from(data).toString();
}

async function writeFile(path: string, text: string): Promise<void> {
  const file = await guest.openFile(path, WRITE | CREATE | TRUNCATE);
  await file.call(Write, { data: Buffer.from(text) }, Written);
  await file.finish();
}

const rename = (from: string, to: string): Promise<Done> => fs.call(m.Rename, { from, to }, Done);
const rmdir = (path: string): Promise<Done> => fs.call(m.Rmdir, { path }, Done);
const stat = (path: string): Promise<StatReply> => fs.call(m.Stat, { path }, StatReply);

/** All that is below a folder, with contents, modes and times of change. */
function snapshot(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
    const seen = lstatSync(join(folder, name), { bigint: true });
    const content = seen.isFile() ? readFileSync(join(folder, name), "utf8") : "";
    found[name] = `${seen.ino} ${seen.mode.toString(8)} ${seen.ctimeNs} ${content}`;
  }
  return found;
}

describe("below a read-only root within a read-write one", () => {
  const NAMES: [folder: string, file: string, rule: string][] = [
    ["/data/link", "/data/link/kept", "config"],
    ["/data/link-absolute", "/data/link-absolute/kept", "config"],
    ["/data/link-crooked/..", "/data/link-file", "config"],
    ["/data/a/secret", "/data/a/secret/kept", "secret"],
    ["/data/a/secret", "/data/link-secret", "secret"],
  ];

  it.each(NAMES)("by the name %s nothing is changed, and everything is read", async (folder, file, rule) => {
    const before = [snapshot(onHost("config")), snapshot(onHost("a/secret"))];
    const inFolder = folder.endsWith("/..") ? "/data/link-crooked" : folder;
    const victim = file === "/data/link-file" || file === "/data/link-secret" ? undefined : file;
    const time = { seconds: 0, nanoseconds: 0 };
    const attempts: [string, () => Promise<unknown>][] = [
      ["open to write", () => guest.openFile(file, WRITE)],
      ["open to read and write", () => guest.openFile(file, READ | WRITE)],
      ["truncate", () => guest.openFile(file, WRITE | TRUNCATE)],
      ["create", () => guest.openFile(`${inFolder}/new`, WRITE | CREATE)],
      ["create anew", () => guest.openFile(`${inFolder}/new`, WRITE | CREATE | EXCLUSIVE)],
      ["stream", () => guest.openFileStream({ path: file, direction: FileDirection.WRITE, flags: WRITE })],
      ["chmod", () => fs.call(m.Chmod, { path: file, mode: 0o777 }, Done)],
      ["chmod the folder", () => fs.call(m.Chmod, { path: inFolder, mode: 0o777 }, Done)],
      ["utimes", () => fs.call(m.Utimes, { path: file, accessed: time, modified: time }, Done)],
      ["mkdir", () => fs.call(m.Mkdir, { path: `${inFolder}/new`, mode: 0o755, parents: false }, Done)],
      ["mkdir -p", () => fs.call(m.Mkdir, { path: `${inFolder}/new/new`, mode: 0o755, parents: true }, Done)],
      ["symlink", () => fs.call(m.Symlink, { target: "x", path: `${inFolder}/new` }, Done)],
      ["rename into", () => rename("/data/own", `${inFolder}/own`)],
    ];
    if (victim !== undefined) {
      attempts.push(
        ["unlink", () => fs.call(m.Unlink, { path: victim }, Done)],
        ["rename", () => rename(victim, "/data/taken")],
        ["rename onto", () => rename("/data/own", victim)],
        ["rmdir", () => rmdir(`${folder}/folder/inner`)],
      );
    }
    for (const [what, attempt] of attempts) {
      expect(await failureOf(attempt()), what).toMatchObject({ errno: Errno.EROFS, rule });
    }
    expect([snapshot(onHost("config")), snapshot(onHost("a/secret"))]).toEqual(before);
    expect(await readFile(file)).toBe("kept");
    expect((await fs.readDir(inFolder)).names).not.toEqual([]);
    expect(await audited(host, file)).toMatchObject({ rule, errno: Errno.EROFS });
    // Beside it, the outer root is what it was.
    await writeFile("/data/beside", "written");
    expect(readFileSync(onHost("beside"), "utf8")).toBe("written");
  });

  it("a folder that has it inside is not renamed, nor is it", async () => {
    for (const [from, to, rule] of [
      ["/data/a", "/data/b", "secret"],
      ["/data/a/secret", "/data/taken", "secret"],
      ["/data/empty", "/data/taken", "empty"],
    ] as const) {
      const failure = await failureOf(rename(from, to));
      expect(failure, from).toMatchObject({ errno: Errno.EACCES, rule });
      expect(failure!.message).toContain("the folder of rule");
    }
    mkdirSync(onHost("replacement"));
    expect(await failureOf(rename("/data/replacement", "/data/empty"))).toMatchObject({ rule: "empty" });
    expect(await failureOf(rmdir("/data/empty"))).toMatchObject({ errno: Errno.EACCES, rule: "empty" });
    for (const name of ["a/secret/kept", "empty", "replacement"]) expect(existsSync(onHost(name))).toBe(true);
    // What has no root inside moves as before.
    mkdirSync(onHost("free/inner"), { recursive: true });
    await rename("/data/free", "/data/moved");
    expect(existsSync(onHost("moved/inner"))).toBe(true);
    expect(await errnoOf(rename("/data/config", "/data/taken"))).toBe(Errno.EROFS);
    expect(await errnoOf(rmdir("/scratch"))).toBe(EBUSY);
  });
});

it("a read-write root within a read-only one is written by its own name alone", async () => {
  await writeFile("/scratch/file", "scratch");
  expect(readFileSync(join(host.fixed, "scratch/file"), "utf8")).toBe("scratch");
  expect(await readFile("/fixed/scratch/file")).toBe("scratch");
  expect(await failureOf(guest.openFile("/fixed/scratch/file", WRITE))).toMatchObject({ rule: "fixed" });
  symlinkSync("/fixed/scratch/file", onHost("to-scratch"));
  expect(await failureOf(guest.openFile("/data/to-scratch", WRITE))).toMatchObject({ rule: "fixed" });
});

describe("a symbolic link is followed as the guest sees its tree", () => {
  it("an absolute one from the guest's own top, and across roots", async () => {
    writeFileSync(join(host.other, "there"), "over there");
    await fs.call(m.Symlink, { target: "/data/own", path: "/data/to-own" }, Done);
    await fs.call(m.Symlink, { target: "/other/there", path: "/data/to-other" }, Done);
    await fs.call(m.Symlink, { target: "../../other/./there", path: "/data/moved/up" }, Done);
    await fs.call(m.Symlink, { target: "/data/to-other", path: "/data/to-to-other" }, Done);
    await fs.call(m.Symlink, { target: "/other", path: "/data/other-folder" }, Done);
    expect(await readFile("/data/to-own")).toBe("own");
    for (const name of ["to-other", "moved/up", "to-to-other", "other-folder/there"]) {
      expect(await readFile(`/data/${name}`), name).toBe("over there");
    }
    await writeFile("/data/to-other", "written");
    expect(readFileSync(join(host.other, "there"), "utf8")).toBe("written");
    await fs.call(m.Mkdir, { path: "/data/other-folder/made/in", mode: 0o755, parents: true }, Done);
    expect(existsSync(join(host.other, "made/in"))).toBe(true);
    // Names in two roots, by whatever path, do not change places.
    expect(await failureOf(rename("/data/own", "/data/other-folder/own"))).toMatchObject({
      errno: Errno.EXDEV,
      rule: "",
    });
    await rename("/data/other-folder/there", "/other/here");
    expect(existsSync(join(host.other, "here"))).toBe(true);
  });

  it("to a root that lies deeper in the guest's tree than anything on the host", async () => {
    writeFileSync(join(host.folder, "deep/file"), "deep");
    symlinkSync("x/y/deep/file", onHost("to-deep"));
    symlinkSync("x/y/deep/../../../own", onHost("through-deep"));
    expect(await readFile("/data/x/y/deep/file")).toBe("deep");
    expect(await readFile("/data/to-deep")).toBe("deep");
    // /data/x/y is nowhere on the host.
    expect(await errnoOf(guest.openFile("/data/through-deep", READ))).toBe(Errno.ENOENT);
    mkdirSync(onHost("x/y"), { recursive: true });
    expect(await readFile("/data/through-deep")).toBe("own");
  });

  it("a dangling one makes its target, where that is the guest's to make", async () => {
    await fs.call(m.Symlink, { target: "/data/made-by-link", path: "/data/dangling" }, Done);
    await writeFile("/data/dangling", "made");
    expect(readFileSync(onHost("made-by-link"), "utf8")).toBe("made");
    await fs.call(m.Symlink, { target: "link/new", path: "/data/dangling-ro" }, Done);
    expect(await failureOf(guest.openFile("/data/dangling-ro", WRITE | CREATE))).toMatchObject({
      errno: Errno.EROFS,
      rule: "config",
    });
    await fs.call(m.Symlink, { target: "/nowhere/new", path: "/data/dangling-out" }, Done);
    expect(await failureOf(guest.openFile("/data/dangling-out", WRITE | CREATE))).toMatchObject({
      errno: Errno.EXDEV,
      rule: "beneath",
    });
  });

  it("to more names than a path may have is ELOOP, within a moment", async () => {
    mkdirSync(onHost("turn"));
    for (let i = 0; i < 39; i++) {
      symlinkSync(`${"turn/../".repeat(500)}loop-${i + 1}`, onHost(`loop-${i}`));
    }
    writeFileSync(onHost("loop-39"), "");
    expect(await errnoOf(stat("/data/loop-0"))).toBe(Errno.ELOOP);
    expect(await errnoOf(stat("/data/loop-36"))).toBe(0);
    expect(readlinkSync(onHost("loop-0"))).toHaveLength(4006);
  });
});

describe("a file of two names", () => {
  it("is not changed where another root of its file system is read-only, and may be read, renamed and removed", async () => {
    linkSync(onHost("config/kept"), onHost("second"));
    const before = snapshot(onHost("config")).kept;
    const time = { seconds: 0, nanoseconds: 0 };
    for (const attempt of [
      () => guest.openFile("/data/second", WRITE),
      () => guest.openFile("/data/second", WRITE | TRUNCATE),
      () => guest.openFileStream({ path: "/data/second", direction: FileDirection.WRITE, flags: WRITE }),
      () => fs.call(m.Chmod, { path: "/data/second", mode: 0o777 }, Done),
      () => fs.call(m.Utimes, { path: "/data/second", accessed: time, modified: time }, Done),
    ]) {
      expect(await failureOf(attempt())).toMatchObject({ errno: Errno.EACCES, rule: "links" });
    }
    expect(snapshot(onHost("config")).kept).toBe(before);
    expect(await readFile("/data/second")).toBe("kept");
    await rename("/data/second", "/data/third");
    await fs.call(m.Unlink, { path: "/data/third" }, Done);
    expect(readFileSync(onHost("config/kept"), "utf8")).toBe("kept");
  });

  it("is changed as any other where no root is read-only", async () => {
    await using plain = await startHost();
    await plain.monitor.reload({
      ...plain.policy,
      files: plain.policy.files.filter(({ access }) => access === "rw"),
    });
    using other = await FileGuest.attach(plain.path);
    writeFileSync(join(plain.data, "one"), "one");
    linkSync(join(plain.data, "one"), join(plain.data, "two"));
    const file = await other.openFile("/data/two", WRITE);
    await file.call(Write, { data: Buffer.from("two") }, Written);
    await file.finish();
    expect(readFileSync(join(plain.data, "one"), "utf8")).toBe("two");
  });
});
