import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { closeFd, createEventfd, Errno, OpenFlags, openat2, openDirectory, ReadBatch } from "../src/index.ts";
import { memory, temporaryDirectory } from "./helpers.ts";

const MOST = 8;
const content = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) % 251));

function opened(flags: number = OpenFlags.READ_ONLY): number {
  const path = temporaryDirectory();
  writeFileSync(join(path, "file"), content);
  const root = openDirectory(path);
  const fd = openat2(root, "file", flags, 0, 0);
  expect(fd).toBeGreaterThan(0);
  onTestFinished(() => {
    closeFd(fd);
    closeFd(root);
  });
  return fd;
}

describe("a batch of reads", () => {
  test("gives each what it would have alone, again and again", () => {
    const [fd, into, batch] = [opened(), memory(MOST * 4096), new ReadBatch(MOST)];
    // What this file system has not in memory, or cannot tell, has no bytes.
    let some = 0;
    for (let round = 0; round < 500; round++) {
      const length = 1 + (round % MOST);
      const offset = (i: number): number => (round * 977 + i * 12_345) % 110_000;
      for (let i = 0; i < length; i++) batch.add(fd, into.address + 4096 * i, 4096 - i, offset(i));
      expect(batch.run()).toBe(length);
      for (let i = 0; i < length; i++) {
        expect([batch.bytes(i), batch.offset(i)]).toEqual([4096 - i, offset(i)]);
        const count = batch.count(i);
        if (count === -Errno.EOPNOTSUPP || count === -Errno.EAGAIN) continue;
        const there = content.subarray(offset(i), offset(i) + 4096 - i);
        expect(count).toBe(there.length);
        expect(Buffer.from(into.bytes.subarray(4096 * i, 4096 * i + count)).equals(there)).toBe(true);
        some += count;
      }
    }
    if (batch.count(0) >= 0) expect(some).toBeGreaterThan(1_000_000);
  });

  test("has the errors of those that cannot be, and the bytes of those before and behind them", () => {
    const [fd, into, batch] = [opened(), memory(4096), new ReadBatch(MOST)];
    const [unreadable, eventfd] = [opened(OpenFlags.WRITE_ONLY), createEventfd()];
    batch.add(fd, into.address, 10, 0);
    const cached = batch.run() === 1 && batch.count(0) === 10;
    for (let round = 0; round < 40; round++) {
      const wrong = [-1, unreadable, eventfd, 1_000_000][round % 4]!;
      const at = round % MOST;
      for (let i = 0; i < MOST; i++) batch.add(i === at ? wrong : fd, into.address + 100 * i, 100, 7 * i);
      batch.run();
      for (let i = 0; i < MOST; i++) {
        if (i === at) expect(batch.count(i)).toBeLessThan(0);
        else if (cached) {
          expect(batch.count(i)).toBe(100);
          const found = Buffer.from(into.bytes.subarray(100 * i, 100 * i + 100));
          expect(found.equals(content.subarray(7 * i, 7 * i + 100))).toBe(true);
        }
      }
    }
    // No such memory: that of a hole in the address space.
    batch.add(fd, into.address, 10, 0);
    batch.add(fd, 4096, 10, 0);
    batch.run();
    if (cached) expect([batch.count(0), batch.count(1)]).toEqual([10, -Errno.EFAULT]);
    closeFd(eventfd);
  });
});
