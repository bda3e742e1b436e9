// Byte channels: a socket on one side, a device on the other.

import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  closeFd,
  connectUnixStream,
  drainChannel,
  Errno,
  makeRaw,
  ringChannel,
  ringDevice,
} from "../src/index.ts";
import { temporaryDirectory } from "./helpers.ts";
import { openPty, type Pty } from "./pty.ts";

function pty(): Pty & { readonly slave: number } {
  const pair = openPty();
  const slave = openSync(pair.path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  onTestFinished(() => {
    closeSync(slave);
    pair.close();
  });
  return { ...pair, slave };
}

/** The next `count` bytes at `fd`: the kernel passes on what was written by a thread of its own, perhaps one by one. */
async function bytesAt(fd: number, count: number): Promise<number[]> {
  const bytes: number[] = [];
  const read = (): number => {
    const buffer = Buffer.alloc(64);
    try {
      bytes.push(...buffer.subarray(0, readSync(fd, buffer)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
    return bytes.length;
  };
  await expect.poll(read).toBeGreaterThanOrEqual(count);
  return bytes;
}

describe("a device as a channel", () => {
  it("rings with one byte", async () => {
    const { fd, slave } = pty();
    expect(makeRaw(slave)).toBe(0);
    expect(ringDevice(slave)).toBe(0);
    expect(ringDevice(slave)).toBe(0);
    expect(await bytesAt(fd, 2)).toEqual([1, 1]);
  });

  it("has rung when it is full, and never waits", () => {
    const { slave } = pty();
    expect(makeRaw(slave)).toBe(0);
    // More than the line holds: 4 KiB each way, and what the line discipline adds.
    expect(new Set(Array.from({ length: 20_000 }, () => ringDevice(slave)))).toEqual(new Set([0]));
  });

  it("says when the other end is gone", () => {
    const { slave, close } = pty();
    close();
    expect(ringDevice(slave)).toBe(-Errno.EIO);
  });
});

describe("makeRaw", () => {
  it("passes every byte as it is, in lines or not", async () => {
    const { fd, slave } = pty();
    expect(makeRaw(slave)).toBe(0);
    // Interrupt, end of file, carriage return, newline, stop: a terminal would keep or change each.
    const bytes = [3, 4, 13, 10, 19, 0, 255];
    writeSync(fd, Buffer.from(bytes));
    expect(await bytesAt(slave, bytes.length)).toEqual(bytes);
    writeSync(slave, Buffer.from(bytes));
    expect(await bytesAt(fd, bytes.length)).toEqual(bytes);
  });

  it("says of what is no terminal that it is none", () => {
    const fd = openSync("/dev/null", "r+");
    onTestFinished(() => closeSync(fd));
    expect(makeRaw(fd)).toBe(-Errno.ENOTTY);
    expect(makeRaw(-1)).toBe(-Errno.EBADF);
  });
});

describe("a socket as a channel", () => {
  it("has rung when it is full, and says when the other end is gone", async () => {
    const path = join(temporaryDirectory(), "doorbell");
    const accepted = new Promise<{ destroy(): void }>((resolve) => {
      const server = createServer({ pauseOnConnect: true }, resolve).listen(path);
      onTestFinished(() => void server.close());
    });
    expect(connectUnixStream(`${path}-`)).toBe(-Errno.ENOENT);
    const fd = connectUnixStream(path);
    onTestFinished(() => void closeFd(fd));
    const host = await accepted;
    expect(drainChannel(fd)).toBe(0);
    expect(new Set(Array.from({ length: 20_000 }, () => ringChannel(fd)))).toEqual(new Set([0]));
    host.destroy();
    await expect.poll(() => drainChannel(fd)).toBe(-Errno.ECONNRESET);
    expect(ringChannel(fd)).toBe(-Errno.EPIPE);
  });
});
