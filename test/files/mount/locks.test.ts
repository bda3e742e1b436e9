// Locks and watches of a mount, with programs on the host beside that lock, change and watch the same files.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Done, Errno, mountMessages as m } from "@ringway/control";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { errnoOf } from "../../support/declined.ts";
import { heldForAll, heldForEach } from "../../support/held.ts";
import { descriptors } from "../../support/processes.ts";
import { until } from "../../support/wait.ts";
import { type Host, startHost } from "../host.ts";
import { FileGuest } from "../wire.ts";
import { bytes, emptyFolders, RawMount, READ, WRITE } from "./wire.ts";

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

const { NONE, SHARED, EXCLUSIVE } = m.MountLockKind;

function lockRequest(handle: number, kind: number, wait = false, start = 0, count = 0): m.MountLock {
  return { handle, kind, wait, start, bytes: count };
}

const lock = (handle: number, kind: number, start = 0, count = 0) =>
  mount.call(m.MountLock, lockRequest(handle, kind, false, start, count), Done);

/** A program that locks the file of a path (fcntl OFD), says so, and holds it until its input ends. */
async function holder(path: string): Promise<ChildProcess & Disposable> {
  const code = `
import fcntl, struct, sys
f = open(sys.argv[1], "r+")
fcntl.fcntl(f, 37, struct.pack("hhqqixxxx", fcntl.F_WRLCK, 0, 0, 0, 0))
print("locked", flush=True)
sys.stdin.read()
`;
  const child = spawn("python3", ["-c", code, path], { stdio: ["pipe", "pipe", "ignore"] });
  await new Promise((resolve, reject) => {
    child.stdout!.once("data", resolve);
    child.once("exit", () => reject(new Error("the program ended")));
  });
  return Object.assign(child, { [Symbol.dispose]: () => void child.kill() });
}

describe("locks", () => {
  it("of two handles exclude each other, by range and kind", async () => {
    writeFileSync(join(host.data, "file"), "0123456789");
    const [a, b] = [await mount.handle("file", READ | WRITE), await mount.handle("file", READ | WRITE)];
    await lock(a, EXCLUSIVE, 0, 5);
    expect(await errnoOf(lock(b, SHARED, 4, 1))).toBe(Errno.EAGAIN);
    await lock(b, EXCLUSIVE, 5, 0);
    const test = (handle: number, start: number, count: number) =>
      mount.call(m.MountTestLock, { handle, kind: EXCLUSIVE, start, bytes: count }, m.MountLockFound);
    expect(await test(a, 0, 0)).toEqual({ kind: EXCLUSIVE, start: 5, bytes: 0 });
    expect(await test(b, 5, 0)).toEqual({ kind: 0, start: 0, bytes: 0 });
    await lock(a, NONE, 0, 0);
    await lock(b, SHARED, 0, 5);
    await lock(a, SHARED, 0, 5);
    expect(await errnoOf(lock(a, 3))).toBe(Errno.EINVAL);
    const reader = await mount.handle("file", READ);
    expect(await errnoOf(lock(reader, EXCLUSIVE))).toBe(Errno.EBADF);
    expect(
      await errnoOf(
        mount.call(m.MountTestLock, { handle: a, kind: 0, start: 0, bytes: 0 }, m.MountLockFound),
      ),
    ).toBe(Errno.EINVAL);
  });

  it("wait without holding up anything, and are there when they are free", async () => {
    writeFileSync(join(host.data, "file"), "0123456789");
    const [a, b] = [await mount.handle("file", READ | WRITE), await mount.handle("file", READ | WRITE)];
    await lock(a, EXCLUSIVE);
    const waiting = await mount.stream.send(m.MountLock, lockRequest(b, EXCLUSIVE, true));
    for (let i = 0; i < 100; i++) expect((await mount.read(b, 0, 4)).toString()).toBe("0123");
    await sleep(50);
    expect(mount.hasReply(waiting)).toBe(false);
    await lock(a, NONE);
    await mount.reply(Done, waiting);
    expect(await errnoOf(lock(a, SHARED))).toBe(Errno.EAGAIN);
  });

  it("that a program of the host has are waited for, and are told to be in the way", async () => {
    const path = join(host.data, "file");
    writeFileSync(path, "0123456789");
    const file = await mount.handle("file", READ | WRITE);
    using other = await holder(path);
    expect(await errnoOf(lock(file, SHARED))).toBe(Errno.EAGAIN);
    const test = { handle: file, kind: SHARED, start: 0, bytes: 1 };
    expect(await mount.call(m.MountTestLock, test, m.MountLockFound)).toMatchObject({ kind: EXCLUSIVE });
    const waiting = await mount.stream.send(m.MountLock, lockRequest(file, SHARED, true));
    await sleep(30);
    expect(mount.hasReply(waiting)).toBe(false);
    other.stdin!.end();
    await mount.reply(Done, waiting);
  });

  it("keep a program of the host away, until the guest goes", async () => {
    const path = join(host.data, "file");
    writeFileSync(path, "");
    const file = await mount.handle("file", READ | WRITE);
    await lock(file, EXCLUSIVE);
    await expect(holder(path)).rejects.toThrow();
    guest.vanish();
    await until("the lock is gone", async () => {
      const found = await holder(path).catch(() => undefined);
      found?.[Symbol.dispose]();
      return found !== undefined;
    });
  });

  it("that wait are taken back by MountCancel, MountRelease and END", async () => {
    writeFileSync(join(host.data, "file"), "");
    const [a, b] = [await mount.handle("file", READ | WRITE), await mount.handle("file", READ | WRITE)];
    await lock(a, EXCLUSIVE);
    const wait = (handle: number) => mount.stream.send(m.MountLock, lockRequest(handle, SHARED, true));
    const first = await wait(b);
    await sleep(20);
    const cancel = await mount.stream.send(m.MountCancel, { id: first });
    expect(await errnoOf(mount.reply(Done, first))).toBe(Errno.ECANCELED);
    await mount.reply(Done, cancel);
    const second = await wait(b);
    await mount.release(b);
    expect(await errnoOf(mount.reply(Done, second))).toBe(Errno.ECANCELED);
    const c = await mount.handle("file", READ | WRITE);
    const third = await wait(c);
    mount.stream.end();
    expect(await errnoOf(mount.reply(Done, third))).toBe(Errno.ECANCELED);
    await until("the host ends", () => mount.stream.hostIsThrough());
  });

  it("are ENOLCK past the host's bound of ranges, and of those that wait", async () => {
    writeFileSync(join(host.data, "file"), "");
    const [a, b] = [await mount.handle("file", READ | WRITE), await mount.handle("file", READ | WRITE)];
    const ids: number[] = [];
    for (let i = 0; i < 1100; i++) {
      ids.push(await mount.stream.send(m.MountLock, lockRequest(a, EXCLUSIVE, false, 2 * i, 1)));
    }
    const errnos = new Map<number, number>();
    for (const id of ids) {
      const errno = await errnoOf(mount.reply(Done, id));
      errnos.set(errno, (errnos.get(errno) ?? 0) + 1);
    }
    expect([...errnos.keys()].sort()).toEqual([0, Errno.ENOLCK]);
    expect(errnos.get(0)).toBeGreaterThanOrEqual(1024);
    expect(errnos.get(0)).toBeLessThan(1024 + 64);
    // To look locks nothing.
    const look = { handle: b, kind: EXCLUSIVE, start: 0, bytes: 1 };
    expect(await mount.call(m.MountTestLock, look, m.MountLockFound)).toMatchObject({ kind: EXCLUSIVE });
    await lock(a, NONE);
    await lock(a, EXCLUSIVE);
    const waiting: number[] = [];
    for (let i = 0; i < 70; i++)
      waiting.push(await mount.stream.send(m.MountLock, lockRequest(b, SHARED, true)));
    await until("some are refused", () => waiting.filter((id) => mount.hasReply(id)).length === 6);
    await lock(a, NONE);
    let granted = 0;
    for (const id of waiting) if ((await errnoOf(mount.reply(Done, id))) === 0) granted++;
    expect(granted).toBe(64);
  });

  it("are no more of them by unlocking in the middle, one piece after the other", async () => {
    writeFileSync(join(host.data, "file"), "");
    const file = await mount.handle("file", READ | WRITE);
    await lock(file, EXCLUSIVE);
    let done = 0;
    for (let i = 0; i < 1200; i += 40) {
      const ids: number[] = [];
      for (let j = i; j < i + 40; j++)
        ids.push(await mount.stream.send(m.MountLock, lockRequest(file, NONE, false, 2 * j + 1, 1)));
      for (const id of ids) if ((await errnoOf(mount.reply(Done, id))) === 0) done++;
    }
    expect(done).toBeGreaterThanOrEqual(1023);
    expect(done).toBeLessThan(1024 + 64);
    // What takes none off the list still goes, and all of it.
    await lock(file, NONE, 4000, 0);
    await lock(file, NONE);
    await lock(file, EXCLUSIVE);
  });
});

const { CREATED, REMOVED, MODIFIED, ATTRIBUTES, MOVED_FROM, MOVED_TO, CLOSED, FOLDER, GONE, OVERFLOW } =
  m.MountEventBits;

async function watch(path: string, recursive = false): Promise<number> {
  const request = { at: 0, flags: recursive ? 1 : 0, path: bytes(path) };
  return (await mount.call(m.MountWatch, request, m.MountWatching)).watch;
}

describe("watches", () => {
  it("tell what anybody does to a folder's entries", async () => {
    const id = await watch("");
    const path = join(host.data, "file");
    writeFileSync(path, "x");
    const is = (bits: number, name: string) => (event: m.MountEvent & { text: string }) =>
      event.watch === id && (event.events & bits) !== 0 && event.text === name;
    await mount.event(is(CREATED, "file"));
    await mount.event(is(CLOSED, "file"));
    await mount.write(await mount.handle("file", WRITE), 0, "y");
    await mount.event(is(MODIFIED, "file"));
    renameSync(path, join(host.data, "moved"));
    const from = await mount.event(is(MOVED_FROM, "file"));
    const to = await mount.event(is(MOVED_TO, "moved"));
    expect(from.cookie).not.toBe(0);
    expect(to.cookie).toBe(from.cookie);
    unlinkSync(join(host.data, "moved"));
    await mount.event(is(REMOVED, "moved"));
    mkdirSync(join(host.data, "folder"));
    const made = await mount.event(is(CREATED, "folder"));
    expect(made.events & FOLDER).toBe(FOLDER);
    const odd = Buffer.from([0x6f, 0xff, 0x64]);
    writeFileSync(Buffer.concat([Buffer.from(`${host.data}/`), odd]), "");
    await mount.event((event) => odd.equals(event.path));
    await mount.call(m.MountUnwatch, { watch: id }, Done);
    expect(await errnoOf(mount.call(m.MountUnwatch, { watch: id }, Done))).toBe(Errno.EBADF);
    mount.events.length = 0;
    writeFileSync(path, "unseen");
    await mount.stat("");
    await sleep(20);
    mount.poll();
    expect(mount.events).toEqual([]);
  });

  it("of a file tell of it with no path, and GONE when it is no more", async () => {
    const path = join(host.data, "file");
    writeFileSync(path, "x");
    const id = await watch("file");
    writeFileSync(path, "y");
    await mount.event(({ events, text }) => (events & MODIFIED) !== 0 && text === "");
    unlinkSync(path);
    await mount.event(({ watch, events }) => watch === id && (events & GONE) !== 0);
    expect(await errnoOf(mount.call(m.MountUnwatch, { watch: id }, Done))).toBe(Errno.EBADF);
    void ATTRIBUTES;
  });

  it("of an empty folder say GONE too, and of what is not there nothing begins", async () => {
    mkdirSync(join(host.data, "folder"));
    await watch("folder", true);
    rmdirSync(join(host.data, "folder"));
    await mount.event(({ events }) => (events & GONE) !== 0);
    expect(await errnoOf(watch("folder"))).toBe(Errno.ENOENT);
    const all = await RawMount.open(guest, "/");
    const request = { at: 0, flags: 1, path: bytes("") };
    expect(await errnoOf(all.call(m.MountWatch, request, m.MountWatching))).toBe(Errno.EOPNOTSUPP);
    expect(await errnoOf(mount.call(m.MountWatch, { ...request, flags: 2 }, m.MountWatching))).toBe(
      Errno.EINVAL,
    );
  });

  it("of all below see what appears deep, at once, and by its new name what is moved", async () => {
    mkdirSync(join(host.data, "a/b"), { recursive: true });
    await watch("", true);
    writeFileSync(join(host.data, "a/b/deep"), "");
    await mount.event(({ events, text }) => (events & CREATED) !== 0 && text === "a/b/deep");
    // Made at once, all of it: nothing of it is missed, though no folder of it was watched.
    mkdirSync(join(host.data, "new/x/y/z"), { recursive: true });
    writeFileSync(join(host.data, "new/x/y/z/file"), "");
    await mount.event(({ events, text }) => (events & CREATED) !== 0 && text === "new/x/y/z/file");
    renameSync(join(host.data, "new/x"), join(host.data, "a/moved"));
    await mount.event(({ text }) => text === "a/moved/y/z/file");
    writeFileSync(join(host.data, "a/moved/y/z/second"), "");
    await mount.event(({ text }) => text === "a/moved/y/z/second");
    rmSync(join(host.data, "a"), { recursive: true });
    await mount.event(({ events, text }) => (events & REMOVED) !== 0 && text === "a");
  });

  it("say OVERFLOW for what the guest did not take in time, and go on", async () => {
    const small = await RawMount.open(guest, "/data", 65_536);
    const request = { at: 0, flags: 1, path: bytes("") };
    // Twice as many are more than a guest may watch.
    const many = (name: string): void => {
      for (let i = 0; i < 1100; i++) mkdirSync(join(host.data, `${name}/${i}`), { recursive: true });
    };
    many("old");
    await small.call(m.MountWatch, request, m.MountWatching);
    // Three events each: more than the ring and the kernel's queue take.
    const queued = Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8"));
    for (let i = 0; i < queued / 3 + 2000; i++) {
      const path = join(host.data, "f");
      writeFileSync(path, "");
      unlinkSync(path);
    }
    rmSync(join(host.data, "old"), { recursive: true });
    many("late");
    await small.event(({ events }) => (events & OVERFLOW) !== 0);
    // Whoever looks for himself then may miss what comes before all is watched again, and is told to look once more.
    writeFileSync(join(host.data, "late/1099/once"), "");
    await small.event(({ events, text }) => text === "late/1099/once" || (events & OVERFLOW) !== 0);
    await until("a folder that nobody told of is watched", async () => {
      writeFileSync(join(host.data, "late/1099/file"), `${Math.random()}`);
      small.poll();
      return small.events.some(({ path }) => Buffer.from(path).toString() === "late/1099/file");
    });
  }, 60_000);

  it("that are asked for before END are answered, whatever is still looked for", async () => {
    await watch("", true);
    mkdirSync(join(host.other, "tree"));
    for (let i = 0; i < 100; i++) mkdirSync(join(host.other, `tree/${i}/x`), { recursive: true });
    renameSync(join(host.other, "tree"), join(host.data, "tree"));
    await mount.event(({ text }) => text.startsWith("tree/"));
    const request = { at: 0, flags: 0, path: bytes("") };
    const asked = await mount.stream.send(m.MountWatch, request);
    mount.stream.end();
    await mount.reply(m.MountWatching, asked);
    await until("the host ends", () => mount.stream.hostIsThrough());
  });

  it("that wait to be begun are taken back by MountCancel, behind another watch and behind busy workers", async () => {
    for (let i = 0; i < 50; i++) mkdirSync(join(host.data, `${i}`));
    const { stream } = mount;
    const request = { at: 0, flags: 1, path: bytes("") };
    const takenBack = async (before: () => void): Promise<void> => {
      const [asked, cancel] = stream.together(() => {
        before();
        const id = stream.post(m.MountWatch, request);
        return [id, stream.post(m.MountCancel, { id })];
      });
      expect(await errnoOf(mount.reply(m.MountWatching, asked!))).toBe(Errno.ECANCELED);
      await mount.reply(Done, cancel!);
    };
    let first = 0;
    await takenBack(() => {
      first = stream.post(m.MountWatch, request);
    });
    const { watch: id } = await mount.reply(m.MountWatching, first);
    writeFileSync(join(host.data, "0/file"), "");
    await mount.event(({ watch, text }) => watch === id && text === "0/file");
    // A key has two workers.
    const folders = [await mount.folder(""), await mount.folder("")];
    const listings: number[] = [];
    await takenBack(() => {
      const listing = { cookieLow: 0, cookieHigh: 0, entries: 4096 };
      for (const handle of folders) listings.push(stream.post(m.MountReadDirPlus, { ...listing, handle }));
    });
    for (const listing of listings) await mount.reply(m.MountEntries, listing);
    // They hold nothing: of 64 watches one is there.
    for (let i = 1; i < 64; i++) await watch("");
    expect(await errnoOf(watch(""))).toBe(Errno.ENOSPC);
  });

  it("tell of everything in a folder that appears, some at a time, as the guest has room for it", async () => {
    await watch("", true);
    const deep = join(host.other, "tree", ...Array.from({ length: 10 }, () => "d".repeat(200)));
    mkdirSync(deep, { recursive: true });
    // 2 MB of paths: more than waits in the monitor for a guest that does not read.
    const files = 1000;
    for (let i = 0; i < files; i++) writeFileSync(join(deep, String(i)), "");
    renameSync(join(host.other, "tree"), join(host.data, "tree"));
    const told = new Set<string>();
    await until("all are told", () => {
      mount.poll();
      for (const { events, path } of mount.events.splice(0)) {
        expect(events & OVERFLOW).toBe(0);
        if ((events & FOLDER) === 0) told.add(Buffer.from(path).toString());
      }
      return told.size === files;
    });
  });

  it("are bounded, and given back with the stream", async () => {
    const before = descriptors();
    for (let i = 0; i < 64; i++) await watch("");
    expect(await errnoOf(watch(""))).toBe(Errno.ENOSPC);
    mount.stream.reset();
    mount = await RawMount.open(guest);
    await until("all is given back", () => descriptors() <= before);
    for (let i = 0; i < 2100; i++) mkdirSync(join(host.data, `many/${i}`), { recursive: true });
    expect(await errnoOf(watch("many", true))).toBe(Errno.ENOSPC);
    await watch("many");
    // Where they appear all at once it is said once, and not for each.
    renameSync(join(host.data, "many"), join(host.other, "many"));
    await watch("", true);
    renameSync(join(host.other, "many"), join(host.data, "many"));
    await mount.event(({ events }) => (events & OVERFLOW) !== 0);
    // What changes in a folder that is not watched would be told by nobody.
    await mount.event(({ events, path }) => (events & GONE) !== 0 && path.length === 0);
    await mount.stat("");
    await sleep(100);
    mount.poll();
    expect(mount.events.filter(({ events }) => (events & OVERFLOW) !== 0).length).toBeLessThan(10);
  }, 60_000);
});
