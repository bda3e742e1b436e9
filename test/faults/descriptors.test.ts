// Every descriptor that a guest makes the monitor hold counts for its key, from its making until it is closed: whatever
// one user does, a quarter of those for guests is left to others.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConnectRequest, fileMessages, type GuestPipe, Protocol } from "@ringway/control";
import { closeFd } from "@ringway/linux";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Declined } from "../support/declined.ts";
import { type NameServer, nameServer } from "../support/dns.ts";
import { DyingDisk, noDyingDisk } from "../support/dying-disk.ts";
import { LOOPBACK } from "../support/monitor.ts";
import { MonitorProgram } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { echoServer, type SilentServer, silentServer, type TestServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { connectAs, noUsers, openToAll } from "../support/users.ts";
import { until } from "../support/wait.ts";

/** RLIMIT_NOFILE of the monitor. */
const LIMIT = 304;
const EMFILE = 24;
const [GREEDY, MODEST] = [65534, 1];
/** So many silent addresses has a name: each connect to it makes as many sockets, one in a quarter of a second. */
const SILENT = 6;

describe.skipIf(noUsers !== "")(`a user that takes all descriptors it can get ${noUsers}`, () => {
  let folder: string;
  let path: string;
  let dns: NameServer;
  let server: TestServer;
  let monitor: MonitorProgram;
  const guests: RawGuest[] = [];

  beforeEach(async () => {
    folder = temporaryFolder("descriptors");
    path = join(folder, "attach.sock");
    mkdirSync(join(folder, "data"));
    dns = await nameServer();
    server = await echoServer();
  });
  afterEach(async () => {
    for (const guest of guests.splice(0)) guest.vanish();
    monitor[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
    await dns[Symbol.asyncDispose]();
  });

  async function start(policy: string, more: object = {}): Promise<void> {
    const options = { names: dns.names, lingerMs: 50, ...more };
    monitor = await MonitorProgram.start(path, LOOPBACK + policy, { descriptors: LIMIT, options });
    openToAll(path);
  }

  async function attach(uid: number): Promise<RawGuest> {
    const guest = await RawGuest.attach(connectAs(uid, path));
    guests.push(guest);
    return guest;
  }

  /** Connects until it is refused. */
  async function takeAll(guest: RawGuest): Promise<GuestPipe[]> {
    const pipes: GuestPipe[] = [];
    for (;;) {
      const outcome = await guest
        .connect("127.0.0.1", server.port, { ringBytes: 1 })
        .catch((error: Declined) => error);
      if ("errno" in outcome) {
        expect(outcome.errno).toBe(EMFILE);
        return pipes;
      }
      pipes.push(outcome.pipe);
    }
  }

  /** What it may have when it is alone, and has again whenever it has given all back. */
  async function allOf(guest: RawGuest): Promise<number> {
    const idle = monitor.descriptors;
    const pipes = await takeAll(guest);
    for (const pipe of pipes) guest.finish(pipe, "reset");
    await until("its sockets to be closed", () => monitor.descriptors <= idle);
    return pipes.length;
  }

  async function isServed(guest: RawGuest): Promise<void> {
    const { pipe } = await guest.connect("127.0.0.1", server.port);
    guest.finish(pipe, "reset");
  }

  test("by names of many silent addresses leaves the others theirs, and has no more for that afterwards", async () => {
    await start("");
    const first = silentServer(2);
    const silent: SilentServer[] = [first];
    for (let i = 1; i < SILENT; i++) silent.push(silentServer(i + 2, first.port));
    const addresses = silent.map((_, i) => `127.0.0.${i + 2}`);
    const [greedy, modest] = [await attach(GREEDY), await attach(MODEST)];
    const before = await allOf(greedy);
    // Before the first of them: sockets are made while the last are still asked for.
    const idle = monitor.descriptors;
    const pipes: GuestPipe[] = [];
    for (let i = 0; i < 50; i++) {
      const pipe = await greedy.newStream();
      dns.zone.set(`many-${i}.test`, addresses);
      const to = { host: `many-${i}.test`, port: first.port, timeoutMs: 0 };
      greedy.sendOpen(pipe, Protocol.TCP_CONNECT, ConnectRequest.encode(to));
      pipes.push(pipe);
    }
    await until("more sockets than connects", () => monitor.descriptors > idle + pipes.length, 20_000);
    // Until the last of the addresses have had their turn.
    for (let i = 0; i < 2 * SILENT; i++) {
      await isServed(modest);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    for (const pipe of pipes) greedy.finish(pipe, "reset");
    await until("its sockets to be closed", () => monitor.descriptors <= idle, 20_000);
    expect(await allOf(greedy)).toBe(before);
    for (const each of silent) each[Symbol.dispose]();
  });

  test("by connections that wait for their turn to become guests leaves the others theirs", async () => {
    await start("limits: { guests: 100, regionBytes: 4MiB, regionBytesTotal: 1GiB }\n", { maxGuests: 60 });
    const [greedy, modest] = [await attach(GREEDY), await attach(MODEST)];
    const before = await allOf(greedy);
    const guestsNow = async (): Promise<number> => (await monitor.ask<{ guests: number }>("counters")).guests;
    // As many as may begin at once; then they are let in one after the other.
    for (let i = 0; i < 60; i++) {
      const guest = await RawGuest.connect(connectAs(GREEDY, path));
      guest.vanish();
      await until("it to be gone", async () => (await guestsNow()) === 2);
    }
    const idle = monitor.descriptors;
    const waiting = Array.from({ length: 50 }, () => connectAs(GREEDY, path));
    await until("them to be accepted", () => monitor.descriptors >= idle + waiting.length);
    expect((await takeAll(greedy)).length).toBeLessThanOrEqual(before - waiting.length);
    await isServed(modest);
    for (const fd of waiting) closeFd(fd);
  });

  test.skipIf(noDyingDisk !== "")(
    `by files that a dead disk keeps from being closed leaves the others theirs ${noDyingDisk}`,
    async () => {
      using disk = await DyingDisk.mount("dying");
      for (let i = 0; i < 60; i++) writeFileSync(join(folder, "data", `f${i}`), "");
      await start(
        `files:\n  - { guest: /data, host: ${join(folder, "data")}, access: ro }\n` +
          `  - { guest: /dying, host: ${disk.folder}, access: ro }\n`,
      );
      const [greedy, modest] = [await attach(GREEDY), await attach(MODEST)];
      const before = await allOf(greedy);
      const open = async (file: string): Promise<GuestPipe> => {
        const pipe = await greedy.newStream();
        const body = fileMessages.FileOpen.encode({
          path: file,
          flags: fileMessages.FileFlags.READ,
          mode: 0,
        });
        greedy.sendOpen(pipe, Protocol.FILE, body);
        await greedy.opened(pipe);
        return pipe;
      };
      const files: GuestPipe[] = [];
      for (let i = 0; i < 60; i++) files.push(await open(`/data/f${i}`));
      await open("/dying/f");
      await disk.dies();
      // Both workers that a key may keep busy.
      for (let i = 0; i < 2; i++) {
        const pipe = await greedy.newStream();
        const file = { path: `/dying/never-${i}`, flags: fileMessages.FileFlags.READ, mode: 0 };
        greedy.sendOpen(pipe, Protocol.FILE, fileMessages.FileOpen.encode(file));
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
      for (const pipe of files) greedy.finish(pipe, "reset");
      const more = await takeAll(greedy);
      expect(more.length).toBeLessThanOrEqual(before - files.length);
      await isServed(modest);
      await expect(attach(2)).resolves.toBeDefined();
    },
  );
});
