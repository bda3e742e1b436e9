// What the SDK tells of bytes written is what is in the file; and records that many append at once stay whole.

import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { Guest, type GuestFile } from "@ringway/guest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { heldForAll } from "../support/held.ts";
import { mounted, run, unmount } from "../support/slow-disk.ts";
import { until } from "../support/wait.ts";
import { type Host, startHost, withLimits } from "./host.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

interface Failure extends Error {
  readonly code?: string;
  readonly bytesWritten?: number;
}

const failureOf = (work: Promise<unknown>): Promise<Failure> =>
  work.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: Failure) => error,
  );

/** Writes until it fails: the error, and all that was told to be written, before and with it. */
async function fill(file: GuestFile, data: Buffer, at?: number): Promise<{ error: Failure; told: number }> {
  for (let told = at ?? 0; ; ) {
    try {
      told += (await file.write(data, 0, data.length, at === undefined ? null : told)).bytesWritten;
    } catch (error) {
      return { error: error as Failure, told: told + (error as Failure).bytesWritten! };
    }
  }
}

function failed(stream: Writable): Promise<Failure> {
  return new Promise((resolve) => stream.once("error", resolve));
}

const small = mounted((folder) => run("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder));

describe.skipIf(small.missing !== "")(`on a full disk ${small.missing}`, () => {
  afterAll(() => unmount(small.folder));
  const hold = heldForAll();
  let host: Host;
  let guest: Guest;
  beforeAll(async () => {
    host = hold(await startHost({ data: small.folder }));
    guest = hold(await Guest.attach(host.path));
  });

  const sizeOf = (name: string): number => statSync(join(small.folder, name)).size;

  it.each([
    ["of one request each", 1001],
    ["of several requests each", 200_001],
  ])("writes %s tell together what is in the file", async (_name, bytes) => {
    for (const at of [undefined, 0]) {
      await using file = await guest.open("/data/file", "w");
      const { error, told } = await fill(file, Buffer.alloc(bytes, "x"), at);
      expect(error).toMatchObject({ code: "ENOSPC", bytesWritten: expect.any(Number) });
      expect(told).toBe(sizeOf("file"));
      expect(told).toBeGreaterThan(400 * KiB);
    }
    await guest.unlink("/data/file");
  });

  it("writev(), writeFile() and appendFile() of an open file tell it, and those of a path", async () => {
    const data = Buffer.alloc(300_000, "x");
    const calls: [string, (file: GuestFile) => Promise<unknown>][] = [
      ["w", (file) => file.writev([data, data])],
      ["w", (file) => file.writeFile([data, data])],
      ["a", (file) => file.appendFile(Buffer.concat([data, data]))],
      ["w", () => guest.writeFile("/data/file", Buffer.concat([data, data]))],
      ["a", () => guest.appendFile("/data/file", [data, data])],
    ];
    for (const [flags, call] of calls) {
      await guest.rm("/data/file", { force: true });
      await using file = await guest.open("/data/file", flags);
      const error = await failureOf(call(file));
      expect(error).toMatchObject({ code: "ENOSPC", bytesWritten: sizeOf("file") });
      expect(error.bytesWritten).toBeGreaterThan(400 * KiB);
    }
    await guest.unlink("/data/file");
  });

  it("a stream's bytesWritten is the file's size", async () => {
    await using file = await guest.open("/data/file", "w");
    const streams = [
      () => guest.createWriteStream("/data/file"),
      () => file.createWriteStream({ autoClose: false }),
    ];
    for (const make of streams) {
      await file.truncate();
      const stream = make();
      const failing = failed(stream);
      for (let i = 0; i < 20; i++) stream.write(Buffer.alloc(50_000));
      expect(await failing).toMatchObject({ code: "ENOSPC", bytesWritten: expect.any(Number) });
      expect(stream.bytesWritten).toBe(sizeOf("file"));
      expect(stream.bytesWritten).toBeGreaterThan(400 * KiB);
    }
    await guest.unlink("/data/file");
  });
});

describe("with room on the disk", () => {
  const hold = heldForAll();
  let host: Host;
  let guest: Guest;
  beforeAll(async () => {
    host = hold(await startHost());
    guest = hold(await Guest.attach(host.path));
  });

  const sizeOf = (name: string): number => statSync(join(host.data, name)).size;

  it("a stream never tells more than is in the file, while it writes, and the file's size when it has finished", async () => {
    const stream = guest.createWriteStream("/data/file");
    await once(stream, "ready");
    const tooMuch: string[] = [];
    for (let i = 0; i < 200; i++) {
      if (!stream.write(Buffer.alloc(100_000))) await once(stream, "drain");
      const told = stream.bytesWritten;
      const size = sizeOf("file");
      if (told > size) tooMuch.push(`${told} of ${size}`);
    }
    expect(tooMuch).toEqual([]);
    stream.end();
    await once(stream, "finish");
    expect(stream.bytesWritten).toBe(20_000_000);
    expect(sizeOf("file")).toBe(20_000_000);
  });

  it("a stream that is destroyed has told no more than stays in the file", async () => {
    for (let round = 0; round < 10; round++) {
      const stream = guest.createWriteStream("/data/file");
      stream.write(Buffer.alloc(3_000_000));
      await until("something is written", () => stream.bytesWritten > 0);
      stream.destroy();
      const told = stream.bytesWritten;
      await until("the stream is gone", () => host.monitor.counters().streams === 0);
      expect(told).toBeLessThanOrEqual(sizeOf("file"));
      expect(stream.bytesWritten).toBe(told);
    }
  });

  it("a limit of bytes written is EDQUOT with the count", async () => {
    await using own = await startHost();
    await own.monitor.reload(withLimits(own.policy, { fileBytesWritten: 300_000 }));
    await using limited = await Guest.attach(own.path);
    await using file = await limited.open("/data/file", "w");
    const { error, told } = await fill(file, Buffer.alloc(70_001, "x"));
    expect(error.code).toBe("EDQUOT");
    expect(told).toBe(300_000);
    expect(statSync(join(own.data, "file")).size).toBe(told);
  });

  const WRITERS = 8;

  /** Records of one letter each: those that are not whole, of a file of nothing else. */
  function torn(bytes: number, records: number): number[] {
    const content = readFileSync(join(host.data, "log"));
    expect(content.length).toBe(WRITERS * records * bytes);
    const found: number[] = [];
    for (let at = 0; at < content.length; at += bytes) {
      const record = content.subarray(at, at + bytes);
      if (!record.equals(Buffer.alloc(bytes, record[0]))) found.push(at / bytes);
    }
    return found;
  }

  async function append(each: (letter: string) => Promise<void>): Promise<void> {
    writeFileSync(join(host.data, "log"), "");
    await Promise.all(Array.from({ length: WRITERS }, (_, i) => each(String.fromCharCode(97 + i))));
  }

  it.each([
    [4096, undefined, 400],
    [4096, 4096, 100],
    [1000, 4096, 100],
    [5001, 64 * KiB, 400],
    [100_000, MiB, 40],
  ])(
    "records of %i bytes, appended by eight streams with rings of %s, are whole",
    async (bytes, ringBytes, records) => {
      await append(async (letter) => {
        const stream = guest.createWriteStream("/data/log", { flags: "a", ringBytes });
        for (let i = 0; i < records; i++) {
          if (!stream.write(Buffer.alloc(bytes, letter))) await once(stream, "drain");
        }
        stream.end();
        await once(stream, "finish");
      });
      expect(torn(bytes, records)).toEqual([]);
    },
  );

  it("records that open files append are whole, as are those of appendFile()", async () => {
    const bytes = 3000;
    const records = 200;
    await append(async (letter) => {
      const record = Buffer.alloc(bytes, letter);
      await using file = await guest.open("/data/log", "a");
      const stream = file.createWriteStream({ autoClose: false });
      for (let i = 0; i < records; i += 4) {
        await file.write(record);
        await file.writev([record, record]);
        if (i % 80 === 0) await guest.appendFile("/data/log", record);
        else stream.write(record);
      }
      stream.end();
      await once(stream, "finish");
    });
    expect(torn(bytes, records)).toEqual([]);
  });
});
