// file (PROTOCOL.md section 13): every request, every error, in order.

import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Done, Errno, fileMessages, IO_MAX_BYTES, Protocol, StatReply } from "@ringway/control";
import { beforeAll, describe, expect, it } from "vitest";
import { errnoOf, failureOf } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { StreamGone } from "../support/raw-guest.ts";
import { until } from "../support/wait.ts";
import { audited, type Host, startHost } from "./host.ts";
import { FileGuest, type RawStream } from "./wire.ts";

const { READ, WRITE, CREATE, EXCLUSIVE, APPEND, TRUNCATE } = fileMessages.FileFlags;
const {
  Close,
  Data,
  FileStat,
  Position,
  Read,
  ReadAt,
  Seek,
  Sync,
  Truncate,
  Whence,
  Write,
  WriteAt,
  Written,
} = fileMessages;
const EEXIST = 17;

const hold = heldForAll();
let host: Host;
let guest: FileGuest;

beforeAll(async () => {
  host = hold(await startHost());
  guest = hold(await FileGuest.attach(host.path));
});

const onHost = (name: string): string => join(host.data, name);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const bytes = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));

async function read(file: RawStream, count: number): Promise<string> {
  return text((await file.call(Read, { bytes: count }, Data)).data);
}

async function write(file: RawStream, value: string): Promise<number> {
  return (await file.call(Write, { data: bytes(value) }, Written)).bytes;
}

async function seek(file: RawStream, whence: number, offset: number): Promise<number> {
  return (await file.call(Seek, { whence, offset }, Position)).offset;
}

describe("opening a file", () => {
  it.each([
    ["nothing", 0, 0o644],
    ["CREATE alone", CREATE, 0o644],
    ["CREATE to read", READ | CREATE, 0o644],
    ["EXCLUSIVE to read", READ | EXCLUSIVE, 0o644],
    ["APPEND to read", READ | APPEND, 0o644],
    ["TRUNCATE to read", READ | TRUNCATE, 0o644],
    ["EXCLUSIVE without CREATE", WRITE | EXCLUSIVE, 0o644],
    ["an unknown flag", READ | 64, 0o644],
    ["the highest bit", (READ | 0x80000000) >>> 0, 0o644],
    ["a set-user-id bit", WRITE | CREATE, 0o4755],
    ["a sticky bit", WRITE | CREATE, 0o1755],
  ])("with %s is EINVAL", async (_name, flags, mode) => {
    expect(await errnoOf(guest.openFile("/data/nonsense", flags, mode))).toBe(Errno.EINVAL);
    expect(() => statSync(onHost("nonsense"))).toThrow("ENOENT");
  });

  it("creates a file with the permissions asked for", async () => {
    const umask = process.umask();
    for (const mode of [0, 0o600, 0o640, 0o777]) {
      const name = `mode-${mode}`;
      const file = await guest.openFile(`/data/${name}`, WRITE | CREATE | EXCLUSIVE, mode);
      expect(statSync(onHost(name)).mode & 0o7777).toBe(mode & ~umask);
      await file.finish();
    }
  });

  it("tells what the file is", async () => {
    writeFileSync(onHost("told"), "twelve bytes", { mode: 0o640 });
    const stream = await guest.stream();
    const opened = fileMessages.FileOpened.decode(
      await stream.open(
        Protocol.FILE,
        fileMessages.FileOpen.encode({ path: "/data/told", flags: READ, mode: 0 }),
      ),
    );
    const { ino, mtimeMs } = statSync(onHost("told"));
    expect(opened).toMatchObject({ kind: 1, mode: 0o640, links: 1, size: 12, inode: ino });
    expect(opened.modified.seconds).toBe(Math.floor(mtimeMs / 1000));
    await stream.finish();
  });

  it("obeys EXCLUSIVE, TRUNCATE and CREATE", async () => {
    writeFileSync(onHost("there"), "there");
    symlinkSync("there", onHost("link-to-there"));
    const flags = WRITE | CREATE | EXCLUSIVE;
    expect(await errnoOf(guest.openFile("/data/there", flags))).toBe(EEXIST);
    expect(await errnoOf(guest.openFile("/data/link-to-there", flags))).toBe(EEXIST);
    expect(await errnoOf(guest.openFile("/data", flags))).toBe(EEXIST);
    await (await guest.openFile("/data/there", WRITE | CREATE)).finish();
    expect(readFileSync(onHost("there"), "utf8")).toBe("there");
    await (await guest.openFile("/data/link-to-there", WRITE | TRUNCATE)).finish();
    expect(readFileSync(onHost("there"), "utf8")).toBe("");
  });

  it("refuses what is no regular file, at once, and without touching it", async () => {
    mkdirSync(onHost("folder"));
    execFileSync("mkfifo", [onHost("fifo")]);
    const server = createServer().listen(onHost("socket"));
    await new Promise((resolve) => server.once("listening", resolve));
    const devices: string[] = [];
    if (process.getuid?.() === 0) {
      execFileSync("mknod", [onHost("null"), "c", "1", "3"]);
      execFileSync("mknod", [onHost("no-driver"), "c", "240", "77"]);
      devices.push("null", "no-driver");
    }
    for (const flags of [READ, WRITE, READ | WRITE, WRITE | CREATE | TRUNCATE]) {
      expect(await errnoOf(guest.openFile("/data/folder", flags))).toBe(Errno.EISDIR);
      expect(await errnoOf(guest.openFile("/data", flags))).toBe(Errno.EISDIR);
      for (const name of ["fifo", "socket", ...devices]) {
        expect(await errnoOf(guest.openFile(`/data/${name}`, flags)), name).toBe(Errno.EACCES);
      }
    }
    server.close();
  });

  it("tells what is not there, or not a folder", async () => {
    writeFileSync(onHost("plain"), "");
    symlinkSync("nowhere", onHost("dangling"));
    expect(await errnoOf(guest.openFile("/data/none", READ))).toBe(Errno.ENOENT);
    expect(await errnoOf(guest.openFile("/data/none/deep", WRITE | CREATE))).toBe(Errno.ENOENT);
    expect(await errnoOf(guest.openFile("/data/plain/x", READ))).toBe(Errno.ENOTDIR);
    expect(await errnoOf(guest.openFile("/data/dangling", READ))).toBe(Errno.ENOENT);
    const refused = await failureOf(guest.openFile("/elsewhere", READ));
    expect(refused).toMatchObject({ errno: Errno.EACCES, rule: "default" });
  });

  it("below a read-only rule is EROFS, with the rule, and audited", async () => {
    writeFileSync(join(host.fixed, "f"), "fixed");
    for (const flags of [WRITE, READ | WRITE, WRITE | CREATE | EXCLUSIVE]) {
      const failure = await failureOf(guest.openFile("/fixed/f", flags));
      expect(failure).toMatchObject({ errno: Errno.EROFS, rule: "fixed" });
      expect(await audited(host, "/fixed/f")).toMatchObject({
        protocol: "file",
        what: "/fixed/f",
        rule: "fixed",
        errno: Errno.EROFS,
      });
    }
    const file = await guest.openFile("/fixed/f", READ);
    expect(await read(file, 100)).toBe("fixed");
    await file.finish();
  });
});

describe("reading and writing", () => {
  it("moves the file position, and ReadAt and WriteAt do not", async () => {
    const file = await guest.openFile("/data/position", READ | WRITE | CREATE);
    expect(await write(file, "hello ")).toBe(6);
    expect(await write(file, "world")).toBe(5);
    expect((await file.call(WriteAt, { offset: 0, data: bytes("J") }, Written)).bytes).toBe(1);
    expect(text((await file.call(ReadAt, { offset: 6, bytes: 100 }, Data)).data)).toBe("world");
    expect(await seek(file, Whence.CURRENT, 0)).toBe(11);
    expect(await read(file, 10)).toBe("");
    expect(await seek(file, Whence.START, 0)).toBe(0);
    expect(await read(file, 5)).toBe("Jello");
    expect(await read(file, 0)).toBe("");
    expect(await read(file, 100)).toBe(" world");
    expect(await read(file, 100)).toBe("");
    expect(text((await file.call(ReadAt, { offset: 1e15, bytes: 1 }, Data)).data)).toBe("");
    expect(readFileSync(onHost("position"), "utf8")).toBe("Jello world");
    await file.finish();
  });

  it("seeks from the start, from here and from the end, and nowhere below 0", async () => {
    writeFileSync(onHost("seek"), "0123456789");
    const file = await guest.openFile("/data/seek", READ | WRITE);
    expect(await seek(file, Whence.END, -3)).toBe(7);
    expect(await read(file, 10)).toBe("789");
    expect(await seek(file, Whence.CURRENT, -6)).toBe(4);
    for (const [whence, offset] of [
      [Whence.START, -1],
      [Whence.CURRENT, -5],
      [Whence.END, -11],
      [Whence.CURRENT, Number.MAX_SAFE_INTEGER],
      [3, 0],
    ] as const) {
      expect(await errnoOf(file.call(Seek, { whence, offset }, Position))).toBe(Errno.EINVAL);
    }
    // A seek that failed moved nothing.
    expect(await read(file, 1)).toBe("4");
    expect(await seek(file, Whence.START, Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER);
    expect(await read(file, 1)).toBe("");
    // Past the end, a write leaves a hole.
    expect(await seek(file, Whence.END, 5)).toBe(15);
    expect(await write(file, "x")).toBe(1);
    expect(readFileSync(onHost("seek"), "latin1")).toBe("0123456789\0\0\0\0\0x");
    await file.finish();
  });

  it("with APPEND writes at the end, and the position is then where its own bytes end", async () => {
    writeFileSync(onHost("append"), "12345");
    const file = await guest.openFile("/data/append", READ | WRITE | APPEND);
    expect(await read(file, 2)).toBe("12");
    await write(file, "abc");
    appendFileSync(onHost("append"), "others");
    expect(await read(file, 100)).toBe("others");
    await seek(file, Whence.START, 1);
    await write(file, "d");
    expect(await seek(file, Whence.CURRENT, 0)).toBe(15);
    expect(await seek(file, Whence.CURRENT, -1)).toBe(14);
    expect(await read(file, 100)).toBe("d");
    expect(readFileSync(onHost("append"), "utf8")).toBe("12345abcothersd");
    await file.finish();
  });

  it("tells a descriptor that cannot read or write", async () => {
    writeFileSync(onHost("one-way"), "x");
    const reader = await guest.openFile("/data/one-way", READ);
    expect(await errnoOf(reader.call(Write, { data: bytes("y") }, Written))).toBe(Errno.EBADF);
    expect(await errnoOf(reader.call(WriteAt, { offset: 0, data: bytes("y") }, Written))).toBe(Errno.EBADF);
    expect(await errnoOf(reader.call(Truncate, { bytes: 0 }, Done))).toBe(Errno.EINVAL);
    expect(await read(reader, 1)).toBe("x");
    await reader.finish();
    const writer = await guest.openFile("/data/one-way", WRITE);
    expect(await errnoOf(writer.call(Read, { bytes: 1 }, Data))).toBe(Errno.EBADF);
    expect(await errnoOf(writer.call(ReadAt, { offset: 0, bytes: 1 }, Data))).toBe(Errno.EBADF);
    await writer.finish();
  });

  it("stats, truncates down and up, and syncs", async () => {
    const file = await guest.openFile("/data/size", READ | WRITE | CREATE);
    await write(file, "0123456789");
    expect(await file.call(FileStat, {}, StatReply)).toMatchObject({ kind: 1, size: 10 });
    await file.call(Truncate, { bytes: 4 }, Done);
    expect(readFileSync(onHost("size"), "utf8")).toBe("0123");
    await file.call(Truncate, { bytes: 6 }, Done);
    expect(readFileSync(onHost("size"), "latin1")).toBe("0123\0\0");
    await file.call(Sync, { dataOnly: 0 }, Done);
    await file.call(Sync, { dataOnly: 1 }, Done);
    expect(await seek(file, Whence.CURRENT, 0)).toBe(10);
    truncateSync(onHost("size"), 1);
    expect(await file.call(FileStat, {}, StatReply)).toMatchObject({ size: 1 });
    expect(await errnoOf(file.call(Truncate, { bytes: Number.MAX_SAFE_INTEGER }, Done))).toBe(Errno.EFBIG);
    await file.finish();
  });

  it("carries 64 KiB in one request and no more", async () => {
    const file = await guest.openFile("/data/io-max", READ | WRITE | CREATE, 0o644, 256 * 1024);
    const most = Buffer.alloc(IO_MAX_BYTES, "ab");
    expect((await file.call(Write, { data: most }, Written)).bytes).toBe(IO_MAX_BYTES);
    expect((await file.call(WriteAt, { offset: 1, data: most }, Written)).bytes).toBe(IO_MAX_BYTES);
    const over = Buffer.alloc(IO_MAX_BYTES + 1);
    expect(await errnoOf(file.call(Write, { data: over }, Written))).toBe(Errno.EINVAL);
    expect(await errnoOf(file.call(WriteAt, { offset: 0, data: over }, Written))).toBe(Errno.EINVAL);
    const { data } = await file.call(ReadAt, { offset: 0, bytes: 0xffffffff }, Data);
    expect(data.length).toBe(IO_MAX_BYTES);
    expect(Buffer.compare(data, readFileSync(onHost("io-max")).subarray(0, IO_MAX_BYTES))).toBe(0);
    await file.finish();
  });

  it("answers with what fits the smallest ring", async () => {
    const content = Buffer.from(Array.from({ length: 20_000 }, (_, i) => i & 255));
    writeFileSync(onHost("small-ring"), content);
    const file = await guest.openFile("/data/small-ring", READ, 0, 4096);
    const parts: Buffer[] = [];
    for (;;) {
      const { data } = await file.call(Read, { bytes: 65536 }, Data);
      if (data.length === 0) break;
      expect(data.length).toBeLessThanOrEqual(4084);
      parts.push(Buffer.from(data));
    }
    expect(Buffer.compare(Buffer.concat(parts), content)).toBe(0);
    await file.finish();
  });

  it("answers a thousand requests at once, in order", async () => {
    const file = await guest.openFile("/data/pipelined", READ | WRITE | CREATE, 0o644, 256 * 1024);
    const ids: number[] = [];
    for (let i = 0; i < 1000; i++) {
      if (i % 2 === 0) ids.push(file.post(Write, { data: bytes(String(i).padStart(4)) }));
      else ids.push(file.post(ReadAt, { offset: (i >> 1) * 4, bytes: 4 }));
    }
    for (let i = 0; i < 1000; i++) {
      if (i % 2 === 0) expect((await file.reply(Written, ids[i]!)).bytes).toBe(4);
      else expect(text((await file.reply(Data, ids[i]!)).data)).toBe(String(i - 1).padStart(4));
    }
    await file.finish();
  });

  it("carries out what was sent before END, also where both come at once", async () => {
    for (let round = 0; round < 200; round++) {
      const file = await guest.openFile("/data/tail", WRITE | CREATE | TRUNCATE);
      file.post(Write, { data: bytes("tail") });
      if (round % 2 === 0) for (let spin = round * 20; spin > 0; spin--) Math.sqrt(spin);
      await file.finish();
      expect(readFileSync(onHost("tail"), "utf8"), `round ${round}`).toBe("tail");
    }
  });
});

describe("the end of a file", () => {
  it("after Close nothing more is served", async () => {
    const file = await guest.openFile("/data/closed", WRITE | CREATE);
    const close = file.post(Close, {});
    file.post(Write, { data: bytes("late") });
    file.post(FileStat, {});
    await file.reply(Done, close);
    await expect(file.next()).rejects.toThrow(StreamGone);
    await until("both ends", () => file.hostIsThrough());
    expect(file.pipe.toGuest.peerClosed()).toBe(1);
    expect(statSync(onHost("closed")).size).toBe(0);
    file.let();
  });

  it("comes with a reset too, and the stream's slot is free again", async () => {
    const ids = new Set<number>();
    for (let i = 0; i < 100; i++) {
      const file = await guest.openFile("/data/reset", WRITE | CREATE);
      file.post(Write, { data: bytes("x") });
      ids.add(file.pipe.id);
      file.reset();
    }
    expect(ids.size).toBeLessThan(20);
  });

  it("an unknown request is ENOSYS, and the file goes on", async () => {
    writeFileSync(onHost("unknown"), "still here");
    const file = await guest.openFile("/data/unknown", READ);
    const id = file.postBytes(0x04ff, bytes("whatever"));
    expect(await errnoOf(file.reply(Done, id))).toBe(Errno.ENOSYS);
    const fromFs = file.postBytes(0x0601, bytes("whatever"));
    expect(await errnoOf(file.reply(Done, fromFs))).toBe(Errno.ENOSYS);
    expect(await read(file, 100)).toBe("still here");
    await file.finish();
  });

  it.each([
    ["a payload that is too short", Read.type, new Uint8Array(3), "FRM-6"],
    ["a payload that is too long", Close.type, new Uint8Array(1), "FRM-6"],
    ["an offset over 2^53", Truncate.type, new Uint8Array(8).fill(255), "FRM-6"],
    ["Sync with 2", Sync.type, new Uint8Array([2, 0, 0, 0]), "FILE-7"],
    ["a host's type", Data.type, new Uint8Array(0), "FRM-4"],
  ])("%s is a violation: the stream is reset", async (_name, type, payload, clause) => {
    host.violations.length = 0;
    const file = await guest.openFile("/data/violated", READ | WRITE | CREATE);
    file.postBytes(type, payload);
    await expect(file.next()).rejects.toMatchObject({ closed: 2 });
    await until("the report", () => host.violations.length === 1);
    expect(host.violations[0]).toMatchObject({ stream: file.pipe.id, clause });
    file.let();
  });
});

it("takes sizes past 2^53, which other guests may leave behind, for 2^53 - 1", async () => {
  // tmpfs has files that large; ext4 has not.
  await using tmpfs = await startHost({ data: "/dev/shm" });
  const name = `ringway-${process.pid}`;
  using writer = await FileGuest.attach(tmpfs.path);
  try {
    const file = await writer.openFile(`/data/${name}`, READ | WRITE | CREATE);
    const offset = Number.MAX_SAFE_INTEGER - 1;
    await file.call(WriteAt, { offset, data: Buffer.alloc(5000) }, Written);
    expect((await file.call(FileStat, {}, StatReply)).size).toBe(Number.MAX_SAFE_INTEGER);
    expect(await errnoOf(file.call(Seek, { whence: Whence.END, offset: 0 }, Position))).toBe(Errno.EOVERFLOW);
    await file.call(Seek, { whence: Whence.START, offset }, Position);
    expect((await file.call(Write, { data: Buffer.alloc(5000) }, Written)).bytes).toBe(5000);
    expect(await errnoOf(file.call(Seek, { whence: Whence.CURRENT, offset: 0 }, Position))).toBe(
      Errno.EINVAL,
    );
    await file.finish();
  } finally {
    execFileSync("rm", ["-f", `/dev/shm/${name}`]);
  }
});
