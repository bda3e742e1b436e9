// What a guest can make the monitor hold (TRU-5): open files, descriptors, memory; and that all of it comes back.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Done, Errno, fileMessages, fsMessages, StatReply } from "@ringway/control";
import { Guest } from "@ringway/guest";
import { expect, it } from "vitest";
import { errnoOf, failureOf } from "../support/declined.ts";
import { descriptors, descriptorsOf } from "../support/processes.ts";
import { until } from "../support/wait.ts";
import { startHost, withLimits } from "./host.ts";
import { FileGuest, type RawStream } from "./wire.ts";

const { READ, WRITE, CREATE } = fileMessages.FileFlags;
const { Data, FileDirection, Read, Write, Written } = fileMessages;

it("a limit of open files is EMFILE past it, whatever they are opened for, and comes back with every close", async () => {
  await using host = await startHost({ limits: { openFiles: 3 } });
  using guest = await FileGuest.attach(host.path);
  writeFileSync(join(host.data, "f"), Buffer.alloc(100_000));
  const fs = await guest.openFs();
  const readStream = { direction: FileDirection.READ, flags: READ, path: "/data/f" };
  for (let round = 0; round < 5; round++) {
    const file = await guest.openFile("/data/f", READ);
    const [stream] = await guest.openFileStream(readStream, 4096);
    const writer = await guest.openFile("/data/new", WRITE | CREATE);
    expect(await failureOf(guest.openFile("/data/f", READ))).toMatchObject({ errno: Errno.EMFILE });
    expect(await errnoOf(guest.openFileStream(readStream))).toBe(Errno.EMFILE);
    expect(await errnoOf(fs.readDir("/data"))).toBe(Errno.EMFILE);
    // What opens nothing for longer than the request goes on.
    await fs.call(fsMessages.Stat, { path: "/data/f" }, StatReply);
    await file.call(fileMessages.Close, {}, Done);
    const next = await guest.openFile("/data/f", READ);
    file.let();
    stream.reset();
    await writer.finish();
    await until("two are free", () => host.monitor.counters().streams <= 2);
    expect((await fs.readDir("/data")).names.length).toBe(2);
    // Refusals took nothing.
    expect(await errnoOf(guest.openFile("/data/none", READ))).toBe(Errno.ENOENT);
    await next.finish();
  }
  // Another guest has a limit of its own.
  const full = await Promise.all([0, 1, 2].map(() => guest.openFile("/data/f", READ)));
  using other = await FileGuest.attach(host.path);
  await (await other.openFile("/data/f", READ)).finish();
  for (const file of full) await file.finish();
});

it("opens and closes 10,000 files without keeping a descriptor", async () => {
  await using host = await startHost();
  writeFileSync(join(host.data, "f"), "content");
  using guest = await FileGuest.attach(host.path);
  await (await guest.openFile("/data/f", READ)).finish();
  const before = descriptors();
  const one = async (turn: number): Promise<void> => {
    switch (turn % 5) {
      case 0: {
        const file = await guest.openFile("/data/f", READ, 0, 4096);
        expect((await file.call(Read, { bytes: 100 }, Data)).data.length).toBe(7);
        return await file.finish();
      }
      case 1: {
        const request = { direction: FileDirection.READ, flags: READ, path: "/data/f" };
        const [stream] = await guest.openFileStream(request, 4096);
        return stream.reset();
      }
      case 2: {
        const request = { direction: FileDirection.WRITE, flags: WRITE | CREATE, path: `/data/w${turn % 7}` };
        const [stream] = await guest.openFileStream(request, 4096);
        await stream.write(Buffer.from("x"));
        return await stream.finish();
      }
      case 3: {
        // Given up while it is being opened.
        const stream = await guest.stream(4096);
        const body = fileMessages.FileOpen.encode({ path: "/data/f", flags: READ, mode: 0 });
        stream.open(4, body).catch(() => {});
        return stream.reset();
      }
      default:
        expect(await errnoOf(guest.openFile("/data/none", READ, 0, 4096))).toBe(Errno.ENOENT);
    }
  };
  for (let turn = 0; turn < 10_000; turn += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => one(turn + i)));
  }
  await until("descriptors are back", () => descriptors() <= before);
  await until("streams are back", () => host.monitor.counters().streams === 0);
}, 60_000);

it("a reload judges what is asked from now on; what is open stays open; old roots are closed when unused", async () => {
  await using host = await startHost();
  const { monitor } = host;
  const old = join(host.folder, "old");
  const young = join(host.folder, "young");
  mkdirSync(old);
  mkdirSync(young);
  writeFileSync(join(old, "f"), "old");
  writeFileSync(join(young, "f"), "young");
  const root = (folder: string): typeof host.policy => ({
    ...host.policy,
    files: [{ id: "data", guest: "/data", host: folder, access: "rw", crossMounts: false, xattrs: [] }],
  });
  await monitor.reload(root(old));
  using guest = await FileGuest.attach(host.path);
  const fs = await guest.openFs();
  const file = await guest.openFile("/data/f", READ | WRITE);
  await until("the first policy's roots are closed", () => descriptorsOf(host.data) === 0);
  expect(descriptorsOf(old)).toBe(1);

  await monitor.reload(root(young));
  await until("old roots are closed", () => descriptorsOf(old) === 0 && descriptorsOf(young) === 1);
  expect(Buffer.from((await file.call(Read, { bytes: 10 }, Data)).data).toString()).toBe("old");
  await file.call(Write, { data: Buffer.from("!") }, Written);
  const reopened = await guest.openFile("/data/f", READ);
  expect(Buffer.from((await reopened.call(Read, { bytes: 10 }, Data)).data).toString()).toBe("young");
  expect(await fs.call(fsMessages.Stat, { path: "/data/f" }, StatReply)).toMatchObject({ size: 5 });

  await monitor.reload({ ...host.policy, files: [] });
  expect(await errnoOf(guest.openFile("/data/f", READ))).toBe(Errno.EACCES);
  expect(await errnoOf(fs.call(fsMessages.Stat, { path: "/data/f" }, StatReply))).toBe(Errno.EACCES);
  await reopened.finish();
  await file.finish();
  await until("young's root too", () => descriptorsOf(young) === 0);
  // Reloads while requests are under way: no root is closed twice, none is kept.
  const before = descriptors();
  const names = Array.from({ length: 300 }, (_, i) => i);
  await Promise.all(
    names.map(async (i) => {
      await monitor.reload(root(i % 2 === 0 ? old : young));
      const found = await errnoOf(
        fs.call(fsMessages.Stat, { path: "/data/f" }, StatReply).catch(() => {}) as never,
      );
      expect([0, Errno.EACCES]).toContain(found);
    }),
  );
  await monitor.reload({ ...host.policy, files: [] });
  await until("all roots are closed", () => descriptors() <= before);
});

it("a smaller limit by reload counts what is open already", async () => {
  await using host = await startHost();
  using guest = await FileGuest.attach(host.path);
  const files = await Promise.all([0, 1, 2].map((i) => guest.openFile(`/data/${i}`, WRITE | CREATE)));
  await host.monitor.reload(withLimits(host.policy, { openFiles: 2 }));
  const open = (): Promise<RawStream> => guest.openFile("/data/more", WRITE | CREATE);
  await until("the reload", () => host.monitor.policy.limits.openFiles === 2);
  expect(await errnoOf(open())).toBe(Errno.EMFILE);
  for (const file of files) await file.finish();
  await (await open()).finish();
});

it("guests that come, work on files and vanish leave nothing behind", async () => {
  await using host = await startHost();
  writeFileSync(join(host.data, "f"), Buffer.alloc(1_000_000, "f"));
  // Starts the disk workers too, which stay.
  await using first = await Guest.attach(host.path);
  await first.stat("/data/f");
  await first.close();
  await until("no guest", () => host.monitor.counters().guests === 0);
  const before = descriptors();
  for (let round = 0; round < 20; round++) {
    using guest = await FileGuest.attach(host.path);
    const request = { direction: FileDirection.READ, flags: READ, path: "/data/f" };
    const [reading] = await guest.openFileStream(request, 65536);
    const writes = { direction: FileDirection.WRITE, flags: WRITE | CREATE, path: `/data/out-${round}` };
    const [writing] = await guest.openFileStream(writes, 65536);
    await writing.write(Buffer.alloc(50_000));
    const file = await guest.openFile(`/data/file-${round}`, READ | WRITE | CREATE);
    for (let i = 0; i < 20; i++) file.post(Write, { data: Buffer.alloc(1000) });
    const fs = await guest.openFs();
    for (let i = 0; i < 20; i++) fs.post(fsMessages.ReadDir, { path: "/data" });
    if (round % 2 === 0) await reading.read(1);
  }
  await until("no guest", () => host.monitor.counters().guests === 0);
  await until("descriptors are back", () => descriptors() <= before);
});
