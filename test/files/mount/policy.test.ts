// A mount while its policy changes, runs out of descriptors, or meets a guest that does not read.

import { linkSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Done, Errno, mountMessages as m } from "@ringway/control";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { errnoOf, failureOf } from "../../support/declined.ts";
import { heldForAll, heldForEach } from "../../support/held.ts";
import { until } from "../../support/wait.ts";
import { type Host, startHost } from "../host.ts";
import { FileGuest } from "../wire.ts";
import { bytes, CREATE, emptyFolders, RawMount, READ, WRITE } from "./wire.ts";

const holdForAll = heldForAll();
const hold = heldForEach();
let host: Host;
let guest: FileGuest;

beforeAll(async () => {
  host = holdForAll(await startHost({ limits: { requests: 100 } }));
});
beforeEach(async () => {
  await host.monitor.reload(host.policy);
  emptyFolders(host);
  guest = hold(await FileGuest.attach(host.path));
});

function chmod(mount: RawMount, at: number): Promise<unknown> {
  const time = { seconds: 0, nanoseconds: 0 };
  const set = { at, follow: true, valid: m.MountValid.MODE, mode: 0o600, uid: 0, gid: 0, size: 0 };
  const request = { ...set, accessed: time, modified: time, path: bytes("") };
  return mount.call(m.MountSetAttr, request, m.MountAttributes);
}

it("a file that has lost a name since it was opened is not changed: its last may be below a read-only root", async () => {
  const mount = await RawMount.open(guest);
  const kept = join(host.fixed, "kept");
  writeFileSync(kept, "kept", { mode: 0o644 });
  linkSync(kept, join(host.data, "second"));
  const handle = await mount.handle("second");
  const again = await mount.handle("", READ, handle);
  const before = statSync(kept);
  await mount.call(m.MountUnlink, { at: 0, path: bytes("second") }, Done);
  const xattr = { flags: 0, follow: true, name: bytes("user.x"), value: bytes("x"), path: bytes("") };
  for (const at of [handle, again]) {
    for (const attempt of [
      () => chmod(mount, at),
      () => mount.call(m.MountSetXattr, { at, ...xattr }, Done),
      () => mount.handle("", WRITE, at),
    ]) {
      expect(await failureOf(attempt())).toMatchObject({ errno: Errno.EACCES, rule: "links" });
    }
  }
  expect(statSync(kept)).toMatchObject({ mode: before.mode, mtimeMs: before.mtimeMs });
  expect((await mount.read(again, 0, 10)).toString()).toBe("kept");
});

describe("a change of the policy", () => {
  it("ends no handle that it still allows, also of a folder that has another name by now", async () => {
    const mount = await RawMount.open(guest);
    mkdirSync(join(host.data, "folder/deep"), { recursive: true });
    writeFileSync(join(host.data, "folder/file"), "content");
    const folder = await mount.folder("folder");
    const file = await mount.handle("folder/file", READ | WRITE);
    renameSync(join(host.data, "folder"), join(host.data, "moved"));
    await host.monitor.reload({ ...host.policy });
    expect((await mount.read(file, 0, 10)).toString()).toBe("content");
    expect(await mount.write(file, 0, "C")).toBe(1);
    expect((await mount.names(folder)).names.map(String).sort()).toEqual(["deep", "file"]);
    await mount.handle("deep/new", WRITE | CREATE, folder);
    expect(statSync(join(host.data, "moved/deep/new")).isFile()).toBe(true);
    // Nor is it judged anew by opening it again.
    for (const at of [file, await mount.handle("", READ, file)]) {
      expect(await failureOf(chmod(mount, at))).toMatchObject({ errno: Errno.EACCES, rule: "reloaded" });
    }
  });

  it("that takes a folder away holds for a watch that is just begun", async () => {
    const slow = hold(await startHost({ limits: { diskOperations: 20 } }));
    const other = hold(await FileGuest.attach(slow.path));
    const mount = await RawMount.open(other);
    const stat = { at: 0, follow: true, path: bytes("") };
    for (let i = 0; i < 30; i++) await mount.stream.send(m.MountStat, stat);
    const asked = await mount.stream.send(m.MountWatch, { at: 0, flags: 0, path: bytes("") });
    await other.echo();
    const files = slow.policy.files.filter(({ id }) => id !== "data");
    await slow.monitor.reload({ ...slow.policy, files });
    await failureOf(mount.reply(m.MountWatching, asked));
    await sleep(50);
    writeFileSync(join(slow.data, "secret"), "");
    await sleep(100);
    mount.poll();
    expect(mount.events.map(({ path }) => Buffer.from(path).toString())).not.toContain("secret");
  });

  it("that makes a folder read-only, or takes it away, holds for what is open too", async () => {
    const mount = await RawMount.open(guest);
    writeFileSync(join(host.data, "file"), "content");
    const folder = await mount.folder("");
    const [reader, writer] = [await mount.handle("file"), await mount.handle("file", READ | WRITE)];
    const { watch } = await mount.call(m.MountWatch, { at: 0, flags: 0, path: bytes("") }, m.MountWatching);
    const rules = host.policy.files;
    const readOnly = rules.map((rule) => (rule.id === "data" ? { ...rule, access: "ro" as const } : rule));
    await host.monitor.reload({ ...host.policy, files: readOnly });
    expect((await mount.read(reader, 0, 10)).toString()).toBe("content");
    expect(await failureOf(mount.write(writer, 0, "x"))).toMatchObject({ errno: Errno.EROFS, rule: "data" });
    const mkdir = { at: folder, mode: 0o755, path: bytes("new") };
    expect(await errnoOf(mount.call(m.MountMkdir, mkdir, m.MountAttributes))).toBe(Errno.EROFS);
    await host.monitor.reload({ ...host.policy, files: rules.filter(({ id }) => id !== "data") });
    expect(await failureOf(mount.read(reader, 0, 10))).toMatchObject({
      errno: Errno.EACCES,
      rule: "default",
    });
    expect(await errnoOf(mount.names(folder))).toBe(Errno.EACCES);
    await mount.event(({ watch: of, events }) => of === watch && (events & m.MountEventBits.GONE) !== 0);
    for (const handle of [reader, writer, folder]) await mount.release(handle);
  });
});

describe("a guest that means ill", () => {
  it("and reads no replies has no more than so many of them waiting, and others notice nothing", async () => {
    writeFileSync(join(host.data, "file"), Buffer.alloc(60_000, "x"));
    const mount = await RawMount.open(guest, "/data", 65_536);
    const file = await mount.handle("file");
    for (let i = 0; i < 500; i++) {
      try {
        mount.stream.post(m.MountRead, { handle: file, offset: 0, bytes: 60_000 });
      } catch {
        await sleep(1);
      }
    }
    using other = await FileGuest.attach(host.path);
    const beside = await RawMount.open(other);
    for (let i = 0; i < 20; i++) expect((await beside.stat("file")).size).toBe(60_000);
    mount.stream.reset();
    await until("all is given back", async () => (await errnoOf(beside.openAt(0, "file"))) === 0);
  });

  it("and has more requests wait than its key may is told ENOBUFS, and gives back all the same", async () => {
    writeFileSync(join(host.data, "file"), "");
    const mounts: RawMount[] = [];
    for (let i = 0; i < 4; i++) mounts.push(await RawMount.open(guest));
    const file = await mounts[3]!.handle("file");
    const ids = mounts.flatMap((mount) =>
      Array.from({ length: 200 }, () => {
        const request = { at: 0, follow: true, path: bytes("file") };
        return [mount, mount.stream.post(m.MountStat, request)] as const;
      }),
    );
    const release = mounts[3]!.stream.post(m.MountRelease, { handle: file });
    const errnos = new Set<number>();
    for (const [mount, id] of ids) errnos.add(await errnoOf(mount.reply(m.MountAttributes, id)));
    for (const errno of errnos) expect([0, Errno.ENOBUFS]).toContain(errno);
    await mounts[3]!.reply(Done, release);
  });

  it("and resets amid everything leaves nothing open, locked or watched", async () => {
    for (let round = 0; round < 20; round++) {
      const mount = await RawMount.open(guest);
      writeFileSync(join(host.data, "file"), Buffer.alloc(100_000, "y"));
      const file = await mount.handle("file", READ | WRITE);
      const post = mount.stream;
      post.post(m.MountLock, { handle: file, kind: 2, wait: true, start: 0, bytes: 0 });
      post.post(m.MountWatch, { at: 0, flags: 1, path: bytes("") });
      for (let i = 0; i < 10; i++) {
        post.post(m.MountOpen, { at: 0, flags: READ, mode: 0, path: bytes("file") });
        post.post(m.MountRead, { handle: file, offset: 99_000, bytes: 5000 });
        post.post(m.MountWrite, { handle: file, flags: 0, offset: 0, data: new Uint8Array(2000) });
      }
      if (round % 2 === 0) await sleep(round / 4);
      mount.stream.reset();
    }
    const mount = await RawMount.open(guest);
    const file = await mount.handle("file", READ | WRITE);
    await until("the lock is free", async () => {
      const request = { handle: file, kind: 2, wait: false, start: 0, bytes: 0 };
      return (await errnoOf(mount.call(m.MountLock, request, Done))) === 0;
    });
    for (let i = 0; i < 200; i++) await mount.handle("file");
  });
});
