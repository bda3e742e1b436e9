// Files through a real monitor.

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Guest, RefusedError } from "@ringway/guest";
import { beforeAll, describe, expect, it } from "vitest";
import { heldForAll } from "../../../test/support/held.ts";
import { type Host, startHost } from "./host.ts";

const hold = heldForAll();
let host: Host;
let guest: Guest;
const onHost = (name: string): string => join(host.data, name);

beforeAll(async () => {
  host = hold(await startHost());
  guest = hold(await Guest.attach(host.path));
});

function pattern(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) buffer[i] = (i * 7 + (i >>> 12)) & 255;
  return buffer;
}

describe("whole files", () => {
  it.each([0, 1, 4096, 65_537, 3_000_001])("carries %i bytes out and back", async (bytes) => {
    const data = pattern(bytes);
    await guest.writeFile("/data/whole", data);
    expect(readFileSync(onHost("whole")).equals(data)).toBe(true);
    expect((await guest.readFile("/data/whole")).equals(data)).toBe(true);
    expect((await guest.readFile("/data/whole", { ringBytes: 4096 })).equals(data)).toBe(true);
  });

  it("carries text, ranges, iterables and streams", async () => {
    await guest.writeFile("/data/text", "grüße");
    expect(await guest.readFile("/data/text", "utf8")).toBe("grüße");
    await guest.appendFile("/data/text", "!", { mode: 0o600 });
    expect(await guest.readFile("/data/text", { encoding: "latin1" })).toBe("grÃ¼Ã\u009fe!");
    expect((await guest.readFile("/data/text", { offset: 2, length: 2 })).toString()).toBe("ü");
    await guest.writeFile("/data/list", ["a", Buffer.from("b"), "c"]);
    expect(await guest.readFile("/data/list", "utf8")).toBe("abc");
    await guest.writeFile("/data/list", Readable.from(["x", "y"]));
    expect(await guest.readFile("/data/list", "utf8")).toBe("xy");
    await guest.writeFile("/data/list", "Z", { flags: "r+", offset: 1 });
    expect(await guest.readFile("/data/list", "utf8")).toBe("xZ");
  });

  it("streams a copy through the guest", async () => {
    const data = pattern(5_000_000);
    writeFileSync(onHost("from"), data);
    const from = guest.createReadStream("/data/from");
    const to = guest.createWriteStream("/data/to");
    await pipeline(from, to);
    expect(from.bytesRead).toBe(data.length);
    expect(to.bytesWritten).toBe(data.length);
    expect(readFileSync(onHost("to")).equals(data)).toBe(true);
  });

  it("fails as node:fs does", async () => {
    await expect(guest.readFile("/data/none")).rejects.toMatchObject({
      code: "ENOENT",
      errno: -2,
      syscall: "open",
      path: "/data/none",
      message: "ENOENT: no such file or directory, open '/data/none'",
    });
    await expect(guest.readFile("/data")).rejects.toMatchObject({ code: "EISDIR" });
    await guest.writeFile("/data/there", "");
    await expect(guest.writeFile("/data/there", "x", { flags: "wx" })).rejects.toMatchObject({
      code: "EEXIST",
    });
    const refused = await guest.readFile("/etc/passwd").catch((error) => error);
    expect(refused).toBeInstanceOf(RefusedError);
    expect(refused).toMatchObject({ code: "EACCES" });
    await expect(guest.writeFile("/data/cut", pattern(1000), { length: 10 })).rejects.toMatchObject({
      code: "EFBIG",
      bytesWritten: expect.any(Number),
    });
    await expect(guest.readFile(`/data/${"x".repeat(5000)}`)).rejects.toMatchObject({ code: "ENAMETOOLONG" });
    await expect(guest.readFile("/data/a\0b")).rejects.toMatchObject({ code: "ERR_INVALID_ARG_VALUE" });
    await expect(guest.open("/data/x", "q")).rejects.toMatchObject({ code: "ERR_INVALID_ARG_VALUE" });
    const stream = guest.createReadStream("/data/none");
    await expect(stream.toArray()).rejects.toMatchObject({ code: "ENOENT" });
    await expect(pipeline(Readable.from(["x"]), guest.createWriteStream("/nowhere"))).rejects.toMatchObject({
      code: "EACCES",
    });
  });

  it("is aborted", async () => {
    writeFileSync(onHost("large"), pattern(20_000_000));
    const abort = new AbortController();
    const reading = guest.readFile("/data/large", { signal: abort.signal });
    setImmediate(() => abort.abort());
    await expect(reading).rejects.toMatchObject({ code: "ABORT_ERR" });
    const writing = new AbortController();
    const endless = async function* (): AsyncGenerator<Buffer> {
      for (let i = 0; ; i++) {
        if (i === 20) writing.abort();
        yield Buffer.alloc(1000);
      }
    };
    await expect(
      guest.writeFile("/data/endless", endless(), { signal: writing.signal }),
    ).rejects.toMatchObject({
      code: "ABORT_ERR",
    });
    const stream = guest.createReadStream("/data/large", { signal: AbortSignal.abort() });
    await expect(stream.toArray()).rejects.toMatchObject({ code: "ABORT_ERR" });
    expect(await guest.ping()).toBeGreaterThan(0);
  });
});

describe("an open file", () => {
  it("reads, writes, seeks, tells and truncates", async () => {
    const file = await guest.open("/data/open", "w+", 0o640);
    expect(file.opened.size).toBe(0);
    const data = pattern(200_000);
    expect(await file.write(data)).toEqual({ bytesWritten: 200_000, buffer: data });
    expect(await file.write("XY", 10)).toEqual({ bytesWritten: 2, buffer: "XY" });
    expect(await file.seek(0)).toBe(0);
    const buffer = Buffer.alloc(300_000);
    expect((await file.read(buffer)).bytesRead).toBe(200_000);
    expect((await file.read(buffer)).bytesRead).toBe(0);
    data.write("XY", 10);
    expect(buffer.subarray(0, 200_000).equals(data)).toBe(true);
    const part = new Uint8Array(100_000);
    expect((await file.read(part, 0, 100_000, 50_000)).bytesRead).toBe(100_000);
    expect(Buffer.compare(part, data.subarray(50_000, 150_000))).toBe(0);
    expect((await file.stat()).size).toBe(200_000);
    expect((await file.stat()).isFile()).toBe(true);
    await file.truncate(100);
    expect(await file.seek(-10, "end")).toBe(90);
    await file.sync();
    await file.datasync();
    await file.close();
    await file.close();
    expect(readFileSync(onHost("open")).length).toBe(100);
    await expect(file.stat()).rejects.toMatchObject({ code: "EBADF" });
  });

  it("keeps many requests in order", async () => {
    const file = await guest.open("/data/order", "w+");
    await Promise.all(Array.from({ length: 500 }, (_, i) => file.write(`${i},`)));
    await file.close();
    const expected = Array.from({ length: 500 }, (_, i) => `${i},`).join("");
    expect(readFileSync(onHost("order"), "utf8")).toBe(expected);
  });

  it("that was opened to read cannot be written", async () => {
    await guest.writeFile("/data/ro", "x");
    const file = await guest.open("/data/ro");
    await expect(file.write("y")).rejects.toMatchObject({ code: "EBADF" });
    await file.close();
  });
});

describe("names", () => {
  it("are made, listed, told, moved and removed", async () => {
    await guest.mkdir("/data/a/b/c", { recursive: true });
    await expect(guest.mkdir("/data/a")).rejects.toMatchObject({
      code: "EEXIST",
      syscall: "mkdir",
      path: "/data/a",
    });
    await guest.writeFile("/data/a/file", "12345");
    await guest.symlink("file", "/data/a/link");
    expect(await guest.readlink("/data/a/link")).toBe("file");
    expect((await guest.lstat("/data/a/link")).isSymbolicLink()).toBe(true);
    expect((await guest.stat("/data/a/link")).size).toBe(5);
    expect((await guest.readdir("/data/a")).sort()).toEqual(["b", "file", "link"]);
    const entries = await guest.readdir("/data/a", { withFileTypes: true });
    const kinds = entries.map((e) => [e.name, e.isDirectory(), e.isFile(), e.isSymbolicLink(), e.parentPath]);
    expect(kinds.sort()).toEqual([
      ["b", true, false, false, "/data/a"],
      ["file", false, true, false, "/data/a"],
      ["link", false, false, true, "/data/a"],
    ]);
    await guest.chmod("/data/a/file", 0o600);
    expect((await guest.stat("/data/a/file")).mode & 0o7777).toBe(0o600);
    await guest.utimes("/data/a/file", 1000.5, new Date(2_000_250));
    const stat = await guest.stat("/data/a/file");
    expect([stat.atimeMs, stat.mtimeMs]).toEqual([1_000_500, 2_000_250]);
    await guest.rename("/data/a/file", "/data/a/moved");
    await guest.unlink("/data/a/moved");
    await guest.unlink("/data/a/link");
    await expect(guest.rmdir("/data/a")).rejects.toMatchObject({ code: "ENOTEMPTY" });
    await guest.rmdir("/data/a/b/c");
    await expect(guest.unlink("/data/none")).rejects.toMatchObject({ code: "ENOENT", syscall: "unlink" });
    const fs = await guest.statfs("/data");
    expect(fs.bsize * fs.blocks).toBeGreaterThan(0);
  });

  it("come in many frames where there are many", async () => {
    mkdirSync(onHost("many"));
    for (let i = 0; i < 3000; i++) symlinkSync("x", onHost(`many/${"n".repeat(100)}${i}`));
    expect(await guest.readdir("/data/many")).toHaveLength(3000);
  });

  it("are asked about with a signal", async () => {
    await expect(guest.stat("/data", { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ABORT_ERR",
    });
    const abort = new AbortController();
    const pending = guest.readdir("/data/many", { signal: abort.signal });
    abort.abort();
    await expect(pending).rejects.toMatchObject({ code: "ABORT_ERR" });
    expect((await guest.stat("/data")).isDirectory()).toBe(true);
  });
});
