// What we assume of the platform, one small check for each: where one fails, the design is what has to change. Each
// name is the assumption; the rest of the suite tests our own code.

import { spawnSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import {
  type Accepted,
  AT_FDCWD,
  accept,
  bind,
  closeFd,
  connect,
  createEventfd,
  drainEventfd,
  duplicateFd,
  EPOLLET,
  EPOLLIN,
  EPOLLOUT,
  Epoll,
  Errno,
  isNonBlocking,
  listen,
  localAddress,
  OpenFlags,
  openat2,
  ResolveFlags,
  receiveWithFds,
  recv,
  ringEventfd,
  SharedMemory,
  send,
  sendWithFds,
  setNonBlocking,
  tcpSocket,
  truncate,
  unixPair,
} from "../src/index.ts";
import { addressOf, scratch, viewOf } from "../src/libc.ts";
import { loopback, memory, waitFor } from "./helpers.ts";

function tcpPair(): [client: number, server: number] {
  const listener = tcpSocket(4);
  bind(listener, loopback(4));
  listen(listener, 1);
  const client = tcpSocket(4);
  connect(client, localAddress(listener));
  waitFor(listener, EPOLLIN);
  const { fd: server } = accept(listener) as Accepted;
  closeFd(listener);
  return [client, server];
}

describe("the kernel", () => {
  test("keeps a sealed memfd at its size", () => {
    using shared = SharedMemory.create("seals", 4096);
    expect(truncate(shared.fd, 0)).toBe(-Errno.EPERM);
  });

  test("has openat2, and RESOLVE_BENEATH holds", () => {
    const root = openat2(AT_FDCWD, "/usr", OpenFlags.PATH | OpenFlags.DIRECTORY, 0, 0);
    const flags = OpenFlags.PATH;
    expect(openat2(root, "../etc", flags, 0, ResolveFlags.BENEATH)).toBe(-Errno.EXDEV);
    closeFd(root);
  });

  test("passes descriptors over SEQPACKET, close-on-exec", () => {
    const [near, far] = unixPair();
    const bell = createEventfd();
    sendWithFds(near, new Uint8Array([1]), [bell]);
    const message = receiveWithFds(far, 1, 1);
    if (typeof message === "number") throw new Error("nothing came");
    const [copy] = message.fds;
    ringEventfd(copy!);
    expect(drainEventfd(bell)).toBe(1);
    const listing = spawnSync("readlink", [`/proc/self/fd/${copy}`], { encoding: "utf8" });
    expect(listing.stdout).not.toContain("eventfd");
    for (const fd of [copy!, bell, near, far]) closeFd(fd);
  });

  test("shares O_NONBLOCK among all who hold a passed descriptor", () => {
    const bell = createEventfd();
    const copy = duplicateFd(bell);
    setNonBlocking(copy, false);
    expect(isNonBlocking(bell)).toBe(0);
    closeFd(bell);
    closeFd(copy);
  });

  test("arms edge-triggered readiness again once recv() or send() has said EAGAIN", () => {
    const [client, server] = tcpPair();
    const bytes = memory(1 << 20);
    using epoll = new Epoll();
    epoll.add(server, EPOLLIN | EPOLLET, 1, 0);
    send(client, bytes.address, 1);
    expect(epoll.wait(1000)).toBe(1);
    expect(recv(server, bytes.address, 1)).toBe(1);
    expect(recv(server, bytes.address, 1)).toBe(-Errno.EAGAIN);
    expect(epoll.wait(0)).toBe(0);
    send(client, bytes.address, 1);
    expect(epoll.wait(1000)).toBe(1);

    epoll.add(client, EPOLLOUT | EPOLLET, 2, 0);
    expect(epoll.wait(0)).toBe(1);
    while (send(client, bytes.address, bytes.length) !== -Errno.EAGAIN);
    expect(epoll.wait(0)).toBeLessThan(2);
    let writable = false;
    for (let i = 0; i < 1000 && !writable; i++) {
      while (recv(server, bytes.address, bytes.length) > 0);
      for (let n = epoll.wait(10) - 1; n >= 0; n--) writable ||= epoll.slot(n) === 2;
    }
    expect(writable).toBe(true);
    closeFd(client);
    closeFd(server);
  });

  test("reports readiness that was there before the descriptor was added edge-triggered", () => {
    using epoll = new Epoll();
    const bell = createEventfd();
    ringEventfd(bell);
    epoll.add(bell, EPOLLIN | EPOLLET, 0, 0);
    expect(epoll.wait(0)).toBe(1);
    closeFd(bell);
  });

  test("rings an eventfd across fork and exec", () => {
    const bell = createEventfd();
    const script = 'printf "\\001\\0\\0\\0\\0\\0\\0\\0" >&3';
    spawnSync("sh", ["-c", script], { stdio: ["ignore", "ignore", "inherit", bell] });
    expect(drainEventfd(bell)).toBe(1);
    closeFd(bell);
  });

  test("takes send() straight from shared memory, and stops at what is not mapped", () => {
    const [client, server] = tcpPair();
    using shared = SharedMemory.create("send", 4096);
    expect(send(client, shared.address, 4096)).toBe(4096);
    expect(send(client, 4096, 1)).toBe(-Errno.EFAULT);
    closeFd(client);
    closeFd(server);
  });

  test("names descriptors in /proc, which a PATH handle's chmod may need", () => {
    const bell = createEventfd();
    expect(readlinkSync(`/proc/self/fd/${bell}`)).toContain("eventfd");
    closeFd(bell);
  });
});

describe("node and koffi", () => {
  test("have a page of 4 KiB or a multiple, and integers in little-endian", () => {
    expect(new Uint8Array(new Uint32Array([1]).buffer)[0]).toBe(1);
    using shared = SharedMemory.create("page", 4096);
    expect(shared.address % 4096).toBe(0);
  });

  test("let Atomics work on a view, and see each other through two views", () => {
    using shared = SharedMemory.create("atomics", 4096);
    const first = new Int32Array(shared.buffer);
    const second = new Int32Array(viewOf(shared.address, 4096));
    Atomics.store(first, 1, 3);
    expect(Atomics.exchange(second, 1, 4)).toBe(3);
    expect(Atomics.load(first, 1)).toBe(4);
  });

  test("let a Worker see the same memory by its address", async () => {
    using shared = SharedMemory.create("worker", 4096);
    const code = `
      const { workerData } = require("node:worker_threads");
      const koffi = require(workerData.koffi);
      const words = new Int32Array(koffi.view(BigInt(workerData.address), 4096));
      Atomics.store(words, 0, 77);
    `;
    const koffi = new URL(import.meta.resolve("koffi")).pathname.replace(/\.js$/, ".cjs");
    const worker = new Worker(code, { eval: true, workerData: { koffi, address: shared.address } });
    await new Promise((resolve) => worker.on("exit", resolve));
    expect(new Int32Array(shared.buffer)[0]).toBe(77);
  });

  test("leave an ArrayBuffer where it is, however much is collected around it", () => {
    const fixed = scratch(8);
    let garbage: ArrayBuffer[] = [];
    for (let i = 0; i < 200; i++) {
      garbage.push(new ArrayBuffer(1 << 16));
      if (garbage.length > 20) garbage = [];
    }
    expect(addressOf(fixed.bytes.buffer as ArrayBuffer)).toBe(fixed.address);
  });

  test("collect an ArrayBuffer of which only the address is known, so what calls write to is held", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const addressOnly = (make: () => { bytes: Uint8Array }) => new WeakRef(make().bytes.buffer);
    const [lost, kept] = [addressOnly(() => scratch(16)), addressOnly(() => memory(16))];
    // A WeakRef keeps what it was made of to the end of the turn.
    await new Promise(setImmediate);
    collect();
    expect([lost.deref(), kept.deref()?.byteLength]).toEqual([undefined, 16]);
  });

  test("cannot detach a view by transferring it, so released memory is replaced instead", () => {
    using shared = SharedMemory.create("transfer", 4096);
    const buffer = viewOf(shared.address, 4096);
    try {
      structuredClone(buffer, { transfer: [buffer] });
    } catch {
      // Newer versions of Node say so; Node 20 copies.
    }
    expect(buffer.byteLength).toBe(4096);
  });

  test("keep errno from the call to the reading of it, 10,000 times in a row", () => {
    const { address } = memory(1);
    const fd = tcpSocket(4);
    for (let i = 0; i < 10_000; i++) {
      if (recv(-1, address, 1) !== -Errno.EBADF) throw new Error(`lost at ${i}`);
      if (recv(fd, address, 1) !== -Errno.ENOTCONN) throw new Error(`lost at ${i}`);
    }
    closeFd(fd);
  });
});
