// What a mount makes, moves, links and removes; what it asks of a file's extent; extended attributes. With names that
// are not UTF-8, and with somebody on the host who moves things meanwhile.

import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { Done, Errno, fileMessages, fsMessages, type Message, mountMessages as m } from "@ringway/control";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { errnoOf, failureOf } from "../../support/declined.ts";
import { heldForAll, heldForEach } from "../../support/held.ts";
import { policyOf, startMonitor } from "../../support/monitor.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { type Host, startHost } from "../host.ts";
import { FileGuest } from "../wire.ts";
import { bytes, CREATE, emptyFolders, RawMount, READ, WRITE } from "./wire.ts";

const holdForAll = heldForAll();
const hold = heldForEach();
let host: Host;
let guest: FileGuest;
let mount: RawMount;

beforeAll(async () => {
  host = holdForAll(await startHost());
});
beforeEach(async () => {
  emptyFolders(host);
  guest = hold(await FileGuest.attach(host.path));
  mount = await RawMount.open(guest);
});

const odd = Buffer.from([0x6f, 0xff, 0x64]);

function make(kind: Message<m.MakeRequest>, path: string | Uint8Array, at = 0, mode = 0o755) {
  return mount.call(kind, { at, mode, path: bytes(path) }, m.MountAttributes);
}

function remove(kind: Message<m.AtRequest>, path: string | Uint8Array, at = 0) {
  return mount.call(kind, { at, path: bytes(path) }, Done);
}

function rename(from: string | Uint8Array, to: string | Uint8Array, flags = 0) {
  const request = { fromAt: 0, toAt: 0, flags, from: bytes(from), to: bytes(to) };
  return mount.call(m.MountRename, request, Done);
}

function link(from: string, to: string) {
  return mount.call(m.MountLink, { fromAt: 0, toAt: 0, from: bytes(from), to: bytes(to) }, m.MountAttributes);
}

async function readlink(path: string | Uint8Array): Promise<Buffer> {
  return Buffer.from(
    (await mount.call(m.MountReadlink, { at: 0, path: bytes(path) }, fileMessages.Data)).data,
  );
}

describe("names", () => {
  it("are made, told of, and removed", async () => {
    expect(await make(m.MountMkdir, "folder")).toMatchObject({ kind: 2, mode: 0o755 });
    const folder = await mount.folder("folder");
    expect(await make(m.MountMknod, "file", folder, 0o640)).toMatchObject({ kind: 1, mode: 0o640, size: 0 });
    expect(await errnoOf(make(m.MountMknod, "file", folder))).toBe(Errno.EEXIST);
    const target = Buffer.from([0x2e, 0x2e, 0x2f, 0xfe]);
    const symlink = { at: folder, target, path: odd };
    expect(await mount.call(m.MountSymlink, symlink, m.MountAttributes)).toMatchObject({ kind: 3, size: 4 });
    expect(readlinkSync(Buffer.concat([Buffer.from(`${host.data}/folder/`), odd]), "buffer")).toEqual(target);
    const request = { at: folder, path: odd };
    expect((await mount.call(m.MountReadlink, request, fileMessages.Data)).data).toEqual(
      new Uint8Array(target),
    );
    expect(await errnoOf(remove(m.MountRmdir, "folder"))).toBe(Errno.ENOTEMPTY);
    expect(await errnoOf(remove(m.MountRmdir, "folder/file"))).toBe(Errno.ENOTDIR);
    expect(await errnoOf(remove(m.MountUnlink, "folder"))).toBe(Errno.EISDIR);
    await remove(m.MountUnlink, "file", folder);
    await remove(m.MountUnlink, odd, folder);
    await remove(m.MountRmdir, "folder");
    expect(readdirSync(host.data)).toEqual([]);
  });

  it("that are empty, or longer than a name may be, are neither made nor moved", async () => {
    expect(await errnoOf(make(m.MountMkdir, ""))).toBe(Errno.EINVAL);
    expect(await errnoOf(make(m.MountMkdir, "./"))).toBe(Errno.EINVAL);
    expect(await errnoOf(remove(m.MountRmdir, ""))).toBe(Errno.EINVAL);
    expect(await errnoOf(make(m.MountMkdir, "x".repeat(256)))).toBe(Errno.ENAMETOOLONG);
    expect(await errnoOf(make(m.MountMkdir, "x", 0, 0o1777))).toBe(Errno.EPERM);
    expect(
      await errnoOf(
        mount.call(m.MountSymlink, { at: 0, target: bytes(""), path: bytes("x") }, m.MountAttributes),
      ),
    ).toBe(Errno.ENOENT);
    expect(await errnoOf(readlink(""))).toBe(Errno.EINVAL);
  });

  it("are renamed, exchanged, or kept, as asked", async () => {
    writeFileSync(join(host.data, "a"), "a");
    writeFileSync(join(host.data, "b"), "b");
    expect(await errnoOf(rename("a", "b", 1))).toBe(Errno.EEXIST);
    await rename("a", "b", 2);
    expect(readFileSync(join(host.data, "a"), "utf8")).toBe("b");
    await rename("a", odd);
    await rename(odd, "b");
    expect(readdirSync(host.data)).toEqual(["b"]);
    expect(await errnoOf(rename("b", "c", 4))).toBe(Errno.EINVAL);
    expect(await errnoOf(rename("absent", "c"))).toBe(Errno.ENOENT);
    const all = await RawMount.open(guest, "/");
    const across = { fromAt: 0, toAt: 0, flags: 0, from: bytes("data/b"), to: bytes("other/b") };
    expect(await errnoOf(all.call(m.MountRename, across, Done))).toBe(Errno.EXDEV);
    const fixed = { ...across, to: bytes("fixed/b") };
    expect(await failureOf(all.call(m.MountRename, fixed, Done))).toMatchObject({
      errno: Errno.EROFS,
      rule: "fixed",
    });
    const linked = { fromAt: 0, toAt: 0, from: bytes("data/b"), to: bytes("other/b") };
    expect(await errnoOf(all.call(m.MountLink, linked, m.MountAttributes))).toBe(Errno.EXDEV);
  });

  it("a file has several, a folder one", async () => {
    writeFileSync(join(host.data, "a"), "a");
    expect(await link("a", "b")).toMatchObject({ kind: 1, links: 2, size: 1 });
    expect(await errnoOf(link("a", "b"))).toBe(Errno.EEXIST);
    mkdirSync(join(host.data, "folder"));
    expect(await errnoOf(link("folder", "other"))).toBe(Errno.EPERM);
    symlinkSync("a", join(host.data, "link"));
    expect(await link("link", "second")).toMatchObject({ kind: 3 });
    expect(lstatSync(join(host.data, "second")).isSymbolicLink()).toBe(true);
    execFileSync("mkfifo", [join(host.data, "fifo")]);
    expect(await failureOf(link("fifo", "third"))).toMatchObject({ errno: Errno.EACCES, rule: "kind" });
  });

  it("tell the file system that they lie on", async () => {
    const found = await mount.call(m.MountStatfs, { at: 0, path: bytes("") }, fsMessages.StatfsReply);
    expect(found).toMatchObject({ nameMaxBytes: 255 });
    expect(found.blocks).toBeGreaterThan(0);
  });

  it("never lead out of the roots, whoever exchanges folders and links meanwhile", async () => {
    mkdirSync(join(host.data, "in/deep"), { recursive: true });
    writeFileSync(join(host.data, "in/deep/file"), "inside");
    mkdirSync(join(host.folder, "outside/deep"));
    writeFileSync(join(host.folder, "outside/deep/file"), "SECRET");
    symlinkSync(join(host.folder, "outside"), join(host.data, "swap"));
    const code = `const { renameSync } = require("node:fs");
      for (;;) for (const [a, b] of [["in", "x"], ["swap", "in"], ["in", "swap"], ["x", "in"]])
        renameSync(${JSON.stringify(host.data)} + "/" + a, ${JSON.stringify(host.data)} + "/" + b);`;
    const mover = new Worker(code, { eval: true });
    try {
      const seen = { inside: 0, refused: 0 };
      for (let i = 0; i < 60 || (seen.inside === 0 && i < 2000); i++) {
        const path = bytes("in/deep/file");
        const id = await mount.stream.send(m.MountOpen, { at: 0, flags: READ | WRITE, mode: 0, path });
        const opened = await mount.reply(m.MountHandle, id).catch(() => undefined);
        await errnoOf(make(m.MountMknod, `in/deep/made-${i}`));
        if (opened === undefined) {
          seen.refused++;
          continue;
        }
        expect((await mount.read(opened.handle, 0, 10)).toString()).toBe("inside");
        await mount.release(opened.handle);
        seen.inside++;
      }
      expect(seen.inside).toBeGreaterThan(0);
    } finally {
      await mover.terminate();
    }
    expect(readdirSync(join(host.folder, "outside/deep"))).toEqual(["file"]);
    rmSync(join(host.data, "swap"), { force: true });
  }, 60_000);
});

describe("a file's extent", () => {
  it("is allocated, punched, sought and copied", async () => {
    const file = await mount.handle("file", READ | WRITE | CREATE);
    const allocate = (mode: number, offset: number, count: number) =>
      mount.call(m.MountFallocate, { handle: file, mode, offset, bytes: count }, Done);
    const seek = async (whence: number, offset: number) =>
      (await mount.call(m.MountSeek, { handle: file, whence, offset }, fileMessages.Position)).offset;
    await allocate(0, 0, 262_144);
    expect(statSync(join(host.data, "file")).size).toBe(262_144);
    await mount.write(file, 0, Buffer.alloc(65_536, 1));
    await mount.write(file, 131_072, Buffer.alloc(65_536, 2));
    await allocate(3, 0, 65_536);
    expect((await mount.read(file, 0, 65_536)).every((byte) => byte === 0)).toBe(true);
    expect(await seek(3, 0)).toBeGreaterThan(0);
    expect(await seek(4, 0)).toBe(0);
    expect(await errnoOf(seek(3, 1_000_000))).toBe(Errno.ENXIO);
    expect(await errnoOf(seek(0, 0))).toBe(Errno.EINVAL);
    expect(await errnoOf(allocate(2, 0, 1))).toBe(Errno.EOPNOTSUPP);
    expect(await errnoOf(allocate(0, 0, 0))).toBe(Errno.EINVAL);
    expect(await errnoOf(allocate(0, 2 ** 53 - 1, 2))).toBe(Errno.EINVAL);
    const copy = await mount.handle("copy", READ | WRITE | CREATE);
    const range = { from: file, to: copy, fromOffset: 131_072, toOffset: 5, bytes: 1_000_000 };
    let copied = 0;
    for (;;) {
      const request = { ...range, fromOffset: range.fromOffset + copied, toOffset: 5 + copied };
      const { bytes: count } = await mount.call(m.MountCopyRange, request, fileMessages.Written);
      if (count === 0) break;
      copied += count;
    }
    expect(copied).toBe(131_072);
    expect((await mount.read(copy, 5, 3)).toJSON().data).toEqual([2, 2, 2]);
    for (const dataOnly of [true, false]) await mount.call(m.MountFsync, { handle: file, dataOnly }, Done);
    await mount.call(m.MountFlush, { handle: file }, Done);
    const folder = await mount.folder("");
    await mount.call(m.MountFsync, { handle: folder, dataOnly: false }, Done);
  });

  it("counts against what may be written, and is EDQUOT past that, with not a byte of it", async () => {
    const limited = hold(await startHost({ limits: { fileBytesWritten: 3_000_000 } }));
    mount = await RawMount.open(hold(await FileGuest.attach(limited.path)));
    const file = await mount.handle("file", READ | WRITE | CREATE);
    const allocate = { handle: file, mode: 0, offset: 0, bytes: 4_000_000 };
    expect(await errnoOf(mount.call(m.MountFallocate, allocate, Done))).toBe(Errno.EDQUOT);
    expect(statSync(join(limited.data, "file")).size).toBe(0);
    await mount.call(m.MountFallocate, { ...allocate, bytes: 2_999_990 }, Done);
    expect(await mount.write(file, 0, "0123456789ab")).toBe(10);
    expect(await errnoOf(mount.write(file, 0, "x"))).toBe(Errno.EDQUOT);
    expect(await errnoOf(mount.write(file, 0, "x", 1))).toBe(Errno.EDQUOT);
    const range = { from: file, to: file, fromOffset: 0, toOffset: 100, bytes: 10 };
    expect(await errnoOf(mount.call(m.MountCopyRange, range, fileMessages.Written))).toBe(Errno.EDQUOT);
    await mount.call(m.MountFallocate, { ...allocate, mode: 3 }, Done);
  });
});

describe("extended attributes", () => {
  const at = { at: 0, follow: true, path: bytes("file") };
  const get = async (name: string) =>
    Buffer.from((await mount.call(m.MountGetXattr, { ...at, name: bytes(name) }, fileMessages.Data)).data);
  const set = (name: string, value: string, flags = 0) =>
    mount.call(m.MountSetXattr, { ...at, flags, name: bytes(name), value: bytes(value) }, Done);
  const list = async () =>
    (await mount.call(m.MountListXattr, at, m.MountXattrs)).names.map((name) => Buffer.from(name).toString());

  it("of user.* are set, told, listed and taken away; others are nobody's", async () => {
    writeFileSync(join(host.data, "file"), "");
    await set("user.one", "1");
    expect(await errnoOf(set("user.one", "2", 1))).toBe(Errno.EEXIST);
    expect(await errnoOf(set("user.two", "2", 2))).toBe(Errno.ENODATA);
    await set("user.one", "2", 2);
    await set("user.two", "x".repeat(1000));
    expect((await get("user.one")).toString()).toBe("2");
    expect((await get("user.two")).length).toBe(1000);
    expect((await list()).sort()).toEqual(["user.one", "user.two"]);
    await mount.call(m.MountRemoveXattr, { ...at, name: bytes("user.one") }, Done);
    expect(await errnoOf(get("user.one"))).toBe(Errno.ENODATA);
    for (const name of ["trusted.x", "security.capability", "system.posix_acl_access", "users.x", "user"]) {
      expect(await errnoOf(set(name, "x"))).toBe(Errno.EOPNOTSUPP);
      expect(await errnoOf(get(name))).toBe(Errno.EOPNOTSUPP);
    }
    expect(await errnoOf(set("", "x"))).toBe(Errno.EINVAL);
    expect(await errnoOf(set("user.\0", "x"))).toBe(Errno.EINVAL);
    expect(await errnoOf(set("user.x", "x", 3))).toBe(Errno.EINVAL);
    const python = `import os; print(os.getxattr(${JSON.stringify(join(host.data, "file"))}, "user.two").decode()[:3])`;
    expect(execFileSync("python3", ["-c", python], { encoding: "utf8" })).toBe("xxx\n");
  });

  it("that the rule names are the guest's as well, as far as the kernel lets the monitor", async () => {
    const folder = temporaryFolder("xattrs");
    writeFileSync(join(folder, "file"), "");
    const xattrs = `[system.posix_acl_access, "trusted.mine.*"]`;
    const rules = `version: 1\nfiles: [{ guest: /own, host: ${folder}, access: rw, xattrs: ${xattrs} }]\n`;
    await using named = await startMonitor(() => policyOf(rules, folder));
    using by = await FileGuest.attach(named.path);
    const own = await RawMount.open(by, "/own");
    const name = bytes("system.posix_acl_access");
    // Its owner, one other user, its group, the mask, all others: tag, permissions, who.
    const acl = Buffer.alloc(44);
    acl.writeUInt32LE(2);
    const entries = [
      [1, 6, -1],
      [2, 4, 1234],
      [4, 4, -1],
      [16, 4, -1],
      [32, 0, -1],
    ] as const;
    for (const [i, [tag, permissions, who]] of entries.entries()) {
      acl.writeUInt16LE(tag, 4 + 8 * i);
      acl.writeUInt16LE(permissions, 6 + 8 * i);
      acl.writeInt32LE(who, 8 + 8 * i);
    }
    await own.call(m.MountSetXattr, { ...at, flags: 0, name, value: acl }, Done);
    const { data } = await own.call(m.MountGetXattr, { ...at, name }, fileMessages.Data);
    expect(Buffer.from(data)).toEqual(acl);
    expect(await own.call(m.MountListXattr, at, m.MountXattrs)).toEqual({ names: [new Uint8Array(name)] });
    await own.call(m.MountRemoveXattr, { ...at, name }, Done);
    expect(await own.call(m.MountListXattr, at, m.MountXattrs)).toEqual({ names: [] });
    const askFor = (other: string) =>
      errnoOf(own.call(m.MountGetXattr, { ...at, name: bytes(other) }, fileMessages.Data));
    expect(await askFor("trusted.mine.x")).toBe(Errno.ENODATA);
    for (const other of ["trusted.x", "trusted.mine", "system.posix_acl_default", "security.capability"]) {
      expect(await askFor(other)).toBe(Errno.EOPNOTSUPP);
    }
  });

  it("below a folder that is read-only are told, and not set", async () => {
    writeFileSync(join(host.fixed, "file"), "");
    const fixed = await RawMount.open(guest, "/fixed");
    const request = { ...at, flags: 0, name: bytes("user.x"), value: bytes("x") };
    expect(await errnoOf(fixed.call(m.MountSetXattr, request, Done))).toBe(Errno.EROFS);
    expect(await fixed.call(m.MountListXattr, at, m.MountXattrs)).toEqual({ names: [] });
  });
});
