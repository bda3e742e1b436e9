// fs (PROTOCOL.md section 15): names, folders and links.

import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Done, Errno, FileKind, fsMessages, StatReply } from "@ringway/control";
import { Guest } from "@ringway/guest";
import { beforeAll, describe, expect, it } from "vitest";
import { errnoOf, failureOf } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { descriptors } from "../support/processes.ts";
import { StreamGone } from "../support/raw-guest.ts";
import { until } from "../support/wait.ts";
import { audited, type Host, startHost } from "./host.ts";
import { FileGuest, type RawStream } from "./wire.ts";

const m = fsMessages;
const EEXIST = 17;
const EBUSY = 16;

const hold = heldForAll();
let host: Host;
let guest: FileGuest;
let fs: RawStream;

beforeAll(async () => {
  host = hold(await startHost());
  guest = hold(await FileGuest.attach(host.path));
  fs = await guest.openFs();
});

const onHost = (name: string): string => join(host.data, name);
const stat = (path: string): Promise<StatReply> => fs.call(m.Stat, { path }, StatReply);
const lstat = (path: string): Promise<StatReply> => fs.call(m.Lstat, { path }, StatReply);
const mkdir = (path: string, parents = false, mode = 0o755): Promise<Done> =>
  fs.call(m.Mkdir, { path, parents, mode }, Done);
const unlink = (path: string): Promise<Done> => fs.call(m.Unlink, { path }, Done);
const rmdir = (path: string): Promise<Done> => fs.call(m.Rmdir, { path }, Done);
const rename = (from: string, to: string): Promise<Done> => fs.call(m.Rename, { from, to }, Done);
const symlink = (target: string, path: string): Promise<Done> => fs.call(m.Symlink, { target, path }, Done);
const readlink = async (path: string): Promise<string> =>
  (await fs.call(m.Readlink, { path }, m.Target)).target;
const chmod = (path: string, mode: number): Promise<Done> => fs.call(m.Chmod, { path, mode }, Done);

describe("Stat and Lstat", () => {
  it("tell of files, folders, links and others", async () => {
    writeFileSync(onHost("file"), "12345", { mode: 0o640 });
    symlinkSync("file", onHost("link"));
    execFileSync("mkfifo", [onHost("fifo")]);
    const real = statSync(onHost("file"));
    expect(await stat("/data/file")).toMatchObject({
      kind: FileKind.FILE,
      mode: 0o640,
      links: 1,
      size: 5,
      uid: real.uid,
      gid: real.gid,
      inode: real.ino,
      blocks: real.blocks,
    });
    expect(await stat("/data/link")).toMatchObject({ kind: FileKind.FILE, size: 5 });
    expect(await lstat("/data/link")).toMatchObject({ kind: FileKind.SYMLINK, size: 4 });
    expect(await stat("/data")).toMatchObject({ kind: FileKind.DIRECTORY });
    expect(await lstat("/data/")).toMatchObject({ kind: FileKind.DIRECTORY });
    expect(await stat("/data/fifo")).toMatchObject({ kind: FileKind.OTHER });
    expect(await errnoOf(stat("/data/none"))).toBe(Errno.ENOENT);
    expect(await errnoOf(lstat("/data/none"))).toBe(Errno.ENOENT);
    expect(await errnoOf(stat("/data/file/x"))).toBe(Errno.ENOTDIR);
    expect(await failureOf(stat("/"))).toMatchObject({ errno: Errno.EACCES, rule: "default" });
  });
});

describe("ReadDir", () => {
  it("of an empty folder is one empty frame", async () => {
    mkdirSync(onHost("empty"));
    expect(await fs.readDir("/data/empty")).toEqual({ names: [], kinds: [], skipped: 0, frames: 1 });
  });

  it("tells kinds", async () => {
    mkdirSync(onHost("kinds/folder"), { recursive: true });
    writeFileSync(onHost("kinds/file"), "");
    symlinkSync("nowhere", onHost("kinds/link"));
    execFileSync("mkfifo", [onHost("kinds/fifo")]);
    const { names, kinds } = await fs.readDir("/data/kinds");
    const found = Object.fromEntries(names.map((name, i) => [name, kinds[i]]));
    expect(found).toEqual({
      folder: FileKind.DIRECTORY,
      file: FileKind.FILE,
      link: FileKind.SYMLINK,
      fifo: FileKind.OTHER,
    });
  });

  it.each([4096, 65536])(
    "of 5000 entries comes in many frames, through rings of %i bytes",
    async (ringBytes) => {
      const folder = onHost(`long-${ringBytes}`);
      mkdirSync(folder);
      const names = Array.from({ length: 5000 }, (_, i) => `${i}-`.padEnd(8 + ((i * 31) % 240), "x"));
      for (const name of names) writeFileSync(join(folder, name), "");
      const stream = await guest.openFs(ringBytes);
      const before = descriptors();
      const listing = await stream.readDir(`/data/long-${ringBytes}`);
      expect(listing.names.sort()).toEqual(names.sort());
      expect(listing.frames).toBeGreaterThan(30);
      expect(listing.skipped).toBe(0);
      await until("the folder is closed", () => descriptors() <= before);
      await stream.finish();
    },
  );

  it("counts names that are not UTF-8", async () => {
    const folder = onHost("latin1");
    mkdirSync(folder);
    writeFileSync(Buffer.from(`${folder}/caf\xe9`, "latin1"), "");
    writeFileSync(Buffer.from(`${folder}/\xff\xfe`, "latin1"), "");
    writeFileSync(join(folder, "café 🌍"), "");
    const { names, skipped } = await fs.readDir("/data/latin1");
    expect(names).toEqual(["café 🌍"]);
    expect(skipped).toBe(2);
  });

  it("gives the folder back when the guest gives the listing up", async () => {
    const folder = onHost("given-up");
    mkdirSync(folder);
    for (let i = 0; i < 500; i++) writeFileSync(join(folder, `${i}-`.padEnd(200, "x")), "");
    const before = descriptors();
    for (let i = 0; i < 30; i++) {
      const stream = await guest.openFs(4096);
      stream.post(m.ReadDir, { path: "/data/given-up" });
      if (i % 2 === 0) await stream.next();
      if (i % 3 === 0) await until("it waits for room", () => stream.pipe.toGuest.readable() > 3000);
      stream.reset();
    }
    // An open listing counts as an open file, and none is left.
    await until("all folders are closed", () => descriptors() <= before);
    for (let i = 0; i < 20; i++) expect((await fs.readDir("/data/given-up")).names.length).toBe(500);
  });

  it("of what is no folder, or not there, or a link", async () => {
    expect(await errnoOf(fs.readDir("/data/file"))).toBe(Errno.ENOTDIR);
    expect(await errnoOf(fs.readDir("/data/none"))).toBe(Errno.ENOENT);
    symlinkSync("kinds", onHost("to-kinds"));
    expect((await fs.readDir("/data/to-kinds")).names.length).toBe(4);
  });
});

describe("Mkdir", () => {
  it("makes one, with parents all of them, and says what is there", async () => {
    await mkdir("/data/made");
    expect(statSync(onHost("made")).isDirectory()).toBe(true);
    expect(await errnoOf(mkdir("/data/made"))).toBe(EEXIST);
    await mkdir("/data/made", true);
    expect(await errnoOf(mkdir("/data/made/a/b"))).toBe(Errno.ENOENT);
    await mkdir("/data/made/a/b/c", true, 0o700);
    expect(statSync(onHost("made/a/b/c")).mode & 0o777).toBe(0o700);
    await mkdir("/data", true);
    expect(await errnoOf(mkdir("/data"))).toBe(EEXIST);
  });

  it("through a file is ENOTDIR, onto one EEXIST", async () => {
    writeFileSync(onHost("plain"), "");
    expect(await errnoOf(mkdir("/data/plain/a"))).toBe(Errno.ENOTDIR);
    expect(await errnoOf(mkdir("/data/plain/a/b", true))).toBe(Errno.ENOTDIR);
    expect(await errnoOf(mkdir("/data/plain", true))).toBe(EEXIST);
    symlinkSync("made", onHost("to-made"));
    await mkdir("/data/to-made/via", true);
    expect(existsSync(onHost("made/via"))).toBe(true);
  });

  it("takes 0o777 at most", async () => {
    for (const mode of [0o1000, 0o2777, 0o4755, 0xffffffff]) {
      expect(await errnoOf(mkdir("/data/set-id", false, mode))).toBe(Errno.EPERM);
    }
    expect(existsSync(onHost("set-id"))).toBe(false);
  });
});

describe("Unlink, Rmdir and Rename", () => {
  it("remove what they are for", async () => {
    writeFileSync(onHost("gone"), "");
    symlinkSync("gone", onHost("gone-link"));
    mkdirSync(onHost("full/inner"), { recursive: true });
    await unlink("/data/gone-link");
    expect(existsSync(onHost("gone"))).toBe(true);
    await unlink("/data/gone");
    expect(existsSync(onHost("gone"))).toBe(false);
    expect(await errnoOf(unlink("/data/gone"))).toBe(Errno.ENOENT);
    expect(await errnoOf(unlink("/data/full"))).toBe(Errno.EISDIR);
    expect(await errnoOf(rmdir("/data/file"))).toBe(Errno.ENOTDIR);
    expect(await errnoOf(rmdir("/data/full"))).toBe(Errno.ENOTEMPTY);
    await rmdir("/data/full/inner");
    await rmdir("/data/full");
    expect(await errnoOf(rmdir("/data/full"))).toBe(Errno.ENOENT);
    expect(await errnoOf(rmdir("/data"))).toBe(EBUSY);
    expect(await errnoOf(unlink("/data"))).toBe(EBUSY);
  });

  it("rename: to another name, onto a file, onto folders", async () => {
    writeFileSync(onHost("from"), "from");
    writeFileSync(onHost("onto"), "onto");
    mkdirSync(onHost("dir-empty"));
    mkdirSync(onHost("dir-full/x"), { recursive: true });
    await rename("/data/from", "/data/moved");
    await rename("/data/moved", "/data/onto");
    expect(readFileSync(onHost("onto"), "utf8")).toBe("from");
    expect(await errnoOf(rename("/data/from", "/data/x"))).toBe(Errno.ENOENT);
    expect(await errnoOf(rename("/data/onto", "/data/dir-empty"))).toBe(Errno.EISDIR);
    expect(await errnoOf(rename("/data/dir-empty", "/data/onto"))).toBe(Errno.ENOTDIR);
    expect(await errnoOf(rename("/data/dir-empty", "/data/dir-full"))).toBe(Errno.ENOTEMPTY);
    expect(await errnoOf(rename("/data/dir-full", "/data/dir-full/x/y"))).toBe(Errno.EINVAL);
    await rename("/data/dir-full", "/data/dir-empty");
    expect(readdirSync(onHost("dir-empty"))).toEqual(["x"]);
    await rename("/data/onto", "/data/dir-empty/inside");
    expect(existsSync(onHost("dir-empty/inside"))).toBe(true);
    expect(await errnoOf(rename("/data", "/data/x"))).toBe(EBUSY);
  });

  it("rename between two roots is EXDEV, and no refusal", async () => {
    host.refusals.length = 0;
    writeFileSync(onHost("stays"), "");
    const failure = await failureOf(rename("/data/stays", "/other/stays"));
    expect(failure).toMatchObject({ errno: Errno.EXDEV, rule: "" });
    expect(await errnoOf(rename("/data/stays", "/fixed/stays"))).toBe(Errno.EROFS);
    expect(host.refusals.every(({ errno }) => errno === Errno.EROFS)).toBe(true);
    expect(existsSync(onHost("stays"))).toBe(true);
  });
});

describe("Symlink and Readlink", () => {
  it("keep any target as it is", async () => {
    const targets = ["file", "../../outside", "/etc/passwd", "no such place", "é🌍", "x".repeat(4000)];
    for (const [i, target] of targets.entries()) {
      await symlink(target, `/data/target-${i}`);
      expect(readlinkSync(onHost(`target-${i}`))).toBe(target);
      expect(await readlink(`/data/target-${i}`)).toBe(target);
    }
    expect(await errnoOf(symlink("", "/data/target-empty"))).toBe(Errno.ENOENT);
    expect(await errnoOf(symlink("x", "/data/file"))).toBe(EEXIST);
    expect(await errnoOf(readlink("/data/file"))).toBe(Errno.EINVAL);
    expect(await errnoOf(readlink("/data"))).toBe(Errno.EINVAL);
    expect(await errnoOf(readlink("/data/none"))).toBe(Errno.ENOENT);
    symlinkSync(Buffer.from("caf\xe9", "latin1"), onHost("target-latin1"));
    expect(await errnoOf(readlink("/data/target-latin1"))).toBe(Errno.EILSEQ);
  });

  it("a target that does not fit the guest's ring is an error, not the end", async () => {
    // With the file system's largest target.
    symlinkSync("y".repeat(4095), onHost("largest"));
    expect(await readlink("/data/largest")).toBe("y".repeat(4095));
    const small = await guest.openFs(4096);
    const work = small.call(m.Readlink, { path: "/data/largest" }, m.Target);
    expect(await errnoOf(work)).toBe(Errno.EOVERFLOW);
    expect((await small.call(m.Readlink, { path: "/data/link" }, m.Target)).target).toBe("file");
    await small.finish();
  });
});

describe("Chmod, Utimes and Statfs", () => {
  it("chmod: permissions, through a link, and never set-id", async () => {
    writeFileSync(onHost("perms"), "");
    symlinkSync("perms", onHost("to-perms"));
    await chmod("/data/perms", 0o600);
    expect(statSync(onHost("perms")).mode & 0o7777).toBe(0o600);
    await chmod("/data/to-perms", 0o777);
    expect(statSync(onHost("perms")).mode & 0o7777).toBe(0o777);
    for (const mode of [0o4755, 0o2755, 0o1755, 0x8000]) {
      expect(await errnoOf(chmod("/data/perms", mode))).toBe(Errno.EPERM);
    }
    expect(statSync(onHost("perms")).mode & 0o7777).toBe(0o777);
    expect(await errnoOf(chmod("/data/none", 0o600))).toBe(Errno.ENOENT);
  });

  it("utimes: to the nanosecond, before 1970, and no magic numbers", async () => {
    writeFileSync(onHost("times"), "");
    const utimes = (accessed: [number, number], modified: [number, number]): Promise<Done> => {
      const [a, b] = [accessed, modified].map(([seconds, nanoseconds]) => ({ seconds, nanoseconds }));
      return fs.call(m.Utimes, { path: "/data/times", accessed: a!, modified: b! }, Done);
    };
    await utimes([1_000_000_000, 123_456_789], [-1, 999_999_999]);
    const { accessed, modified } = await stat("/data/times");
    expect(accessed).toEqual({ seconds: 1_000_000_000, nanoseconds: 123_456_789 });
    expect(modified).toEqual({ seconds: -1, nanoseconds: 999_999_999 });
    // UTIME_NOW, UTIME_OMIT, and just too many.
    for (const nanoseconds of [0x3fffffff, 0x3ffffffe, 1_000_000_000, 0xffffffff]) {
      expect(await errnoOf(utimes([0, nanoseconds], [0, 0]))).toBe(Errno.EINVAL);
      expect(await errnoOf(utimes([0, 0], [0, nanoseconds]))).toBe(Errno.EINVAL);
    }
    expect((await stat("/data/times")).accessed).toEqual(accessed);
    // What the file system cannot hold it clamps; the answer stays within the wire's bounds.
    await utimes([Number.MAX_SAFE_INTEGER, 0], [Number.MIN_SAFE_INTEGER, 0]);
    expect((await stat("/data/times")).accessed.seconds).toBeGreaterThan(0);
  });

  it("statfs tells of the file system", async () => {
    const reply = await fs.call(m.Statfs, { path: "/data" }, m.StatfsReply);
    expect(reply.blockBytes).toBeGreaterThan(0);
    expect(reply.blocks).toBeGreaterThanOrEqual(reply.blocksFree);
    expect(reply.nameMaxBytes).toBe(255);
    expect(await errnoOf(fs.call(m.Statfs, { path: "/data/none" }, m.StatfsReply))).toBe(Errno.ENOENT);
  });
});

describe("a read-only root", () => {
  it("refuses every change with EROFS, its rule and an audit line, and changes nothing", async () => {
    writeFileSync(join(host.fixed, "kept"), "kept", { mode: 0o644 });
    mkdirSync(join(host.fixed, "kept-folder"));
    symlinkSync("kept", join(host.fixed, "kept-link"));
    const time = { seconds: 0, nanoseconds: 0 };
    const attempts: [string, () => Promise<unknown>][] = [
      ["/fixed/new", () => mkdir("/fixed/new")],
      ["/fixed/new/deep", () => mkdir("/fixed/new/deep", true)],
      ["/fixed/kept", () => unlink("/fixed/kept")],
      ["/fixed/kept-folder", () => rmdir("/fixed/kept-folder")],
      ["/fixed/kept", () => rename("/fixed/kept", "/fixed/moved")],
      ["/fixed/kept", () => rename("/data/stays", "/fixed/kept")],
      ["/fixed/kept", () => rename("/fixed/kept", "/data/taken")],
      ["/fixed/link", () => symlink("x", "/fixed/link")],
      ["/fixed/kept", () => chmod("/fixed/kept", 0o777)],
      ["/fixed/kept", () => fs.call(m.Utimes, { path: "/fixed/kept", accessed: time, modified: time }, Done)],
    ];
    for (const [what, attempt] of attempts) {
      expect(await failureOf(attempt()), what).toMatchObject({ errno: Errno.EROFS, rule: "fixed" });
      expect(await audited(host, what)).toMatchObject({
        protocol: "fs",
        what,
        rule: "fixed",
        errno: Errno.EROFS,
      });
    }
    expect(readdirSync(host.fixed).sort()).toEqual(["kept", "kept-folder", "kept-link"]);
    expect(lstatSync(join(host.fixed, "kept")).mode & 0o777).toBe(0o644);
    expect(await stat("/fixed/kept")).toMatchObject({ size: 4 });
    expect(await readlink("/fixed/kept-link")).toBe("kept");
    expect((await fs.readDir("/fixed")).names.length).toBe(3);
  });
});

describe("requests", () => {
  it("are answered in order however many are sent at once", async () => {
    const stream = await guest.openFs(256 * 1024);
    const ids: number[] = [];
    for (let i = 0; i < 1000; i++) {
      if (i % 2 === 0)
        ids.push(stream.post(m.Mkdir, { path: `/data/many-${i}`, mode: 0o755, parents: false }));
      else ids.push(stream.post(m.Rmdir, { path: `/data/many-${i - 1}` }));
    }
    for (const id of ids) await stream.reply(Done, id);
    expect(readdirSync(host.data).some((name) => name.startsWith("many-"))).toBe(false);
    await stream.finish();
  });

  it("of an unknown type are ENOSYS; a malformed one is a violation", async () => {
    const stream = await guest.openFs();
    expect(await errnoOf(stream.reply(Done, stream.postBytes(0x06ff, new Uint8Array(3))))).toBe(Errno.ENOSYS);
    expect(await errnoOf(stream.reply(Done, stream.postBytes(0x0401, new Uint8Array(4))))).toBe(Errno.ENOSYS);
    stream.postBytes(m.Stat.type, new Uint8Array([255, 255, 255, 255]));
    await expect(stream.next()).rejects.toMatchObject({ closed: 2 });
    stream.let();
    const nul = await guest.openFs();
    nul.postBytes(m.Stat.type, new Uint8Array([3, 0, 0, 0, 47, 0, 120]));
    await expect(nul.next()).rejects.toThrow(StreamGone);
    nul.let();
  });

  it("hide the rule and the reason where the policy says so", async () => {
    await using quiet = await startHost({ refusals: "hide" });
    using other = await FileGuest.attach(quiet.path);
    const stream = await other.openFs();
    const failure = await failureOf(stream.call(m.Unlink, { path: "/fixed/x" }, Done));
    expect(failure).toMatchObject({
      errno: Errno.EROFS,
      rule: "",
      message: `errno ${Errno.EROFS}, rule "": `,
    });
    await until("audit", () => quiet.refusals.length === 1);
    expect(quiet.refusals[0]!.rule).toBe("fixed");
  });
});

it("the SDK's calls do the same as node:fs", async () => {
  await using sdk = await Guest.attach(host.path);
  await sdk.mkdir("/data/sdk/deep", { recursive: true });
  await sdk.writeFile("/data/sdk/a", "text");
  expect(await sdk.readFile("/data/sdk/a", "utf8")).toBe("text");
  await sdk.appendFile("/data/sdk/a", " and more");
  await sdk.rename("/data/sdk/a", "/data/sdk/b");
  await sdk.symlink("b", "/data/sdk/c");
  expect(await sdk.readlink("/data/sdk/c")).toBe("b");
  expect((await sdk.readdir("/data/sdk")).sort()).toEqual(["b", "c", "deep"]);
  expect((await sdk.stat("/data/sdk/c")).size).toBe(13);
  expect((await sdk.lstat("/data/sdk/c")).isSymbolicLink()).toBe(true);
  await sdk.chmod("/data/sdk/b", 0o600);
  await sdk.utimes("/data/sdk/b", 1, 2);
  expect(statSync(onHost("sdk/b"))).toMatchObject({ atimeMs: 1000, mtimeMs: 2000 });
  await expect(sdk.unlink("/fixed/kept")).rejects.toMatchObject({ code: "EROFS", rule: "fixed" });
  await expect(sdk.stat("/data/none")).rejects.toMatchObject({ code: "ENOENT", errno: -2 });
  await sdk.unlink("/data/sdk/c");
  await sdk.rmdir("/data/sdk/deep");
});
