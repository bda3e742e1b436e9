// What a guest may do to a file beside its bytes: set-id bits fall with a write, special files are nobody's to touch,
// and names that are not UTF-8 are at least counted.

import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Done, Errno, fileMessages, fsMessages, StatReply } from "@ringway/control";
import { Guest } from "@ringway/guest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errnoOf, failureOf } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { audited, type Host, startHost } from "./host.ts";
import { FileGuest, type RawStream } from "./wire.ts";

const { READ, WRITE, CREATE, TRUNCATE, APPEND } = fileMessages.FileFlags;
const { FileDirection, Truncate, Write, WriteAt, Written, WriteDone } = fileMessages;
const m = fsMessages;

const hold = heldForAll();
let host: Host;
let guest: FileGuest;
let fs: RawStream;

beforeAll(async () => {
  host = hold(await startHost());
  guest = hold(await FileGuest.attach(host.path));
  fs = await guest.openFs();
});

const onHost = (name: string): string => join(host.data, name);
const bits = (name: string): number => statSync(onHost(name)).mode & 0o7777;
const time = { seconds: 1, nanoseconds: 0 };

describe("set-id bits of a file", () => {
  const data = Buffer.from("data");
  const ways: [string, (path: string) => Promise<unknown>][] = [
    ["written to", async (path) => (await guest.openFile(path, WRITE)).call(Write, { data }, Written)],
    [
      "written to in the middle",
      async (path) => (await guest.openFile(path, READ | WRITE)).call(WriteAt, { data, offset: 2 }, Written),
    ],
    [
      "appended to",
      async (path) => (await guest.openFile(path, WRITE | APPEND)).call(Write, { data }, Written),
    ],
    ["opened with TRUNCATE", (path) => guest.openFile(path, WRITE | TRUNCATE)],
    ["cut", async (path) => (await guest.openFile(path, WRITE)).call(Truncate, { bytes: 1 }, Done)],
    [
      "streamed to",
      async (path) => {
        const request = { path, direction: FileDirection.WRITE, flags: WRITE };
        const [stream] = await guest.openFileStream(request);
        await stream.write(data);
        stream.end();
        expect(WriteDone.decode((await stream.next()).payload)).toEqual({ bytes: 4 });
        stream.let();
      },
    ],
    ["given permissions", (path) => fs.call(m.Chmod, { path, mode: 0o755 }, Done)],
  ];

  it.each(ways)("are gone once it is %s, also where the monitor is root's", async (what, way) => {
    for (const mode of [0o4755, 0o2755, 0o6777]) {
      const name = `${what} ${mode.toString(8)}`;
      writeFileSync(onHost(name), "content");
      chmodSync(onHost(name), mode);
      expect(bits(name)).toBe(mode);
      await way(`/data/${name}`);
      expect(bits(name) & 0o6000, name).toBe(0);
    }
  });

  it("are gone by a write also where they were set after it was opened", async () => {
    writeFileSync(onHost("late"), "content");
    const file = await guest.openFile("/data/late", WRITE);
    await file.call(Write, { data }, Written);
    chmodSync(onHost("late"), 0o4755);
    await file.call(Write, { data }, Written);
    expect(bits("late")).toBe(0o755);
    await file.finish();
  });

  it("stay where it is only read, and on a folder, whose permissions alone a guest changes", async () => {
    writeFileSync(onHost("read"), "content");
    chmodSync(onHost("read"), 0o4755);
    await (await guest.openFile("/data/read", READ)).finish();
    expect(bits("read")).toBe(0o4755);
    mkdirSync(onHost("shared"));
    chmodSync(onHost("shared"), 0o3770);
    await fs.call(m.Chmod, { path: "/data/shared", mode: 0o755 }, Done);
    expect(bits("shared")).toBe(0o3755);
    await (await guest.openFile("/data/shared/new", WRITE | CREATE, 0o777)).finish();
    expect(bits("shared/new") & 0o7000).toBe(0);
  });
});

describe("what is no file, folder or link", () => {
  beforeAll(async () => {
    execFileSync("mkfifo", ["-m", "600", onHost("fifo")]);
    const server = createServer().listen(onHost("socket"));
    await new Promise((resolve) => server.once("listening", resolve));
    afterAll(() => void server.close());
    if (process.getuid?.() === 0) execFileSync("mknod", ["-m", "600", onHost("null"), "c", "1", "3"]);
  });

  it.each(["fifo", "socket", "null"])("(%s) may be looked at, and nothing else", async (name) => {
    // Device nodes are root's to make.
    if (!existsSync(onHost(name))) return;
    const path = `/data/${name}`;
    writeFileSync(onHost("plain"), "");
    const before = statSync(onHost(name));
    for (const [what, attempt] of [
      ["chmod", () => fs.call(m.Chmod, { path, mode: 0o777 }, Done)],
      ["utimes", () => fs.call(m.Utimes, { path, accessed: time, modified: time }, Done)],
      ["unlink", () => fs.call(m.Unlink, { path }, Done)],
      ["rename", () => fs.call(m.Rename, { from: path, to: "/data/taken" }, Done)],
      ["rename onto", () => fs.call(m.Rename, { from: "/data/plain", to: path }, Done)],
      ["read", () => guest.openFile(path, READ)],
      ["write", () => guest.openFile(path, WRITE | CREATE | TRUNCATE)],
    ] as [string, () => Promise<unknown>][]) {
      expect(await failureOf(attempt()), what).toMatchObject({ errno: Errno.EACCES, rule: "kind" });
    }
    expect(await audited(host, path)).toMatchObject({ rule: "kind", errno: Errno.EACCES });
    expect(await fs.call(m.Stat, { path }, StatReply)).toMatchObject({ inode: before.ino, links: 1 });
    expect(statSync(onHost(name))).toMatchObject({ mode: before.mode, mtimeMs: before.mtimeMs });
  });
});

it("a folder with names that are not UTF-8 lists how many, and ENOTEMPTY says why", async () => {
  mkdirSync(onHost("latin1"));
  writeFileSync(Buffer.from(`${onHost("latin1")}/caf\xe9`, "latin1"), "");
  writeFileSync(Buffer.from(`${onHost("latin1")}/\xff\xfe`, "latin1"), "");
  await using sdk = await Guest.attach(host.path);
  const names = await sdk.readdir("/data/latin1");
  expect(names).toEqual([]);
  expect(names.skipped).toBe(2);
  await expect(sdk.rmdir("/data/latin1")).rejects.toMatchObject({
    code: "ENOTEMPTY",
    reason: expect.stringContaining("2 of its names are not UTF-8"),
  });
  writeFileSync(onHost("latin1/usable"), "");
  const entries = await sdk.readdir("/data/latin1", { withFileTypes: true });
  expect([entries.length, entries.skipped]).toEqual([1, 2]);
  // There is more to remove first.
  const failure = await failureOf(fs.call(m.Rmdir, { path: "/data/latin1" }, Done));
  expect(failure!.message).not.toContain("UTF-8");
  expect(await errnoOf(fs.call(m.Rmdir, { path: "/data/none" }, Done))).toBe(Errno.ENOENT);
});
