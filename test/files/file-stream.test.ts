// file-stream (PROTOCOL.md section 14): bytes out of and into files, whole and in part, and what is told when it fails.

import { execFileSync } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import {
  appendFileSync,
  closeSync,
  createReadStream,
  fsyncSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Closed, Errno, type Frame, fileMessages } from "@ringway/control";
import { Guest } from "@ringway/guest";
import { beforeAll, describe, expect, it } from "vitest";
import { errnoOf, failureOf } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { StreamGone } from "../support/raw-guest.ts";
import { until } from "../support/wait.ts";
import { type Host, startHost } from "./host.ts";
import { FileGuest, type RawStream } from "./wire.ts";

const { READ, WRITE, CREATE, EXCLUSIVE, APPEND, TRUNCATE } = fileMessages.FileFlags;
const { FileDirection, WriteDone, WriteFailed } = fileMessages;
const MiB = 1024 * 1024;
const ALL = Number.MAX_SAFE_INTEGER;

const hold = heldForAll();
let host: Host;
let guest: FileGuest;

beforeAll(async () => {
  host = hold(await startHost());
  guest = hold(await FileGuest.attach(host.path));
});

const onHost = (name: string): string => join(host.data, name);

function openRead(
  name: string,
  range: { offset?: number; length?: number } = {},
  ringBytes?: number,
): Promise<[RawStream, fileMessages.FileStreamOpened]> {
  return guest.openFileStream(
    { direction: FileDirection.READ, flags: READ, path: `/data/${name}`, ...range },
    ringBytes,
  );
}

async function openWrite(
  name: string,
  options: Partial<fileMessages.FileStreamOpen> = {},
  ringBytes?: number,
): Promise<RawStream> {
  const request = {
    direction: FileDirection.WRITE,
    flags: WRITE | CREATE,
    path: `/data/${name}`,
    ...options,
  };
  return (await guest.openFileStream(request, ringBytes))[0];
}

/** What the host says at last, and that it then ends. */
async function verdict(stream: RawStream): Promise<Frame> {
  const frame = await stream.next();
  await until("the host ends", () => stream.hostIsThrough());
  expect(stream.pipe.toGuest.peerClosed()).toBe(Closed.END);
  return frame;
}

async function written(stream: RawStream): Promise<number> {
  stream.end();
  const frame = await verdict(stream);
  expect(frame.type).toBe(WriteDone.type);
  stream.let();
  return WriteDone.decode(frame.payload).bytes;
}

async function failed(stream: RawStream): Promise<fileMessages.WriteFailed> {
  const frame = await verdict(stream);
  expect(frame.type).toBe(WriteFailed.type);
  stream.let();
  return WriteFailed.decode(frame.payload);
}

/** Bytes that tell their place. */
function pattern(length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = i * 2654435761;
  return Buffer.from(words.buffer, 0, length);
}

describe("reading", () => {
  it.each([
    ["the whole file", {}, 0, 300_000],
    ["from an offset", { offset: 123_457 }, 123_457, 300_000],
    ["a range", { offset: 4095, length: 8193 }, 4095, 12_288],
    ["a range that goes past the end", { offset: 299_999, length: 10 }, 299_999, 300_000],
    ["at the end", { offset: 300_000 }, 0, 0],
    ["beyond the end", { offset: 1e12 }, 0, 0],
    ["no bytes", { length: 0 }, 0, 0],
  ])("%s", async (_name, range, from, to) => {
    const content = pattern(300_000);
    writeFileSync(onHost("read"), content);
    for (const ringBytes of [4096, 65536, MiB]) {
      const [stream, opened] = await openRead("read", range, ringBytes);
      expect(opened).toMatchObject({ length: to - from, size: 300_000, kind: 1 });
      const got = await stream.read();
      expect(Buffer.compare(got, content.subarray(from, to))).toBe(0);
      await stream.finish();
    }
  });

  it("takes no more than it promised of a file that grows meanwhile", async () => {
    const content = pattern(200_000);
    writeFileSync(onHost("grows"), content);
    const [stream, opened] = await openRead("grows", {}, 4096);
    const first = await stream.read(1);
    appendFileSync(onHost("grows"), "more and more");
    const rest = await stream.read();
    expect(Buffer.compare(Buffer.concat([first, rest]), content)).toBe(0);
    expect(opened.length).toBe(200_000);
    await stream.finish();
  });

  it("ends early where the file shrank meanwhile", async () => {
    writeFileSync(onHost("shrinks"), pattern(200_000));
    const [stream, opened] = await openRead("shrinks", {}, 4096);
    const first = await stream.read(1);
    truncateSync(onHost("shrinks"), 50_000);
    const rest = await stream.read();
    expect(opened.length).toBe(200_000);
    expect(first.length + rest.length).toBe(50_000);
    await stream.finish();
  });

  it("comes through a hole, and through a cold page cache", async () => {
    const content = pattern(3 * MiB);
    const fd = openSync(onHost("cold"), "w");
    writeSync(fd, content, 0, content.length, 5 * MiB);
    fsyncSync(fd);
    closeSync(fd);
    for (let round = 0; round < 3; round++) {
      // Asks the kernel to forget the file's pages, so that a disk worker has to read them.
      execFileSync("dd", [`if=${onHost("cold")}`, "iflag=nocache", "count=0", "status=none"]);
      const [stream] = await openRead("cold", {}, 256 * 1024);
      const got = await stream.read();
      expect(got.length).toBe(8 * MiB);
      expect(got.subarray(0, 5 * MiB).every((byte) => byte === 0)).toBe(true);
      expect(Buffer.compare(got.subarray(5 * MiB), content)).toBe(0);
      await stream.finish();
    }
  });

  it("stops when the guest reads no more, or resets, and the slot is free again", async () => {
    writeFileSync(onHost("long"), Buffer.alloc(4 * MiB));
    const ids = new Set<number>();
    for (let i = 0; i < 150; i++) {
      const [stream] = await openRead("long", {}, 4096);
      ids.add(stream.pipe.id);
      if (i % 3 > 0) await stream.read(1);
      if (i % 2 === 0) stream.reset();
      else {
        stream.pipe.toGuest.close();
        stream.signal();
        await until("the host gives up", () => stream.hostIsThrough());
        stream.let();
      }
    }
    expect(ids.size).toBeLessThan(20);
  });
});

describe("writing", () => {
  it.each([4096, 65536, MiB])("through rings of %i bytes", async (ringBytes) => {
    const content = pattern(3 * MiB + 7);
    const stream = await openWrite("written", { flags: WRITE | CREATE | TRUNCATE }, ringBytes);
    await stream.write(content);
    expect(await written(stream)).toBe(content.length);
    expect(Buffer.compare(readFileSync(onHost("written")), content)).toBe(0);
  });

  it("nothing makes an empty file, with the mode asked for", async () => {
    const stream = await openWrite("empty", { flags: WRITE | CREATE | EXCLUSIVE, mode: 0o600 });
    expect(await written(stream)).toBe(0);
    expect(statSync(onHost("empty"))).toMatchObject({ size: 0 });
    expect(statSync(onHost("empty")).mode & 0o7777).toBe(0o600);
    expect(await errnoOf(openWrite("empty", { flags: WRITE | CREATE | EXCLUSIVE }))).toBe(17);
  });

  it("into the middle of a file, and at its end", async () => {
    writeFileSync(onHost("middle"), "0123456789");
    const middle = await openWrite("middle", { flags: WRITE, offset: 3 });
    await middle.write(Buffer.from("abc"));
    expect(await written(middle)).toBe(3);
    const end = await openWrite("middle", { flags: WRITE | APPEND });
    await end.write(Buffer.from("xy"));
    appendFileSync(onHost("middle"), "");
    await end.write(Buffer.from("z"));
    expect(await written(end)).toBe(3);
    const hole = await openWrite("middle", { flags: WRITE, offset: 15 });
    await hole.write(Buffer.from("!"));
    expect(await written(hole)).toBe(1);
    expect(readFileSync(onHost("middle"), "latin1")).toBe("012abc6789xyz\0\0!");
  });

  it("up to the length asked for, exactly; more is EFBIG", async () => {
    const exact = await openWrite("length", { length: 10, flags: WRITE | CREATE | TRUNCATE });
    await exact.write(Buffer.from("0123456789"));
    expect(await written(exact)).toBe(10);
    for (const pieces of [["0123456789ab"], ["0123", "456789", "ab"], ["0", "123456789a"]]) {
      const over = await openWrite("length", { length: 10, flags: WRITE | CREATE | TRUNCATE });
      for (const piece of pieces) await over.write(Buffer.from(piece));
      expect(await failed(over)).toMatchObject({ bytes: 10, errno: Errno.EFBIG });
      expect(readFileSync(onHost("length"), "utf8")).toBe("0123456789");
    }
    const none = await openWrite("length", { length: 0 });
    await none.write(Buffer.from("x"));
    expect(await failed(none)).toMatchObject({ bytes: 0, errno: Errno.EFBIG });
  });

  it("past the largest file that the file system has is EFBIG", async () => {
    const stream = await openWrite("too-far", { offset: ALL - 10 });
    await stream.write(Buffer.from("x"));
    expect(await failed(stream)).toMatchObject({ bytes: 0, errno: Errno.EFBIG });
  });

  it("keeps what was written when the guest resets in the middle, and answers nothing", async () => {
    const content = pattern(2 * MiB);
    const stream = await openWrite("cut", { flags: WRITE | CREATE | TRUNCATE }, 65536);
    await stream.write(content);
    await until("a good part is there", () => statSync(onHost("cut")).size >= MiB);
    stream.pipe.toHost.reset();
    stream.signal();
    await until("the host lets go", () => stream.hostIsThrough());
    expect(() => stream.poll()).toThrow(StreamGone);
    stream.let();
    const kept = readFileSync(onHost("cut"));
    expect(kept.length).toBeGreaterThanOrEqual(MiB);
    expect(Buffer.compare(kept, content.subarray(0, kept.length))).toBe(0);
  });

  it("goes on where the guest reads nothing of what it is told", async () => {
    const stream = await openWrite("deaf", { flags: WRITE | CREATE | TRUNCATE });
    stream.pipe.toGuest.close();
    stream.signal();
    await stream.write(Buffer.from("heard"));
    stream.pipe.toHost.end();
    stream.signal();
    await until("it is in the file", () => statSync(onHost("deaf")).size === 5);
    guest.session.forget(stream.pipe);
  });
});

describe("limits", () => {
  it("a quota of bytes written ends it with EDQUOT and the exact count, and file requests too", async () => {
    await using limited = await startHost({ limits: { fileBytesWritten: 100_000 } });
    using other = await FileGuest.attach(limited.path);
    const open = (name: string): Promise<[RawStream, unknown]> =>
      other.openFileStream(
        { direction: FileDirection.WRITE, flags: WRITE | CREATE, path: `/data/${name}` },
        65536,
      );
    const [first] = await open("first");
    await first.write(Buffer.alloc(60_000));
    expect(await written(first)).toBe(60_000);
    const [second] = await open("second");
    await second.write(Buffer.alloc(50_000));
    expect(await failed(second)).toMatchObject({ bytes: 40_000, errno: Errno.EDQUOT });
    expect(statSync(join(limited.data, "second")).size).toBe(40_000);
    const file = await other.openFile("/data/third", WRITE | CREATE);
    const write = file.call(fileMessages.Write, { data: Buffer.alloc(1) }, fileMessages.Written);
    expect(await errnoOf(write)).toBe(Errno.EDQUOT);
    const nothing = file.call(fileMessages.Write, { data: Buffer.alloc(0) }, fileMessages.Written);
    expect((await nothing).bytes).toBe(0);
    await file.finish();
    // Whoever else the same user attaches has used it up, too.
    using another = await FileGuest.attach(limited.path);
    const fourth = await another.openFile("/data/fourth", WRITE | CREATE);
    const more = fourth.call(fileMessages.Write, { data: Buffer.alloc(1) }, fileMessages.Written);
    expect(await errnoOf(more)).toBe(Errno.EDQUOT);
    other.vanish();
  });

  it.each([
    ["an unknown direction", { direction: 3, flags: READ }],
    ["direction 0", { direction: 0, flags: READ }],
    ["READ with the flag WRITE", { direction: FileDirection.READ, flags: WRITE }],
    ["READ with both flags", { direction: FileDirection.READ, flags: READ | WRITE }],
    ["WRITE with the flag READ", { direction: FileDirection.WRITE, flags: READ }],
    ["WRITE with both flags", { direction: FileDirection.WRITE, flags: READ | WRITE }],
    ["READ and CREATE", { direction: FileDirection.READ, flags: READ | CREATE }],
    ["an unknown flag", { direction: FileDirection.WRITE, flags: WRITE | 128 }],
    ["APPEND with an offset", { direction: FileDirection.WRITE, flags: WRITE | APPEND, offset: 1 }],
    ["a set-id mode", { direction: FileDirection.WRITE, flags: WRITE | CREATE, mode: 0o2755 }],
  ])("%s is EINVAL", async (_name, request) => {
    writeFileSync(onHost("einval"), "");
    expect(await errnoOf(guest.openFileStream({ path: "/data/einval", ...request }))).toBe(Errno.EINVAL);
  });

  it("refuses as file does", async () => {
    expect(await errnoOf(openRead("none"))).toBe(Errno.ENOENT);
    expect(await errnoOf(openRead("."))).toBe(Errno.EISDIR);
    expect(await errnoOf(openWrite("none/deep"))).toBe(Errno.ENOENT);
    const fixed = { direction: FileDirection.WRITE, flags: WRITE | CREATE, path: "/fixed/new" };
    expect(await failureOf(guest.openFileStream(fixed))).toMatchObject({ errno: Errno.EROFS, rule: "fixed" });
  });
});

describe("bulk, by the SDK", () => {
  it("256 MiB into a file and out of it again, unchanged", async () => {
    await using sdk = await Guest.attach(host.path);
    const chunk = randomFillSync(Buffer.alloc(MiB));
    const sent = createHash("sha1");
    async function* chunks(): AsyncGenerator<Buffer> {
      for (let i = 0; i < 256; i++) {
        chunk.writeUInt32LE(i, (i * 4093) % (MiB - 4));
        const copy = Buffer.from(chunk);
        sent.update(copy);
        yield copy;
      }
    }
    await pipeline(chunks, sdk.createWriteStream("/data/bulk"));
    const want = sent.digest("hex");
    const onDisk = createHash("sha1");
    for await (const part of createReadStream(onHost("bulk"), { highWaterMark: MiB }))
      onDisk.update(part as Buffer);
    expect(onDisk.digest("hex")).toBe(want);
    const got = createHash("sha1");
    for await (const part of sdk.createReadStream("/data/bulk")) got.update(part as Buffer);
    expect(got.digest("hex")).toBe(want);
    const whole = await sdk.readFile("/data/bulk");
    expect(createHash("sha1").update(whole).digest("hex")).toBe(want);
  }, 60_000);

  it("many files at once", async () => {
    await using sdk = await Guest.attach(host.path);
    const names = Array.from({ length: 100 }, (_, i) => `/data/many-${i}`);
    await Promise.all(
      names.map((name, i) => sdk.writeFile(name, pattern(10_000 + i * 777), { ringBytes: 4096 })),
    );
    const back = await Promise.all(names.map((name) => sdk.readFile(name, { ringBytes: 16384 })));
    for (const [i, content] of back.entries()) {
      expect(Buffer.compare(content, pattern(10_000 + i * 777))).toBe(0);
      expect(statSync(onHost(`many-${i}`)).size).toBe(10_000 + i * 777);
    }
  });
});
