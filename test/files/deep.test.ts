// Paths of thousands of names, and short ones that lead as far by links: what they take is a few descriptors at a time,
// and they are paid for by the names that were looked up.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Done,
  Errno,
  ErrorReply,
  FrameReader,
  FrameWriter,
  fileMessages,
  fsMessages,
  Protocol,
  StatReply,
} from "@ringway/control";
import { expect, it, onTestFinished } from "vitest";
import { errnoOf, failureOf } from "../support/declined.ts";
import { LOOPBACK } from "../support/monitor.ts";
import { LOADED_MS, MonitorProgram } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { echoServer } from "../support/tcp.ts";
import { connectAs, noUsers, openToAll } from "../support/users.ts";
import { until } from "../support/wait.ts";
import { startHost } from "./host.ts";
import { FileGuest, type RawStream } from "./wire.ts";

const { READ } = fileMessages.FileFlags;
const m = fsMessages;
/** Within the 4095 bytes of a guest's path. */
const NAMES = 2000;
const DEEP = Array(NAMES).fill("a").join("/");

/** Links of which each leads over 500 folders to the next: `loop-0` over thousands. */
function plantLoops(data: string): void {
  mkdirSync(join(data, "turn"));
  for (let i = 0; i < 7; i++) symlinkSync(`${"turn/../".repeat(250)}loop-${i + 1}`, join(data, `loop-${i}`));
  writeFileSync(join(data, "loop-7"), "");
}

// Not mkdirSync and rmSync: they go all the way for each name, and their recursion does not go that deep.
const make = (path: string): void => void spawnSync("mkdir", ["-p", path]);
const remove = (path: string): void => void spawnSync("rm", ["-rf", path]);

const stat = (fs: RawStream, path: string): Promise<StatReply> => fs.call(m.Stat, { path }, StatReply);

it("of 256 descriptors, a walk over 2000 folders on each worker takes none that a neighbour needs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rw-"));
  onTestFinished(() => remove(folder));
  const data = join(folder, "data");
  make(join(data, DEEP));
  symlinkSync(".", join(data, "l"));
  const socket = join(folder, "attach.sock");
  const policy = `${LOOPBACK}files: [{ guest: /data, host: ${data}, access: ro }]\nlimits: { diskOperations: 1000000 }\n`;
  using monitor = await MonitorProgram.start(socket, policy, { descriptors: 256 });
  openToAll(socket);
  const as = (uid: number): string | number => (noUsers === "" ? connectAs(uid, socket) : socket);
  using greedy = await RawGuest.attach(as(65534));
  using modest = await RawGuest.attach(as(1));
  await using server = await echoServer();
  const streams = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const pipe = await greedy.newStream(65_536);
      greedy.sendOpen(pipe, Protocol.FS, new Uint8Array(0));
      await greedy.opened(pipe);
      return { pipe, reader: new FrameReader(pipe.toGuest), writer: new FrameWriter(pipe.toHost) };
    }),
  );
  const errnos: Record<number, number> = {};
  let most = 0;
  let over = false;
  const flood = async (): Promise<void> => {
    while (!over) {
      for (const { pipe, reader, writer } of streams) {
        const signal = (): void => greedy.signal(pipe);
        while (writer.send(m.Stat, 2, { path: `/data/l/${DEEP}` }, signal));
        for (let frame = reader.next(signal); frame !== undefined; frame = reader.next(signal)) {
          const errno = frame.type === ErrorReply.type ? ErrorReply.decode(frame.payload).errno : 0;
          errnos[errno] = (errnos[errno] ?? 0) + 1;
        }
        pipe.toGuest.wantData();
      }
      most = Math.max(most, monitor.descriptors);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  const flooding = flood();
  try {
    for (let i = 0; i < 50 || (errnos[0] ?? 0) < 20; i++) {
      modest.finish((await modest.connect("127.0.0.1", server.port, { ringBytes: 1 })).pipe);
    }
  } finally {
    over = true;
    await flooding;
  }
  expect(Object.keys(errnos)).toEqual(["0"]);
  expect(most).toBeLessThan(120);
});

it('".." leads back to where it came from, however far, by names that are judged anew', async () => {
  await using host = await startHost({
    files: "  - { id: deep, guest: /data/x/y/deep, host: ./deep, access: rw }\n",
  });
  using guest = await FileGuest.attach(host.path);
  const fs = await guest.openFs();
  mkdirSync(join(host.data, "a/b/c/d/e/f"), { recursive: true });
  mkdirSync(join(host.folder, "deep/g/h"), { recursive: true });
  for (const at of ["", "a/", "a/b/", "a/b/c/", "a/b/c/d/"]) writeFileSync(join(host.data, `${at}own`), at);
  for (let levels = 1; levels <= 6; levels++) {
    const up = "../".repeat(levels);
    symlinkSync(`${up}own`, join(host.data, `a/b/c/d/e/f/up-${levels}`));
    symlinkSync(`../e/f/${up}own`, join(host.data, `a/b/c/d/e/again-${levels}`));
  }
  // Over the guest's top, which is its own parent.
  symlinkSync(`${"../".repeat(60)}data/own`, join(host.data, "a/b/c/d/e/f/over"));
  symlinkSync("../../../own", join(host.folder, "deep/nowhere"));
  symlinkSync("../../../../../own", join(host.folder, "deep/g/h/nowhere"));
  const inode = async (path: string): Promise<number> => (await stat(fs, path)).inode;
  for (let levels = 2; levels <= 6; levels++) {
    const own = await inode(`/data/${"a/b/c/d/e/".slice(0, 2 * (6 - levels))}own`);
    expect(await inode(`/data/a/b/c/d/e/f/up-${levels}`), `${levels} up`).toBe(own);
    expect(await inode(`/data/a/b/c/d/e/again-${levels}`), `${levels} up, twice`).toBe(own);
  }
  expect(await inode("/data/a/b/c/d/e/f/over")).toBe(await inode("/data/own"));
  // /data/x/y is a place above a root, and nowhere on the host.
  for (const path of ["nowhere", "g/h/nowhere"]) {
    expect(await errnoOf(stat(fs, `/data/x/y/deep/${path}`)), path).toBe(Errno.ENOENT);
  }
});

it("folders are made with all their parents in one walk, through links and roots as well", async () => {
  await using host = await startHost({
    files: "  - { id: kept, guest: /kept, host: ./data/kept, access: ro }\n",
  });
  using guest = await FileGuest.attach(host.path);
  const fs = await guest.openFs();
  const asked = (path: string): Promise<Done> =>
    fs.call(m.Mkdir, { path, mode: 0o755, parents: true }, Done, LOADED_MS);
  // One worker had it for 21 seconds when each name was a walk of its own; what a walk is worth, the next tests say.
  await asked(`/data/${DEEP}`);
  expect(existsSync(join(host.data, DEEP))).toBe(true);
  await asked(`/data/${DEEP}`);
  symlinkSync("/other", join(host.data, "to-other"));
  symlinkSync("none/such", join(host.data, "dangling"));
  symlinkSync("kept", join(host.data, "to-kept"));
  writeFileSync(join(host.data, "file"), "");
  await asked("/data/to-other/made/in/it/");
  expect(existsSync(join(host.other, "made/in/it"))).toBe(true);
  await asked("/data");
  // What a link names is nobody's to make on the way.
  for (const path of ["/data/dangling", "/data/dangling/x"])
    expect(await errnoOf(asked(path)), path).toBe(Errno.ENOENT);
  expect(existsSync(join(host.data, "none"))).toBe(false);
  expect(await errnoOf(asked("/data/file"))).toBe(Errno.EEXIST);
  for (const path of ["/data/file/", "/data/file/x"])
    expect(await errnoOf(asked(path)), path).toBe(Errno.ENOTDIR);
  expect(await failureOf(asked("/data/to-kept/x/y"))).toMatchObject({ errno: Errno.EROFS, rule: "kept" });
  guest.vanish();
  remove(host.data);
});

// Both wait for operations to be theirs again.
it.concurrent.each([
  ["a path of 2000 names", "several", `/data/${DEEP}`, 10],
  ["a short one that leads over thousands by links", "hundreds of", "/data/loop-0", 200],
])("%s is paid for as %s operations", async (_name, _cost, path, diskOperations) => {
  await using host = await startHost({ limits: { diskOperations } });
  using guest = await FileGuest.attach(host.path);
  const fs = await guest.openFs();
  make(join(host.data, DEEP));
  plantLoops(host.data);
  await stat(fs, path);
  expect(host.monitor.counters().quotaDiskOperations).toBe(0);
  await stat(fs, "/data");
  expect(host.monitor.counters().quotaDiskOperations).toBeGreaterThan(5);
  guest.vanish();
  remove(host.data);
});

it("a file is closed before what waits because its guest has used up its operations", async () => {
  await using host = await startHost({ limits: { diskOperations: 20 } });
  using guest = await FileGuest.attach(host.path);
  writeFileSync(join(host.data, "f"), "");
  const file = await guest.openFile("/data/f", READ);
  const waiting: RawStream[] = [];
  for (let i = 0; i < 80; i++) waiting.push(await guest.openFs(4096));
  // Some four seconds' worth.
  for (const fs of waiting) fs.post(m.Stat, { path: "/data" });
  await until("all are taken", () => waiting.every(({ pipe }) => pipe.toHost.writable() === 4096));
  await file.call(fileMessages.Close, {}, Done);
  expect(waiting.at(-1)!.poll()).toBeUndefined();
});

it("a folder that the policy refuses is no folder too many", async () => {
  await using host = await startHost({ limits: { openFiles: 1 } });
  using guest = await FileGuest.attach(host.path);
  writeFileSync(join(host.data, "f"), "");
  await guest.openFile("/data/f", READ);
  const fs = await guest.openFs();
  expect(await errnoOf(fs.readDir("/nowhere"))).toBe(Errno.EACCES);
  expect(host.monitor.counters().quotaOpenFiles).toBe(0);
  expect(await errnoOf(fs.readDir("/data"))).toBe(Errno.EMFILE);
  expect(host.monitor.counters().quotaOpenFiles).toBe(1);
});
