// Who connects to the attach socket, and how often: nobody keeps others out of it for good.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Errno, fileMessages, Protocol } from "@ringway/control";
import { closeFd } from "@ringway/linux";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Declined } from "../support/declined.ts";
import { guestsAre, LOOPBACK, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { MonitorProgram } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { SlowDisk } from "../support/slow-disk.ts";
import { echoServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { connectAs, noUsers, openToAll } from "../support/users.ts";
import { until } from "../support/wait.ts";

const GREEDY = 65534;
const MODEST = 1;

const slow = new SlowDisk();
afterAll(() => slow.remove());

let host: TestMonitor;
let guests: RawGuest[];
let silent: number[];

beforeEach(() => {
  guests = [];
  silent = [];
});
afterEach(async () => {
  slow.thaw();
  for (const guest of guests) guest.vanish();
  for (const fd of silent) closeFd(fd);
  await host?.[Symbol.asyncDispose]();
});

async function start(policy: string, maxGuests?: number): Promise<void> {
  host = await startMonitor(`version: 1\n${policy}`, maxGuests === undefined ? {} : { maxGuests });
  openToAll(host.path);
}

async function attach(uid: number): Promise<RawGuest> {
  const guest = await RawGuest.attach(connectAs(uid, host.path));
  guests.push(guest);
  return guest;
}

const errnoOf = (attached: Promise<RawGuest>): Promise<number> =>
  attached.then(
    () => 0,
    (error) => (error as Declined).errno,
  );

const saidOf = (text: string): string[] =>
  host.lines.filter(({ msg }) => msg.includes(text)).map(({ msg }) => msg);

describe.skipIf(noUsers !== "")(`on the attach socket ${noUsers}`, () => {
  test("connections that never attach are hung up in time, and their places are others'", async () => {
    await start("timeouts: { attachMs: 1000 }\nlimits: { guests: 8 }\n", 8);
    for (let i = 0; i < 8; i++) silent.push(connectAs(GREEDY, host.path));
    await guestsAre(host.monitor, 8);
    expect(await errnoOf(attach(MODEST))).toBe(Errno.EMFILE);
    await guestsAre(host.monitor, 0);
    expect(await errnoOf(attach(MODEST))).toBe(0);
    expect(saidOf("it did not ask to attach within 1000 ms").length).toBe(8);
    // Who has asked stays, whatever it does then.
    await sleep(1500);
    expect(host.monitor.counters().guests).toBe(1);
  });

  test("a guest that attach() made room for may take its time", async () => {
    await start("timeouts: { attachMs: 100 }\n");
    const { fd } = host.monitor.attach();
    await sleep(400);
    guests.push(await RawGuest.attach(fd));
  });

  test("a user has so many guests and no more, and the others theirs; that is said once a second", async () => {
    await start("limits: { guests: 2 }\n");
    const first = await attach(GREEDY);
    await attach(GREEDY);
    for (let i = 0; i < 20; i++) expect(await errnoOf(attach(GREEDY))).toBe(Errno.EMFILE);
    expect(await errnoOf(attach(MODEST))).toBe(0);
    expect(await errnoOf(attach(MODEST))).toBe(0);
    const said = saidOf(`uid:${GREEDY} was turned away`);
    expect(said[0]).toBe(
      `uid:${GREEDY} was turned away: 2 guests of uid:${GREEDY} are attached, the most that the policy allows`,
    );
    expect(said.length).toBeLessThan(10);
    first.vanish();
    await until("its end", () => host.gone.length === 1);
    expect(await errnoOf(attach(GREEDY))).toBe(0);
  });

  test("a user has so many bytes of regions, and the others theirs", async () => {
    await start("limits: { regionBytes: 16MiB, regionBytesTotal: 33MiB }\n");
    const first = await attach(GREEDY);
    await attach(GREEDY);
    expect(await errnoOf(attach(GREEDY))).toBe(Errno.ENOMEM);
    expect(await errnoOf(attach(MODEST))).toBe(0);
    first.vanish();
    await until("its end", () => host.gone.length === 1);
    expect(await errnoOf(attach(GREEDY))).toBe(0);
    expect(await errnoOf(attach(GREEDY))).toBe(Errno.ENOMEM);
  });

  test.skipIf(slow.missing !== "")("a region counts until the disk work in it has ended", async () => {
    const files = `files: [{ guest: /slow, host: ${slow.folder}, access: rw }]\n`;
    await start(`${files}limits: { regionBytes: 16MiB, regionBytesTotal: 16MiB }\n`);
    const { FileStreamOpen, FileFlags, FileDirection } = fileMessages;
    const guest = await attach(GREEDY);
    const pipe = await guest.newStream(65536);
    const flags = FileFlags.WRITE | FileFlags.CREATE;
    const open = {
      direction: FileDirection.WRITE,
      flags,
      mode: 0o600,
      offset: 0,
      length: 1e9,
      path: "/slow/f",
    };
    guest.sendOpen(pipe, Protocol.FILE_STREAM, FileStreamOpen.encode(open));
    await guest.opened(pipe);
    slow.freeze();
    await guest.write(pipe, new Uint8Array(10_000));
    await until("a worker", () => host.monitor.counters().fileOperations >= 2);
    await sleep(100);
    guest.vanish();
    await until("its end", () => host.gone.length === 1);
    expect(await errnoOf(attach(GREEDY))).toBe(Errno.ENOMEM);
    slow.thaw();
    await until("the memory", async () => (await errnoOf(attach(GREEDY))) === 0);
  });

  test("a user who connects without end keeps no other waiting", async () => {
    await start("limits: { guests: 8 }\n", 16);
    // All that are let in at once; from then on it is so many in a second.
    for (const gone of [8, 16]) {
      for (let i = 0; i < 8; i++) await attach(GREEDY);
      for (const guest of guests) guest.vanish();
      await until("their ends", () => host.gone.length === gone);
    }
    // Some have hung up, some wait.
    for (let i = 0; i < 30; i++) closeFd(connectAs(GREEDY, host.path));
    for (let i = 0; i < 30; i++) silent.push(connectAs(GREEDY, host.path));
    expect(await errnoOf(attach(MODEST))).toBe(0);
  });
});

test("a guest of attach() is turned away past the limits of its key", async () => {
  await start("limits: { guests: 1 }\n");
  const attach = async (key: string): Promise<number> => {
    const attached = RawGuest.attach(host.monitor.attach({ key }).fd);
    attached.then(
      (guest) => guests.push(guest),
      () => {},
    );
    return await errnoOf(attached);
  };
  expect([await attach("a"), await attach("a"), await attach("b")]).toEqual([0, Errno.EMFILE, 0]);
});

test.skipIf(noUsers !== "")(
  `a user leaves descriptors to the others, however often he attaches ${noUsers}`,
  async () => {
    const folder = temporaryFolder("attach");
    try {
      const path = join(folder, "attach.sock");
      using monitor = await MonitorProgram.start(path, LOOPBACK, { descriptors: 256 });
      openToAll(path);
      await using server = await echoServer();
      const connected = async (guest: RawGuest): Promise<number> => {
        for (let count = 0; ; count++) {
          const errno = await guest.connect("127.0.0.1", server.port, { ringBytes: 1 }).then(
            () => 0,
            (error) => (error as Declined).errno,
          );
          if (errno !== 0) {
            expect(errno).toBe(Errno.EMFILE);
            return count;
          }
        }
      };
      using first = await RawGuest.attach(connectAs(GREEDY, path));
      using second = await RawGuest.attach(connectAs(GREEDY, path));
      expect(await connected(first)).toBeGreaterThan(50);
      expect(await connected(second)).toBeLessThan(5);
      using modest = await RawGuest.attach(connectAs(MODEST, path));
      for (let i = 0; i < 10; i++) await modest.connect("127.0.0.1", server.port, { ringBytes: 1 });
      // What it gives back is there again.
      const streams = async (): Promise<number> =>
        (await monitor.ask<{ streams: number }>("counters")).streams;
      first.vanish();
      await until("the room", async () => (await streams()) < 50);
      expect(await connected(second)).toBeGreaterThan(50);
    } finally {
    }
  },
);
