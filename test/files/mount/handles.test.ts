// A mount's handles: opened, read, written, listed, told of, and given back (PROTOCOL.md section 19).

import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Done, Errno, fileMessages, mountMessages as m } from "@ringway/control";
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { errnoOf, failureOf } from "../../support/declined.ts";
import { heldForAll, heldForEach } from "../../support/held.ts";
import { until } from "../../support/wait.ts";
import { audited, type Host, startHost } from "../host.ts";
import { FileGuest } from "../wire.ts";
import {
  bytes,
  CREATE,
  EXCLUSIVE,
  emptyFolders,
  FOLDER,
  NO_FOLLOW,
  RawMount,
  READ,
  TRUNCATE,
  WRITE,
} from "./wire.ts";

const holdForAll = heldForAll();
const hold = heldForEach();
let host: Host;
let guest: FileGuest;
let mount: RawMount;

beforeAll(async () => {
  host = holdForAll(await startHost({ limits: { openFiles: 20 } }));
});
beforeEach(async () => {
  emptyFolders(host);
  guest = hold(await FileGuest.attach(host.path));
  mount = await RawMount.open(guest);
});

describe("a mount", () => {
  it("opens a folder and tells what it is, and how much of it at once", async () => {
    const { ino, mtimeMs } = statSync(host.data);
    const { handles, requests, kind, inodeLow, modified } = mount.opened;
    expect({ handles, requests, kind, inodeLow }).toEqual({
      handles: 20,
      requests: 64,
      kind: 2,
      inodeLow: ino % 2 ** 32,
    });
    expect(modified.seconds).toBe(Math.floor(mtimeMs / 1000));
  });

  it("of a file is ENOTDIR, of what no rule covers EACCES with an audit line, of a relative path EINVAL", async () => {
    writeFileSync(join(host.data, "file"), "");
    expect(await errnoOf(RawMount.open(guest, "/data/file"))).toBe(Errno.ENOTDIR);
    expect(await failureOf(RawMount.open(guest, "/elsewhere"))).toMatchObject({
      errno: Errno.EACCES,
      rule: "default",
    });
    expect(await audited(host, "/elsewhere")).toMatchObject({ protocol: "mount", rule: "default" });
    expect(await errnoOf(RawMount.open(guest, "data"))).toBe(Errno.EINVAL);
    expect(await errnoOf(RawMount.open(guest, "/data/../data"))).toBe(Errno.EACCES);
    expect(await errnoOf(RawMount.open(guest, "/data/absent"))).toBe(Errno.ENOENT);
  });

  it("of / shows all that the policy gives, and nobody changes what lies above the roots", async () => {
    const all = await RawMount.open(guest, "/");
    expect(all.opened).toMatchObject({ kind: 2, mode: 0o555, links: 2, device: 0 });
    const root = await all.folder("");
    const { names } = await all.names(root);
    expect(names.map(String).sort()).toEqual(["data", "fixed", "other"]);
    const entries = await all.entries(root, 2);
    const own = entries.find(({ name }) => String(Buffer.from(name)) === "data")!;
    expect(own.inodeLow).toBe(statSync(host.data).ino % 2 ** 32);
    writeFileSync(join(host.data, "file"), "hello");
    const file = await all.handle("data/file");
    expect((await all.read(file, 0, 100)).toString()).toBe("hello");
    const mkdir = { at: root, mode: 0o755, path: bytes("new") };
    expect(await failureOf(all.call(m.MountMkdir, mkdir, m.MountAttributes))).toMatchObject({
      errno: Errno.EACCES,
      rule: "default",
    });
    expect(await errnoOf(all.call(m.MountRmdir, { at: root, path: bytes("data") }, Done))).toBe(Errno.EBUSY);
    await all.release(root);
    await all.stream.finish();
  });
});

describe("a handle", () => {
  it("reads and writes at offsets, with as many requests at once as it takes", async () => {
    const content = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 251));
    const file = await mount.handle("file", READ | WRITE | CREATE);
    const writes: number[] = [];
    for (let at = 0; at < content.length; at += 10_000) {
      const data = content.subarray(at, at + 10_000);
      writes.push(await mount.stream.send(m.MountWrite, { handle: file, flags: 0, offset: at, data }));
    }
    for (const id of writes) expect((await mount.reply(fileMessages.Written, id)).bytes).toBe(10_000);
    expect(readFileSync(join(host.data, "file")).equals(content)).toBe(true);
    const reads: [number, number][] = [];
    for (let at = 0; at < content.length + 10_000; at += 7000) {
      reads.push([at, await mount.stream.send(m.MountRead, { handle: file, offset: at, bytes: 7000 })]);
    }
    for (const [at, id] of reads.reverse()) {
      const { data } = await mount.reply(fileMessages.Data, id);
      expect(Buffer.from(data).equals(content.subarray(at, at + 7000))).toBe(true);
    }
  });

  it("reads all that is asked for at each place of the ring: around its end, too, and where it is full", async () => {
    const content = Buffer.from(Array.from({ length: 50_000 }, (_, i) => (i * 7) % 251));
    writeFileSync(join(host.data, "file"), content);
    const small = await RawMount.open(guest, "/data", 8192);
    const file = await small.handle("file");
    for (let round = 0; round < 8; round++) {
      const reads: [number, number, number][] = [];
      for (let i = 0; i < 40; i++) {
        // Of odd sizes, so that the answers come to lie everywhere.
        const offset = (round * 5003 + i * 997) % 45_000;
        const count = i === 20 ? 0 : ((round * 40 + i) * 379) % 3001;
        reads.push([
          offset,
          count,
          await small.stream.send(m.MountRead, { handle: file, offset, bytes: count }),
        ]);
      }
      for (const [offset, count, id] of reads) {
        const { data } = await small.reply(fileMessages.Data, id);
        expect(Buffer.from(data).equals(content.subarray(offset, offset + count))).toBe(true);
      }
    }
    await small.stream.finish();
  });

  it("appends in one piece wherever the end is", async () => {
    writeFileSync(join(host.data, "log"), "one");
    const file = await mount.handle("log", WRITE);
    expect(await mount.write(file, 0, "two", 1)).toBe(3);
    writeFileSync(join(host.data, "log"), "three", { flag: "a" });
    expect(await mount.write(file, 0, "four", 1)).toBe(4);
    expect(readFileSync(join(host.data, "log"), "utf8")).toBe("onetwothreefour");
    expect(await errnoOf(mount.write(file, 5, "x", 1))).toBe(Errno.EINVAL);
  });

  it("is for what it was opened for alone", async () => {
    writeFileSync(join(host.data, "file"), "hello");
    const [reader, writer] = [await mount.handle("file", READ), await mount.handle("file", WRITE)];
    const folder = await mount.folder("");
    expect(await errnoOf(mount.write(reader, 0, "x"))).toBe(Errno.EBADF);
    expect(await errnoOf(mount.read(writer, 0, 1))).toBe(Errno.EBADF);
    expect(await errnoOf(mount.read(folder, 0, 1))).toBe(Errno.EISDIR);
    expect(await errnoOf(mount.names(reader))).toBe(Errno.ENOTDIR);
    expect(await errnoOf(mount.read(99, 0, 1))).toBe(Errno.EBADF);
    expect(await errnoOf(mount.stat("x", reader))).toBe(Errno.ENOTDIR);
    expect(await errnoOf(mount.stat("x", 99))).toBe(Errno.EBADF);
    expect((await mount.stat("", reader)).size).toBe(5);
  });

  it.each([
    ["a folder without FOLDER", "", READ, Errno.EISDIR],
    ["a file with FOLDER", "file", READ | FOLDER, Errno.ENOTDIR],
    ["a folder for writing", "", READ | WRITE | FOLDER, Errno.EINVAL],
    ["neither READ nor WRITE", "file", 0, Errno.EINVAL],
    ["a flag that is none", "file", READ | 16, Errno.EINVAL],
    ["CREATE without WRITE", "file", READ | CREATE, Errno.EINVAL],
    ["a link with NO FOLLOW", "link", READ | NO_FOLLOW, Errno.ELOOP],
    ["a link to a folder with NO FOLLOW and FOLDER", "folder-link", READ | FOLDER | NO_FOLLOW, Errno.ELOOP],
    ["a file with NO FOLLOW and FOLDER", "file", READ | FOLDER | NO_FOLLOW, Errno.ENOTDIR],
    ["a name that is there with EXCLUSIVE", "file", WRITE | CREATE | EXCLUSIVE, Errno.EEXIST],
    ["a name that is not there", "absent", READ, Errno.ENOENT],
    ["a path that begins with a slash", "/file", READ, Errno.EINVAL],
    ["a path with ..", "x/../file", READ, Errno.EACCES],
    ["a path with a NUL", "fi\0le", READ, Errno.EINVAL],
    ["a component of 256 bytes", "x".repeat(256), READ, Errno.ENAMETOOLONG],
    ["a file with a slash behind", "file/", READ, Errno.ENOTDIR],
  ])("is refused: %s", async (_what, path, flags, errno) => {
    writeFileSync(join(host.data, "file"), "hello");
    symlinkSync("file", join(host.data, "link"));
    symlinkSync(".", join(host.data, "folder-link"));
    expect(await errnoOf(mount.openAt(0, path, flags))).toBe(errno);
  });

  it("is given back after the requests before it, and its number is nobody's then", async () => {
    writeFileSync(join(host.data, "file"), Buffer.alloc(60_000, "x"));
    const file = await mount.handle("file");
    const reads = [0, 1, 2, 3].map(() =>
      mount.stream.post(m.MountRead, { handle: file, offset: 0, bytes: 60_000 }),
    );
    const release = mount.stream.post(m.MountRelease, { handle: file });
    for (const id of reads) expect((await mount.reply(fileMessages.Data, id)).data.length).toBe(60_000);
    await mount.reply(Done, release);
    expect(await errnoOf(mount.read(file, 0, 1))).toBe(Errno.EBADF);
    expect(await errnoOf(mount.release(file))).toBe(Errno.EBADF);
  });

  it("counts as an open file, and is one no more when it is given back, or the stream is gone", async () => {
    writeFileSync(join(host.data, "file"), "");
    const handles: number[] = [];
    for (let i = 0; i < 20; i++) handles.push(await mount.handle("file"));
    expect(await errnoOf(mount.handle("file"))).toBe(Errno.EMFILE);
    await mount.release(handles[0]!);
    await mount.handle("file");
    mount.stream.reset();
    const other = await RawMount.open(guest);
    await until("all are given back", async () => (await errnoOf(other.handle("file"))) === 0);
  });

  it("stays its folder's whatever that is called by now", async () => {
    mkdirSync(join(host.data, "folder"));
    writeFileSync(join(host.data, "folder/file"), "inside");
    const folder = await mount.folder("folder");
    renameSync(join(host.data, "folder"), join(host.data, "moved"));
    mkdirSync(join(host.data, "folder"));
    const file = await mount.handle("file", READ, folder);
    expect((await mount.read(file, 0, 10)).toString()).toBe("inside");
    await mount.handle("new", WRITE | CREATE, folder);
    expect(statSync(join(host.data, "moved/new")).isFile()).toBe(true);
  });

  it("of a folder leads nowhere else: not up, not by links out of the roots", async () => {
    mkdirSync(join(host.data, "folder"));
    writeFileSync(join(host.folder, "outside/secret"), "secret");
    symlinkSync(join(host.folder, "outside"), join(host.data, "folder/out"));
    symlinkSync("../../outside/secret", join(host.data, "folder/up"));
    symlinkSync("../folder/file", join(host.data, "folder/around"));
    symlinkSync("/other/there", join(host.data, "folder/over"));
    writeFileSync(join(host.data, "folder/file"), "inside");
    writeFileSync(join(host.other, "there"), "other");
    const folder = await mount.folder("folder");
    expect(await errnoOf(mount.openAt(folder, "out/secret"))).toBe(Errno.EXDEV);
    expect(await errnoOf(mount.openAt(folder, "up"))).toBe(Errno.EXDEV);
    expect(await errnoOf(mount.openAt(folder, "../file"))).toBe(Errno.EACCES);
    for (const [name, content] of [
      ["around", "inside"],
      ["over", "other"],
    ]) {
      const file = await mount.handle(name!, READ, folder);
      expect((await mount.read(file, 0, 10)).toString()).toBe(content);
    }
  });

  it("below a folder that is read-only is opened for reading alone, and changes nothing", async () => {
    writeFileSync(join(host.fixed, "file"), "fixed");
    const fixed = await RawMount.open(guest, "/fixed");
    const file = await fixed.handle("file");
    expect((await fixed.read(file, 0, 10)).toString()).toBe("fixed");
    expect(await failureOf(fixed.openAt(0, "file", WRITE))).toMatchObject({
      errno: Errno.EROFS,
      rule: "fixed",
    });
    symlinkSync("/fixed/file", join(host.data, "link"));
    expect(await errnoOf(mount.openAt(0, "link", WRITE | TRUNCATE))).toBe(Errno.EROFS);
    linkSync(join(host.fixed, "file"), join(host.data, "second"));
    expect(await failureOf(mount.openAt(0, "second", WRITE))).toMatchObject({ rule: "links" });
    const second = await mount.handle("second");
    const size = { ...unset, at: second, valid: 1, mode: 0o600, path: bytes("") };
    expect(await failureOf(mount.call(m.MountSetAttr, size, m.MountAttributes))).toMatchObject({
      rule: "links",
    });
  });
});

const zero = { seconds: 0, nanoseconds: 0 };
const unset = { follow: true, mode: 0, uid: 0, gid: 0, size: 0, accessed: zero, modified: zero };

describe("attributes", () => {
  it("are set by a name or a handle, and told as they are then", async () => {
    writeFileSync(join(host.data, "file"), "hello");
    const set = (at: number, path: string, valid: number, values: object) =>
      mount.call(m.MountSetAttr, { ...unset, at, valid, path: bytes(path), ...values }, m.MountAttributes);
    expect(await set(0, "file", 1 | 8, { mode: 0o600, size: 2 })).toMatchObject({ mode: 0o600, size: 2 });
    expect(readFileSync(join(host.data, "file"), "utf8")).toBe("he");
    const [reader, writer] = [await mount.handle("file"), await mount.handle("file", WRITE)];
    expect(await errnoOf(set(reader, "", 8, { size: 1 }))).toBe(Errno.EINVAL);
    expect(await set(writer, "", 8, { size: 1 })).toMatchObject({ size: 1 });
    const times = { accessed: { seconds: -5, nanoseconds: 6 }, modified: { seconds: 7, nanoseconds: 8 } };
    expect(await set(reader, "", 16 | 32, times)).toMatchObject(times);
    const now = await set(0, "file", 128, {});
    expect(Math.abs(now.modified.seconds - Date.now() / 1000)).toBeLessThan(10);
    expect(now.accessed).toEqual(times.accessed);
    expect(await set(0, "file", 2 | 4, { uid: now.uid, gid: now.gid })).toMatchObject({ uid: now.uid });
    expect(await errnoOf(set(0, "file", 2, { uid: now.uid + 1 }))).toBe(Errno.EPERM);
    expect(await errnoOf(set(0, "file", 1, { mode: 0o4755 }))).toBe(Errno.EPERM);
    expect(await errnoOf(set(0, "file", 16 | 64, {}))).toBe(Errno.EINVAL);
    expect(await errnoOf(set(0, "file", 256, {}))).toBe(Errno.EINVAL);
    expect(await errnoOf(set(0, "", 8, { size: 5 }))).toBe(Errno.EISDIR);
    chmodSync(join(host.data, "file"), 0o4755);
    await mount.write(writer, 0, "x");
    expect(statSync(join(host.data, "file")).mode & 0o7777).toBe(0o755);
  });

  it("tell two files apart, and one by two names to be one", async () => {
    writeFileSync(join(host.data, "a"), "");
    writeFileSync(join(host.data, "b"), "");
    linkSync(join(host.data, "a"), join(host.data, "c"));
    const of = async (name: string) => {
      const { device, inodeLow, inodeHigh, links } = await mount.stat(name);
      return { device, inodeLow, inodeHigh, links };
    };
    expect(await of("a")).toEqual(await of("c"));
    expect(await of("a")).not.toEqual(await of("b"));
  });

  it("number its file system as this monitor alone does: nobody can go back from that to the host's devices", async () => {
    const others = hold(await startHost({ data: host.data }));
    const theirs = await RawMount.open(hold(await FileGuest.attach(others.path)));
    expect(theirs.opened.inodeLow).toBe(mount.opened.inodeLow);
    expect(theirs.opened.device).not.toBe(mount.opened.device);
  });

  it("of a symbolic link are its own where it is not followed", async () => {
    writeFileSync(join(host.data, "file"), "hello");
    symlinkSync("file", join(host.data, "link"));
    expect(await mount.stat("link", 0, false)).toMatchObject({ kind: 3, size: 4 });
    expect(await mount.stat("link")).toMatchObject({ kind: 1, size: 5 });
  });
});

const MANY = 1500;
const HUGE = 200_000;

describe("a listing", () => {
  const odd = Buffer.from([0x6f, 0xff, 0x64]);

  it("comes in pieces, from any entry on, and has names that are not UTF-8", async () => {
    mkdirSync(join(host.data, "many"));
    const expected = new Set<string>();
    for (let i = 0; i < MANY; i++) {
      writeFileSync(join(host.data, `many/${i}`), "");
      expected.add(`${i}`);
    }
    writeFileSync(Buffer.concat([Buffer.from(`${host.data}/many/`), odd]), "odd");
    const folder = await mount.folder("many");
    for (const entries of [4096, 50]) {
      const { names, frames } = await mount.names(folder, entries);
      expect(names.length).toBe(MANY + 1);
      expect(names.filter((name) => name.equals(odd)).length).toBe(1);
      expect(new Set(names.filter((name) => !name.equals(odd)).map(String))).toEqual(expected);
      expect(frames).toBeGreaterThan(1);
    }
    const all = await mount.entries(folder);
    expect(all.length).toBe(MANY + 1);
    const own = all.find(({ name }) => odd.equals(name))!;
    expect(own).toMatchObject({ kind: 1, size: 3 });
    // From the middle, twice at once: a folder's listings take turns.
    const { cookieLow, cookieHigh } = all[700]!;
    const rest = { handle: folder, cookieLow, cookieHigh, entries: 5 };
    const ids = [1, 2, 3].map(() => mount.stream.post(m.MountReadDirPlus, rest));
    for (const id of ids) {
      const { entries } = await mount.reply(m.MountEntries, id);
      expect(entries.map(({ name }) => String(Buffer.from(name)))).toEqual(
        all.slice(701, 706).map(({ name }) => String(Buffer.from(name))),
      );
    }
    expect(await errnoOf(mount.names(folder, 4097))).toBe(Errno.EINVAL);
  }, 120_000);

  it("of 200,000 entries comes in pieces with their attributes, each entry once, and others are served meanwhile", async () => {
    // In memory, and of links: the quickest to make.
    const huge = mkdtempSync("/dev/shm/ringway-huge-");
    onTestFinished(() => rmSync(huge, { recursive: true }));
    for (let i = 0; i < HUGE; i++) symlinkSync("x", `${huge}/${i}`);
    await using own = await startHost({ data: huge });
    using ownGuest = await FileGuest.attach(own.path);
    const mount = await RawMount.open(ownGuest);
    const folder = await mount.folder("");
    const seen = new Uint8Array(HUGE);
    let [cookieLow, cookieHigh, frames, stats] = [0, 0, 0, 0];
    for (;;) {
      const id = mount.stream.post(m.MountReadDirPlus, {
        handle: folder,
        cookieLow,
        cookieHigh,
        entries: 4096,
      });
      if (frames % 32 === 0) stats += (await mount.stat("")).kind === 2 ? 1 : 0;
      const { entries } = await mount.reply(m.MountEntries, id);
      if (entries.length === 0) break;
      frames++;
      for (const { name, kind, size } of entries) {
        if (kind !== 3 || size !== 1)
          throw new Error(`${Buffer.from(name)} is of kind ${kind} and size ${size}`);
        seen[Number(Buffer.from(name).toString("latin1"))]!++;
      }
      ({ cookieLow, cookieHigh } = entries.at(-1)!);
    }
    expect(seen.every((times) => times === 1)).toBe(true);
    expect(frames).toBeGreaterThan(HUGE / 4096);
    expect(stats).toBeGreaterThan(1);
  }, 120_000);

  it("that waits its turn is taken back by MountCancel, and holds nothing then", async () => {
    for (let i = 0; i < 100; i++) writeFileSync(join(host.data, `${i}`), "");
    const folder = await mount.folder("");
    const listing = { handle: folder, cookieLow: 0, cookieHigh: 0, entries: 4096 };
    const { stream } = mount;
    const [first, second, third, cancel] = stream.together(() => {
      const ids = [1, 2, 3].map(() => stream.post(m.MountReadDir, listing));
      return [...ids, stream.post(m.MountCancel, { id: ids[1]! })] as [number, number, number, number];
    });
    expect(await errnoOf(mount.reply(m.MountNames, second))).toBe(Errno.ECANCELED);
    await mount.reply(Done, cancel);
    for (const id of [first, third]) {
      expect((await mount.reply(m.MountNames, id)).entries.length).toBe(100);
    }
    await mount.release(folder);
    stream.end();
    await until("the host ends", () => stream.hostIsThrough());
  });

  it("names that are not UTF-8 are opened and told of like others", async () => {
    const file = await mount.handle(odd, READ | WRITE | CREATE);
    await mount.write(file, 0, "content");
    expect((await mount.stat(odd)).size).toBe(7);
    expect(readFileSync(Buffer.concat([Buffer.from(`${host.data}/`), odd]), "utf8")).toBe("content");
  });
});

describe("a mount that ends", () => {
  it("answers what was asked before, and then both ways", async () => {
    writeFileSync(join(host.data, "file"), Buffer.alloc(1000, "x"));
    const file = await mount.handle("file");
    const ids = [0, 500, 900].map((offset) =>
      mount.stream.post(m.MountRead, { handle: file, offset, bytes: 500 }),
    );
    mount.stream.end();
    const sizes: number[] = [];
    for (const id of ids) sizes.push((await mount.reply(fileMessages.Data, id)).data.length);
    expect(sizes).toEqual([500, 500, 100]);
    await until("the host ends", () => mount.stream.hostIsThrough());
  });

  it("by a malformed request is reset, and its guest goes on", async () => {
    mount.stream.postBytes(m.MountRead.type, new Uint8Array(3));
    await expect(mount.stat("")).rejects.toThrow();
    const next = await RawMount.open(guest);
    expect((await next.stat("")).kind).toBe(2);
  });

  it("does not know requests of other protocols", async () => {
    expect(await errnoOf(mount.call(fileMessages.ReadAt, { offset: 0, bytes: 1 }, fileMessages.Data))).toBe(
      Errno.ENOSYS,
    );
  });
});
