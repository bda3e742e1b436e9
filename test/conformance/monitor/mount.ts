// mount: PROTOCOL.md section 19.

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encode, type Fields } from "../../../packages/conformance/src/catalogue.ts";
import type { HostFrame } from "../../../packages/conformance/src/host/pipe.ts";
import { until } from "../../support/wait.ts";
import { type WirePipe, word } from "../wire-guest.ts";
import { ERROR, frameOf, type MonitorCase, type MonitorWorld, OPENED, of, REFUSED } from "./case.ts";

const MOUNT = 12;
const DONE = 0x8002;
const hex = (text: string): string => Buffer.from(text).toString("hex");
const RINGS = 1 << 17;
const time = { seconds: 0, nanoseconds: 0 };

async function mounted(world: MonitorWorld, path = "/data"): Promise<WirePipe> {
  return (await world.guest.open(MOUNT, "MountRequest", { path: hex(path) }, RINGS)).pipe;
}

/** Kind, mode and size of attributes that begin here. */
const told = (frame: HostFrame, at = 0): [number, number, number] => [
  word(frame.payload, at),
  word(frame.payload, at + 4),
  word(frame.payload, at + 32),
];

async function handle(pipe: WirePipe, path: string, flags: number): Promise<number> {
  const frame = await pipe.ask("MountOpen", { at: 0, flags, mode: 0o644, path: hex(path) });
  return word(frame.payload);
}

/** Asks for what is to be refused with this errno. */
async function refused(
  world: MonitorWorld,
  pipe: WirePipe,
  clause: string,
  errno: number,
  name: string,
  fields: Fields,
): Promise<void> {
  world.same(
    clause,
    frameOf(await pipe.ask(name, fields)),
    [ERROR, errno],
    `${name} ${JSON.stringify(fields)}`,
  );
}

export const mountCases: MonitorCase[] = [
  of(
    "mount: handles",
    "MNT-1 MNT-2 MNT-4 MNT-5 MNT-7 MNT-8 MNT-9 MNT-10 MNT-11 MNT-12 MNT-13",
    async (world) => {
      const { pipe, answer } = await world.guest.open(MOUNT, "MountRequest", { path: hex("/data") }, RINGS);
      world.same("MNT-1", [answer.type, word(answer.payload, 8)], [OPENED, 2], "Opened, of a folder");
      world.check("MNT-1", word(answer.payload) > 0 && word(answer.payload, 4) > 0, "handles and requests");
      const opened = await pipe.ask("MountOpen", {
        at: 0,
        flags: 1 | 2 | 4,
        mode: 0o640,
        path: hex("mfile"),
      });
      world.same("MNT-7", [opened.type, ...told(opened, 4)], [0x8a01, 1, 0o640, 0], "MountOpen");
      const file = word(opened.payload);
      world.check("MNT-7", file !== 0, "a handle is not 0");
      const write = { handle: file, flags: 0, offset: 3, data: hex("hello") };
      world.same("MNT-10", frameOf(await pipe.ask("MountWrite", write)), [0x8402, 5], "MountWrite");
      const append = { handle: file, flags: 1, offset: 0, data: hex("!") };
      world.same("MNT-10", frameOf(await pipe.ask("MountWrite", append)), [0x8402, 1], "APPEND");
      const read = await pipe.ask("MountRead", { handle: file, offset: 0, bytes: 100 });
      world.same("MNT-9", Buffer.from(read.payload).toString(), "\0\0\0hello!", "MountRead, to the end");
      const stat = await pipe.ask("MountStat", { at: file, follow: 1, path: "" });
      world.same("MNT-2", [stat.type, ...told(stat)], [0x8a0c, 1, 0o640, 9], "an empty path is the handle");
      world.same(
        "MNT-11",
        (await pipe.ask("MountFsync", { handle: file, dataOnly: 1 })).type,
        DONE,
        "MountFsync",
      );
      world.same("MNT-11", (await pipe.ask("MountFlush", { handle: file })).type, DONE, "MountFlush");
      const seek = await pipe.ask("MountSeek", { handle: file, whence: 4, offset: 9 });
      world.same("MNT-12", frameOf(seek), [ERROR, 6], "MountSeek past the end");
      const hole = { handle: file, mode: 3, offset: 0, bytes: 4 };
      world.same("MNT-12", (await pipe.ask("MountFallocate", hole)).type, DONE, "MountFallocate punches");
      const copy = { from: file, to: file, fromOffset: 4, toOffset: 100, bytes: 4 };
      world.same("MNT-12", frameOf(await pipe.ask("MountCopyRange", copy)), [0x8402, 4], "MountCopyRange");
      const set = { at: file, follow: 1, valid: 1 | 8, mode: 0o600, uid: 0, gid: 0, size: 2, path: "" };
      const after = await pipe.ask("MountSetAttr", { ...set, accessed: time, modified: time });
      world.same("MNT-13", [after.type, ...told(after)], [0x8a0c, 1, 0o600, 2], "MountSetAttr");
      const bits = { ...set, mode: 0o4755, accessed: time, modified: time };
      await refused(world, pipe, "MNT-13", 1, "MountSetAttr", bits);
      world.same("MNT-8", (await pipe.ask("MountRelease", { handle: file })).type, DONE, "MountRelease");
      await refused(world, pipe, "MNT-8", 9, "MountRelease", { handle: file });
      await refused(world, pipe, "MNT-7", 2, "MountOpen", { at: 0, flags: 1, mode: 0, path: hex("none") });
      await refused(world, pipe, "MNT-7", 21, "MountOpen", { at: 0, flags: 1, mode: 0, path: "" });
      await refused(world, pipe, "MNT-2", 22, "MountStat", { at: 0, follow: 1, path: hex("/data") });
      const all = await mounted(world, "/");
      const top = await all.ask("MountStat", { at: 0, follow: 1, path: "" });
      world.same("MNT-4", told(top), [2, 0o555, 0], "what leads to the policy's folders");
      world.same("MNT-5", word(top.payload, 20), 0, "its device");
      await refused(world, all, "MNT-4", 30, "MountMkdir", { at: 0, mode: 0o755, path: hex("") });
      pipe.finish();
      all.finish();
      const { pipe: absent, answer: no } = await world.guest.open(MOUNT, "MountRequest", {
        path: hex("data"),
      });
      world.same("MNT-1", frameOf(no), [REFUSED, 22], "a path that is not absolute");
      absent.finish();
    },
  ),
  of("mount: names", "MNT-6 MNT-14 MNT-15 MNT-16 MNT-17", async (world) => {
    const pipe = await mounted(world);
    mkdirSync(join(world.data, "min"));
    symlinkSync("/etc", join(world.data, "mout"));
    await refused(world, pipe, "MNT-6", 18, "MountStat", { at: 0, follow: 1, path: hex("mout/passwd") });
    await refused(world, pipe, "MNT-6", 13, "MountStat", { at: 0, follow: 1, path: hex("../x") });
    const made = await pipe.ask("MountMkdir", { at: 0, mode: 0o700, path: hex("min/a") });
    world.same("MNT-15", told(made).slice(0, 2), [2, 0o700], "MountMkdir");
    const odd = { at: 0, mode: 0o600, path: `${hex("min/")}fffe` };
    world.same("MNT-15", told(await pipe.ask("MountMknod", odd)).slice(0, 2), [1, 0o600], "MountMknod");
    await refused(world, pipe, "MNT-15", 17, "MountMknod", odd);
    const link = { fromAt: 0, toAt: 0, from: odd.path, to: hex("min/second") };
    world.same("MNT-15", word((await pipe.ask("MountLink", link)).payload, 8), 2, "MountLink: two links");
    const symlink = { at: 0, target: "2e2ffd", path: hex("min/link") };
    world.same("MNT-15", told(await pipe.ask("MountSymlink", symlink))[0], 3, "MountSymlink");
    const target = await pipe.ask("MountReadlink", { at: 0, path: hex("min/link") });
    world.same(
      "MNT-16",
      [target.type, Buffer.from(target.payload).toString("hex")],
      [0x8401, "2e2ffd"],
      "bytes",
    );
    const folder = await handle(pipe, "min", 1 | 128);
    const names: string[] = [];
    let cookie = { cookieLow: 0, cookieHigh: 0 };
    for (;;) {
      const { type, payload } = await pipe.ask("MountReadDir", { handle: folder, ...cookie, entries: 2 });
      world.same("MNT-14", type, 0x8a0e, "MountNames");
      const count = word(payload);
      if (count === 0) break;
      world.check("MNT-14", count <= 2, "no more entries than asked for");
      for (let at = 4, left = count; left > 0; left--) {
        const length = word(payload, at + 20);
        cookie = { cookieLow: word(payload, at), cookieHigh: word(payload, at + 4) };
        names.push(Buffer.from(payload.subarray(at + 24, at + 24 + length)).toString("hex"));
        at += 24 + length;
      }
    }
    const expected = [hex("a"), "fffe", hex("second"), hex("link")];
    world.same("MNT-14", names.sort(), expected.sort(), "names, those that are not UTF-8 too");
    const plus = await pipe.ask("MountReadDirPlus", {
      handle: folder,
      cookieLow: 0,
      cookieHigh: 0,
      entries: 4,
    });
    world.same("MNT-14", [plus.type, word(plus.payload)], [0x8a0f, 4], "MountEntries");
    const rename = { fromAt: 0, toAt: folder, from: odd.path, to: hex("moved"), flags: 1 };
    world.same("MNT-16", (await pipe.ask("MountRename", rename)).type, DONE, "MountRename, from a handle");
    await refused(world, pipe, "MNT-16", 39, "MountRmdir", { at: 0, path: hex("min") });
    await refused(world, pipe, "MNT-16", 21, "MountUnlink", { at: 0, path: hex("min") });
    world.same(
      "MNT-16",
      (await pipe.ask("MountUnlink", { at: folder, path: hex("moved") })).type,
      DONE,
      "Unlink",
    );
    world.same("MNT-16", (await pipe.ask("MountStatfs", { at: 0, path: "" })).type, 0x860c, "MountStatfs");
    const at = { at: 0, follow: 1, path: hex("min/second") };
    const name = hex("user.x");
    const set = await pipe.ask("MountSetXattr", { ...at, flags: 1, name, value: "0100" });
    world.same("MNT-17", set.type, DONE, "MountSetXattr");
    const got = await pipe.ask("MountGetXattr", { ...at, name });
    world.same("MNT-17", Buffer.from(got.payload).toString("hex"), "0100", "MountGetXattr");
    world.same("MNT-17", word((await pipe.ask("MountListXattr", at)).payload), 1, "MountListXattr");
    world.same(
      "MNT-17",
      (await pipe.ask("MountRemoveXattr", { ...at, name })).type,
      DONE,
      "MountRemoveXattr",
    );
    await refused(world, pipe, "MNT-17", 61, "MountGetXattr", { ...at, name });
    await refused(world, pipe, "MNT-17", 95, "MountGetXattr", { ...at, name: hex("trusted.x") });
    pipe.finish();
  }),
  of("mount: what waits", "MNT-3 MNT-18 MNT-19 MNT-20 MNT-21 MNT-22", async (world) => {
    const pipe = await mounted(world);
    writeFileSync(join(world.data, "locked"), "x");
    const [a, b] = [await handle(pipe, "locked", 3), await handle(pipe, "locked", 3)];
    const lock = (handle: number, wait: number): Fields => ({ handle, kind: 2, wait, start: 0, bytes: 0 });
    world.same("MNT-18", (await pipe.ask("MountLock", lock(a, 0))).type, DONE, "MountLock");
    await refused(world, pipe, "MNT-18", 11, "MountLock", lock(b, 0));
    const found = await pipe.ask("MountTestLock", { handle: b, kind: 1, start: 0, bytes: 1 });
    world.same("MNT-18", frameOf(found), [0x8a0b, 2], "MountTestLock");
    const waiting = await pipe.send(0x0a0a, encode("MountLock", lock(b, 1)));
    const read = await pipe.ask("MountRead", { handle: b, offset: 0, bytes: 1 });
    world.same("MNT-3", Buffer.from(read.payload).toString(), "x", "what comes behind a lock that waits");
    const cancel = await pipe.send(0x0a20, encode("MountCancel", { id: waiting }));
    const answers = [await pipe.frame(), await pipe.frame()];
    world.same(
      "MNT-19",
      answers.map(({ type, request }) => [type, request]),
      [
        [ERROR, waiting],
        [DONE, cancel],
      ],
      "what was taken back, before the Done",
    );
    world.same("MNT-19", word(answers[0]!.payload), 125, "ECANCELED");
    const watch = await pipe.ask("MountWatch", { at: 0, flags: 1, path: "" });
    world.same("MNT-20", watch.type, 0x8a1d, "MountWatching");
    const id = word(watch.payload);
    writeFileSync(join(world.data, "appeared"), "");
    const event = await pipe.frame();
    world.same("MNT-21", [event.type, event.request, word(event.payload)], [0x8a1f, 0, id], "MountEvent");
    world.same("MNT-21", word(event.payload, 4) & 1, 1, "CREATED");
    const path = Buffer.from(event.payload.subarray(16, 16 + word(event.payload, 12))).toString();
    world.same("MNT-21", path, "appeared", "its path");
    const unwatch = await pipe.send(0x0a1e, encode("MountUnwatch", { watch: id }));
    await until("the Done", async () => {
      const { type, request } = await pipe.frame();
      return type === DONE && request === unwatch;
    });
    await refused(world, pipe, "MNT-20", 9, "MountUnwatch", { watch: id });
    const late = await pipe.send(0x0a0a, encode("MountLock", lock(b, 1)));
    pipe.end();
    const last = await pipe.frame();
    world.same(
      "MNT-22",
      [last.type, last.request, word(last.payload)],
      [ERROR, late, 125],
      "ECANCELED by END",
    );
    world.same("MNT-22", (await pipe.takeAll()).closed, 1, "END");
    pipe.finish();
    const broken = await mounted(world);
    await broken.send(0x0a03, [1, 2, 3]);
    world.check("MNT-22", await broken.wasReset(), "a violation resets");
  }),
];
