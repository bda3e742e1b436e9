// Budgets belong to whoever attaches: another attachment of the same user, or the same one again, gets around none of
// them, and a guest of another user notices nothing.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ConnectRequest,
  Errno,
  ErrorReply,
  FrameWriter,
  fileMessages,
  fsMessages,
  type GuestPipe,
  Log,
  type Message,
  Protocol,
  resolveMessages,
  StatReply,
} from "@ringway/control";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { LOOPBACK, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { SlowDisk } from "../support/slow-disk.ts";
import { silentServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { connectAs, noUsers, openToAll } from "../support/users.ts";
import { until } from "../support/wait.ts";

const { FileFlags, FileOpen, Write, Written } = fileMessages;
const { Addresses, Resolve } = resolveMessages;
const GREEDY = 65534;
const MODEST = 1;

const slow = new SlowDisk();
afterAll(() => slow.remove());

let folder: string;
let host: TestMonitor;
let guests: RawGuest[];

beforeEach(() => {
  folder = temporaryFolder("keys");
  mkdirSync(join(folder, "data"));
  guests = [];
});
afterEach(async () => {
  slow.thaw();
  for (const guest of guests) guest.vanish();
  await host[Symbol.asyncDispose]();
});

async function start(limits = "", options: Parameters<typeof startMonitor>[1] = {}): Promise<void> {
  const slowly = slow.missing === "" ? `, { guest: /slow, host: ${slow.folder}, access: rw }` : "";
  const files = `files: [{ guest: /data, host: ${join(folder, "data")}, access: rw }${slowly}]\n`;
  host = await startMonitor(`${LOOPBACK}${files}limits: {${limits}}\n`, options);
  openToAll(host.path);
}

async function attach(uid: number): Promise<RawGuest> {
  const guest = await RawGuest.attach(connectAs(uid, host.path));
  guests.push(guest);
  return guest;
}

async function openFile(guest: RawGuest, path: string): Promise<GuestPipe> {
  const pipe = await guest.newStream(65536);
  const flags = FileFlags.WRITE | FileFlags.CREATE;
  guest.sendOpen(pipe, Protocol.FILE, FileOpen.encode({ path, flags, mode: 0o600 }));
  await guest.opened(pipe);
  return pipe;
}

function post<T>(guest: RawGuest, pipe: GuestPipe, kind: Message<T>, value: T): void {
  new FrameWriter(pipe.toHost).send(kind, 1, value, () => guest.signal(pipe));
}

async function ask<T>(guest: RawGuest, pipe: GuestPipe, kind: Message<T>, value: T): Promise<number> {
  post(guest, pipe, kind, value);
  const frame = await guest.frame(pipe);
  return frame.type === ErrorReply.type ? ErrorReply.decode(frame.payload).errno : 0;
}

async function fs(guest: RawGuest): Promise<GuestPipe> {
  const pipe = await guest.newStream(4096);
  guest.sendOpen(pipe, Protocol.FS, new Uint8Array(0));
  await guest.opened(pipe);
  return pipe;
}

describe.skipIf(noUsers !== "")(`a user who attaches more than once ${noUsers}`, () => {
  test.skipIf(slow.missing !== "")(
    "has the disk workers of one, and another user's files are served",
    async () => {
      await start();
      const opened: (readonly [RawGuest, GuestPipe])[] = [];
      for (let attachment = 0; attachment < 3; attachment++) {
        const guest = await attach(GREEDY);
        for (let i = 0; i < 3; i++) opened.push([guest, await openFile(guest, `/slow/${attachment}-${i}`)]);
      }
      slow.freeze();
      for (const [guest, file] of opened) post(guest, file, Write, { data: Buffer.from("late") });
      await sleep(100);
      const modest = await attach(MODEST);
      const names = await fs(modest);
      post(modest, names, fsMessages.Stat, { path: "/data" });
      expect((await modest.frame(names)).type).toBe(StatReply.type);
    },
  );

  test("has the lookups of one, and another user's names are resolved", async () => {
    const asked: string[] = [];
    const lookup = (name: string): Promise<readonly string[]> => {
      asked.push(name);
      return name === "alive.test" ? Promise.resolve(["127.0.0.1"]) : new Promise(() => {});
    };
    await start("", { lookup });
    const look = (guest: RawGuest, pipe: GuestPipe, name: string): void => {
      const body = ConnectRequest.encode({ host: name, port: 1, timeoutMs: 0 });
      guest.sendOpen(pipe, Protocol.TCP_CONNECT, body);
    };
    for (let attachment = 0; attachment < 5; attachment++) {
      const guest = await attach(GREEDY);
      for (let i = 0; i < 10; i++) look(guest, await guest.newStream(4096), `dead-${attachment}-${i}.test`);
    }
    const modest = await attach(MODEST);
    const pipe = await modest.newStream(4096);
    look(modest, pipe, "alive.test");
    // Nobody listens on port 1: it was resolved, and tried.
    await expect(modest.opened(pipe)).rejects.toMatchObject({ errno: Errno.ECONNREFUSED });
    expect(asked.filter((name) => name.startsWith("dead")).length).toBe(4);
  });

  test("has 2500 lookups of any kind in a second, and another user's names wait for none of them", async () => {
    const asked: string[] = [];
    const lookup = async (name: string): Promise<readonly string[]> => {
      asked.push(name);
      return ["127.0.0.1"];
    };
    await start("", { lookup });
    const [greedy, modest] = [await attach(GREEDY), await attach(MODEST)];
    const resolver = async (guest: RawGuest): Promise<GuestPipe> => {
      const pipe = await guest.newStream(65536);
      guest.sendOpen(pipe, Protocol.RESOLVE, new Uint8Array(0));
      await guest.opened(pipe);
      return pipe;
    };
    const [many, one] = [await resolver(greedy), await resolver(modest)];
    const startMs = performance.now();
    for (let i = 0; i < 500; i++) post(greedy, many, Resolve, { family: 0, name: `n${i}.test` });
    post(modest, one, Resolve, { family: 0, name: "alive.test" });
    expect((await modest.frame(one)).type).toBe(Addresses.type);
    for (let i = 0; i < 500; i++) expect((await greedy.frame(many)).type).toBe(Addresses.type);
    const seconds = (performance.now() - startMs) / 1000;
    expect(asked.length).toBe(501);
    expect(asked.at(-1)).not.toBe("alive.test");
    // And 50 at once.
    expect(500).toBeLessThanOrEqual(50 + 2500 * seconds);
  });

  test("has the requests under way of one", async () => {
    await start("requests: 4");
    using silent = silentServer();
    const connect = async (guest: RawGuest): Promise<GuestPipe> => {
      const pipe = await guest.newStream(4096);
      const to = { host: "127.0.0.1", port: silent.port, timeoutMs: 0 };
      guest.sendOpen(pipe, Protocol.TCP_CONNECT, ConnectRequest.encode(to));
      return pipe;
    };
    const refused = (): number => host.monitor.counters().quotaRequests;
    const [first, second] = [await attach(GREEDY), await attach(GREEDY)];
    for (const guest of [first, second, first, second]) await connect(guest);
    await expect(second.opened(await connect(second))).rejects.toMatchObject({ errno: Errno.ENOBUFS });
    expect(refused()).toBe(1);
    const modest = await attach(MODEST);
    const others = await connect(modest);
    await sleep(50);
    expect(others.toGuest.readable()).toBe(0);
    // What the first had under way ends with it.
    first.vanish();
    await until("its end", () => host.gone.length === 1);
    const later = await connect(second);
    await sleep(50);
    expect(later.toGuest.readable()).toBe(0);
    expect(refused()).toBe(1);
  });

  test("and leaves and attaches anew has written what it has written", async () => {
    await start("fileBytesWritten: 100");
    const steps: readonly (readonly [number, number])[] = [
      [60, 0],
      [40, 0],
      [1, Errno.EDQUOT],
    ];
    for (const [bytes, errno] of steps) {
      const guest = await attach(GREEDY);
      const file = await openFile(guest, "/data/f");
      expect(await ask(guest, file, Write, { data: new Uint8Array(bytes) })).toBe(errno);
      const gone = host.gone.length;
      guest.vanish();
      await until("its end", () => host.gone.length > gone);
    }
    const modest = await attach(MODEST);
    expect(await ask(modest, await openFile(modest, "/data/g"), Write, { data: new Uint8Array(50) })).toBe(0);
  });

  test("and leaves and attaches anew does not begin its lines to the log anew", async () => {
    await start("logLines: 20");
    const startMs = performance.now();
    for (let i = 0; i < 3; i++) {
      const guest = await attach(GREEDY);
      for (let line = 0; line < 15; line++) await guest.send(Log, { level: 20, text: "a line" });
      await until("them", () => host.lines.filter(({ msg }) => msg === "a line").length === 15 * (i + 1));
      guest.vanish();
    }
    const seconds = (performance.now() - startMs) / 1000;
    // Anew each time, it would be some hundreds.
    expect(45 / seconds).toBeLessThan(45);
    expect(host.monitor.counters().quotaLines).toBeGreaterThan(0);
  });
});

test("guests of attach() have budgets of their own, or those of the key that they are given", async () => {
  await start("fileBytesWritten: 100");
  const written = async (key: string | undefined, bytes: number): Promise<number> => {
    const { fd } = host.monitor.attach(key === undefined ? {} : { key });
    const guest = await RawGuest.attach(fd);
    guests.push(guest);
    const file = await openFile(guest, "/data/f");
    post(guest, file, Write, { data: new Uint8Array(bytes) });
    const frame = await guest.frame(file);
    return frame.type === Written.type ? Written.decode(frame.payload).bytes : -1;
  };
  expect([await written(undefined, 80), await written(undefined, 80)]).toEqual([80, 80]);
  expect([await written("tenant", 80), await written("tenant", 80)]).toEqual([80, 20]);
  expect(await written("another", 80)).toBe(80);
});
