import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  AT_FDCWD,
  closeFd,
  duplicateFd,
  Errno,
  OpenFlags,
  openat2,
  Seal,
  SharedMemory,
  sealsOf,
  truncate,
  UnsafeMemoryError,
} from "../src/index.ts";
import { runChild, temporaryDirectory, unsealedMemfd } from "./helpers.ts";

const page = 4096;

describe("shared memory", () => {
  test("is zero, has the size asked for, and takes Atomics", () => {
    using shared = SharedMemory.create("test", 4 * page);
    expect(shared.bytes).toBe(4 * page);
    expect(shared.buffer.byteLength).toBe(4 * page);
    const words = new Int32Array(shared.buffer);
    expect(words.every((word) => word === 0)).toBe(true);
    expect(Atomics.add(words, 3, 5)).toBe(0);
    expect(Atomics.load(words, 3)).toBe(5);
  });

  test("cannot be truncated, grown or sealed further by anyone who has its descriptor", () => {
    using shared = SharedMemory.create("test", 2 * page);
    expect(truncate(shared.fd, page)).toBe(-Errno.EPERM);
    expect(truncate(shared.fd, 3 * page)).toBe(-Errno.EPERM);
    expect(sealsOf(shared.fd)).toBe(Seal.SHRINK | Seal.GROW | Seal.SEAL);
  });

  test("is the same memory through every mapping of its descriptor", () => {
    using first = SharedMemory.create("test", page);
    using second = SharedMemory.fromFd(duplicateFd(first.fd));
    using attached = SharedMemory.attachExisting(first.place);
    expect(second.address).not.toBe(first.address);
    new Uint8Array(first.buffer)[100] = 42;
    expect(new Uint8Array(second.buffer)[100]).toBe(42);
    expect(new Uint8Array(attached.buffer)[100]).toBe(42);
  });

  test("outlives its disposal while work in flight retains it", () => {
    const shared = SharedMemory.create("test", page);
    const hold = shared.retain();
    const bytes = new Uint8Array(shared.buffer);
    shared[Symbol.dispose]();
    shared[Symbol.dispose]();
    bytes[0] = 9;
    using again = SharedMemory.fromFd(duplicateFd(shared.fd));
    expect(new Uint8Array(again.buffer)[0]).toBe(9);
    expect(() => shared.retain()).toThrow(/released/);
    expect(shared.released).toBe(false);
    hold[Symbol.dispose]();
    hold[Symbol.dispose]();
    expect(shared.released).toBe(true);
    expect(() => shared.buffer).toThrow(/released/);
    expect(shared.fd).toBe(-1);
    expect(shared.punchHole(0, page)).toBe(-Errno.EBADF);
  });

  test("gives the pages of a hole back, and they read as zero", () => {
    using shared = SharedMemory.create("ringway-hole", 64 * page);
    const bytes = new Uint8Array(shared.buffer);
    bytes.fill(1);
    const resident = () => residentKiB("ringway-hole");
    expect(resident()).toBe(64 * 4);
    expect(shared.punchHole(16 * page, 32 * page)).toBe(0);
    expect(bytes[16 * page - 1]).toBe(1);
    expect(bytes.subarray(16 * page, 48 * page).every((byte) => byte === 0)).toBe(true);
    expect(bytes[48 * page]).toBe(1);
    expect(shared.bytes).toBe(64 * page);
    expect(shared.punchHole(60 * page, 5 * page)).toBe(-Errno.EINVAL);
  });

  test("counts nothing in V8's heap when it is made here: a guest that comes must not bring about a collection", () => {
    const before = process.memoryUsage().external;
    using shared = SharedMemory.create("test", 256 << 20);
    expect(process.memoryUsage().external - before).toBeLessThan(1 << 20);
    expect(shared.buffer.byteLength).toBe(256 << 20);
  });

  test("is not mapped from a memfd that the other side could truncate", () => {
    const fd = unsealedMemfd();
    expect(() => SharedMemory.fromFd(duplicateFd(fd))).toThrow(UnsafeMemoryError);
    using trusted = SharedMemory.fromFd(duplicateFd(fd), { requireSeals: false });
    expect(trusted.bytes).toBe(page);
    closeFd(fd);
  });

  test("is not mapped from what is no memfd, or is not open", () => {
    const flags = OpenFlags.READ_WRITE | OpenFlags.TEMPORARY;
    const file = openat2(AT_FDCWD, temporaryDirectory(), flags, 0o600, 0);
    truncate(file, page);
    expect(() => SharedMemory.fromFd(file)).toThrow(
      expect.objectContaining({
        code: "ERR_RINGWAY_UNSAFE_MEMORY",
        message: "the descriptor is not a memfd",
      }),
    );
    expect(() => SharedMemory.fromFd(12345)).toThrow(expect.objectContaining({ code: "EBADF" }));
  });

  test("takes the descriptor over, also when it refuses it", () => {
    using shared = SharedMemory.create("test", page);
    const fd = duplicateFd(shared.fd);
    SharedMemory.fromFd(fd)[Symbol.dispose]();
    expect(closeFd(fd)).toBe(-Errno.EBADF);
  });

  test("refuses sizes that are none", () => {
    expect(() => SharedMemory.create("test", 0)).toThrow(RangeError);
    expect(() => SharedMemory.create("test", 1.5)).toThrow(RangeError);
    expect(() => SharedMemory.create("x".repeat(300), page)).toThrow(
      expect.objectContaining({ code: "EINVAL" }),
    );
  });
});

describe("what is left of released memory", () => {
  test("is never the region, and never a crash: stale views read zero or nothing", () => {
    const code = `
      const shared = linux.SharedMemory.create("stale", 1 << 20);
      const other = linux.SharedMemory.fromFd(linux.duplicateFd(shared.fd));
      const bytes = new Uint8Array(shared.buffer);
      const atAddress = new Uint8Array(linux.SharedMemory.attachExisting(shared.place).buffer);
      bytes.fill(7);
      console.log(atAddress[12345]);
      shared[Symbol.dispose]();
      console.log(bytes[12345] ?? 0, bytes.length === 0 || bytes.length === 1 << 20, atAddress[12345]);
      bytes[12345] = 8;
      console.log(new Uint8Array(other.buffer)[12345]);
    `;
    expect(runChild(code)).toEqual({ status: 0, output: "7\n0 true 0\n7\n" });
  });

  test("is unmapped when the last typed array on it was collected, and not before", () => {
    const code = `
      import { readFileSync } from "node:fs";
      import { setTimeout as sleep } from "node:timers/promises";
      const lines = () => readFileSync("/proc/self/maps", "utf8").split("\\n").filter((line) => / rw-/.test(line));
      const rangeOf = (line) => line.split(" ")[0].split("-").map((text) => parseInt(text, 16));
      const isMapped = (address) => lines().map(rangeOf).some(([low, high]) => low <= address && address < high);
      const collect = async () => { for (let i = 0; i < 5; i++) { gc(); await sleep(5); } };
      let places, bytes;
      {
        const shared = linux.SharedMemory.create("collected", 2 ** 31);
        places = lines().filter((line) => line.includes("memfd:collected")).map((line) => rangeOf(line)[0] + 4096);
        bytes = new Uint8Array(shared.buffer, 4096, 10);
        shared[Symbol.dispose]();
      }
      await collect();
      const detached = bytes.length === 0;
      console.log(places.length > 0, detached || places.every(isMapped));
      if (!detached) bytes[0] = 1;
      bytes = undefined;
      await collect();
      console.log(places.some(isMapped));
    `;
    expect(runChild(code, ["--expose-gc"])).toEqual({ status: 0, output: "true true\nfalse\n" });
  });

  test("keeps none of the region's pages", () => {
    const shared = SharedMemory.create("ringway-gone", 16 * page);
    new Uint8Array(shared.buffer).fill(1);
    expect(residentKiB("ringway-gone")).toBe(64);
    shared[Symbol.dispose]();
    expect(residentKiB("ringway-gone")).toBe(-1);
  });
});

/** Memory that the mappings of a memfd with this name have in use, or -1 where there are none. */
function residentKiB(name: string): number {
  const maps = readFileSync("/proc/self/smaps", "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const ours = maps.filter((map) => map.split("\n")[0]!.includes(`/memfd:${name}`));
  if (ours.length === 0) return -1;
  return ours.reduce((sum, map) => sum + Number(/^Rss:\s+(\d+)/m.exec(map)![1]), 0);
}
