// Descriptors of all kinds in Node's event loop: real eventfds, message sockets, terminals.

import { closeSync, constants, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  closeFd,
  createEventfd,
  duplicateFd,
  makeRaw,
  ringEventfd,
  sendWithFds,
  unixPair,
} from "@ringway/linux";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { openPty } from "../../linux/test/pty.ts";
import { LoopWatch } from "../src/attach/loop-watch.ts";

const FILE = join(tmpdir(), `ringway-loop-watch-${process.pid}`);
const unheard = (): never => expect.unreachable();
const openFds = (): number => readdirSync("/proc/self/fd").length;

let before: number;
beforeAll(() => {
  before = openFds();
});
afterAll(() => {
  expect(openFds()).toBe(before);
  rmSync(FILE, { force: true });
});

/** A watch that counts, and is closed at the end. */
function watch(fd: number): { watch: LoopWatch; counts: { bytes: number; ends: number } } {
  const counts = { bytes: 0, ends: 0 };
  const it = new LoopWatch(fd);
  it.start(
    () => counts.bytes++,
    () => counts.ends++,
  );
  onTestFinished(async () => {
    it.close();
    await it.closed;
  });
  return { watch: it, counts };
}

describe("an eventfd", () => {
  it("is heard each time that it is rung, and emptied", async () => {
    const fd = createEventfd();
    const ring = duplicateFd(fd);
    onTestFinished(() => void closeFd(ring));
    const { counts } = watch(fd);
    for (let rings = 1; rings <= 50; rings++) {
      ringEventfd(ring);
      ringEventfd(ring);
      await expect.poll(() => counts.bytes, { interval: 1 }).toBe(rings);
    }
    expect(counts.ends).toBe(0);
  });

  it("is heard where it was rung before it was watched, but not in the same turn", async () => {
    const fd = createEventfd();
    ringEventfd(fd);
    const { counts } = watch(fd);
    expect(counts.bytes).toBe(0);
    await expect.poll(() => counts.bytes).toBe(1);
  });

  it("is not heard after close()", async () => {
    const fd = createEventfd();
    const ring = duplicateFd(fd);
    onTestFinished(() => void closeFd(ring));
    const { watch: it, counts } = watch(fd);
    ringEventfd(ring);
    it.close();
    expect(it.fd).toBe(-1);
    await it.closed;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(counts).toEqual({ bytes: 0, ends: 0 });
  });
});

describe("a message socket", () => {
  it("is heard, and its end is told once", async () => {
    const [near, far] = unixPair();
    const { watch: it, counts } = watch(near);
    sendWithFds(far, Buffer.from("hello"));
    await expect.poll(() => counts.bytes).toBe(1);
    closeFd(far);
    await expect.poll(() => counts.ends).toBe(1);
    await it.closed;
    expect(it.fd).toBe(-1);
    const warnings: Error[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on("warning", warned);
    onTestFinished(() => void process.off("warning", warned));
    for (let i = 0; i < 20; i++) {
      it.ref();
      it.unref();
    }
    await new Promise(setImmediate);
    expect(warnings).toEqual([]);
  });
});

describe("a device", () => {
  it("is heard, written to under its new number, and its hang-up is its end", async () => {
    const pty = openPty();
    const { watch: it, counts } = watch(openSync(pty.path, constants.O_RDWR | constants.O_NOCTTY));
    expect(makeRaw(it.fd)).toBe(0);
    writeSync(pty.fd, "\x01\x01");
    await expect.poll(() => counts.bytes).toBe(1);
    writeSync(it.fd, "\x01");
    pty.close();
    await expect.poll(() => counts.ends).toBe(1);
  });

  it.each([
    ["a file", FILE],
    ["a device that is none to wait for", "/dev/zero"],
  ])("%s is refused, where the loop would abort the process", (_, path) => {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT);
    const refused = new LoopWatch(fd);
    expect(() => refused.start(unheard, unheard)).toThrow(expect.objectContaining({ code: "EPERM" }));
    refused.close();
    expect(() => closeSync(fd)).toThrow("EBADF");
  });
});
