import { describe, expect, test } from "vitest";
import { write } from "../src/files/bytes.ts";
import {
  closeFd,
  createEventfd,
  drainEventfd,
  EPOLLIN,
  Errno,
  ringEventfd,
  ringForeign,
  setNonBlocking,
} from "../src/index.ts";
import { memory, waitFor } from "./helpers.ts";

describe("an eventfd", () => {
  test("counts rings until it is drained, and then has none", () => {
    const fd = createEventfd();
    expect(drainEventfd(fd)).toBe(0);
    expect(ringEventfd(fd)).toBe(0);
    expect(ringEventfd(fd)).toBe(0);
    expect(waitFor(fd, EPOLLIN)).toBe(EPOLLIN);
    expect(drainEventfd(fd)).toBe(2);
    expect(drainEventfd(fd)).toBe(0);
    closeFd(fd);
  });

  test("that is full is ringing already", () => {
    const fd = createEventfd();
    const most = memory(8);
    most.bytes.writeBigUInt64LE(2n ** 64n - 2n);
    expect(write(fd, most.address, 8)).toBe(8);
    expect(ringEventfd(fd)).toBe(0);
    expect(drainEventfd(fd)).toBe(2 ** 64);
    closeFd(fd);
  });

  test("that is closed says so", () => {
    expect(ringEventfd(-1)).toBe(-Errno.EBADF);
    expect(drainEventfd(-1)).toBe(-Errno.EBADF);
  });

  test("whose other holder has made it blocking is drained and rung without a wait", () => {
    const fd = createEventfd();
    setNonBlocking(fd, false);
    expect(drainEventfd(fd)).toBe(0);
    for (let i = 0; i < 1000; i++) expect(ringForeign(fd)).toBe(0);
    expect(drainEventfd(fd)).toBe(1000);
    const most = memory(8);
    most.bytes.writeBigUInt64LE(2n ** 64n - 2n);
    expect(write(fd, most.address, 8)).toBe(8);
    for (let i = 0; i < 100; i++) expect(ringForeign(fd)).toBe(0);
    expect(drainEventfd(fd)).toBe(2 ** 64);
    expect(drainEventfd(fd)).toBe(0);
    closeFd(fd);
    expect(ringForeign(-1)).toBeLessThan(0);
  });
});
