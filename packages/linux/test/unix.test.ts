import { readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  acceptUnix,
  closeFd,
  connectUnix,
  createEventfd,
  drainEventfd,
  EPOLLIN,
  Errno,
  isNonBlocking,
  listenUnix,
  peerCredentials,
  receiveWithFds,
  ringEventfd,
  SharedMemory,
  sendWithFds,
  unixPair,
} from "../src/index.ts";
import { startChild, temporaryDirectory, waitFor } from "./helpers.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

describe("a message with descriptors", () => {
  test("lets another process write our memory and ring our bell", async () => {
    const path = join(temporaryDirectory(), "monitor.sock");
    const listener = listenUnix(path);
    const child = startChild(`
      const fd = linux.connectUnix(${JSON.stringify(path)});
      const message = linux.receiveWithFds(fd, 64, 4, 10_000);
      const [memory, bell] = message.fds;
      const shared = linux.SharedMemory.fromFd(memory);
      new Uint8Array(shared.buffer).set(message.bytes, 1000);
      linux.ringEventfd(bell);
      linux.receiveWithFds(fd, 1, 0, 10_000);
      process.exit(7);
    `);
    for (let i = 0; i < 20 && waitFor(listener, EPOLLIN) === 0; i++);
    const peer = acceptUnix(listener);
    expect(peerCredentials(peer)).toEqual({ pid: child.pid, uid: process.getuid!(), gid: process.getgid!() });
    using shared = SharedMemory.create("shared", 4096);
    const bell = createEventfd();
    expect(sendWithFds(peer, bytesOf("hello"), [shared.fd, bell])).toBe(5);
    for (let i = 0; i < 20 && waitFor(bell, EPOLLIN) === 0; i++);
    expect(drainEventfd(bell)).toBe(1);
    expect(Buffer.from(shared.buffer, 1000, 5).toString()).toBe("hello");
    closeFd(peer);
    expect(await child.exit).toBe(7);
    closeFd(bell);
    closeFd(listener);
  });

  test("keeps its bounds, and its descriptors are copies that close on exec", () => {
    const [near, far] = unixPair();
    const bell = createEventfd();
    expect(sendWithFds(near, bytesOf("one"), [bell, bell])).toBe(3);
    expect(sendWithFds(near, bytesOf("three"))).toBe(5);
    const first = receiveWithFds(far, 100, 8);
    if (typeof first === "number") throw new Error("nothing came");
    expect(Buffer.from(first.bytes).toString()).toBe("one");
    expect(first.fds).toHaveLength(2);
    ringEventfd(first.fds[0]!);
    expect(drainEventfd(bell)).toBe(1);
    expect(receiveWithFds(far, 100, 0)).toEqual({ bytes: bytesOf("three"), fds: [] });
    for (const fd of [...first.fds, bell, near, far]) closeFd(fd);
  });

  test.each([
    ["more descriptors than were asked for", 10, 1],
    ["descriptors where none were asked for", 10, 0],
    ["more bytes than were asked for", 2, 4],
  ])("with %s is an error that leaves no descriptor open", (_, maxBytes, maxFds) => {
    const [near, far] = unixPair();
    const bell = createEventfd();
    const before = openDescriptors();
    sendWithFds(near, bytesOf("many"), [bell, bell, bell]);
    expect(receiveWithFds(far, maxBytes, maxFds)).toBe(-Errno.EMSGSIZE);
    expect(openDescriptors()).toBe(before);
    expect(receiveWithFds(far, maxBytes, maxFds)).toBe(-Errno.EAGAIN);
    for (const fd of [bell, near, far]) closeFd(fd);
  });

  test("may carry 253 descriptors, and not one more", () => {
    const [near, far] = unixPair();
    const bell = createEventfd();
    expect(sendWithFds(near, bytesOf("x"), new Array<number>(254).fill(bell))).toBe(-Errno.EINVAL);
    expect(sendWithFds(near, bytesOf("x"), new Array<number>(253).fill(bell))).toBe(1);
    const message = receiveWithFds(far, 1, 253);
    if (typeof message === "number") throw new Error("nothing came");
    expect(message.fds).toHaveLength(253);
    for (const fd of [...message.fds, bell, near, far]) closeFd(fd);
  });

  test("that is empty is the end, so an empty one is not sent", () => {
    const [near, far] = unixPair();
    expect(sendWithFds(near, new Uint8Array(0))).toBe(-Errno.EINVAL);
    expect(receiveWithFds(far, 10, 1)).toBe(-Errno.EAGAIN);
    expect(receiveWithFds(far, 10, 1, 20)).toBe(-Errno.EAGAIN);
    closeFd(near);
    expect(receiveWithFds(far, 10, 1, -1)).toEqual({ bytes: new Uint8Array(0), fds: [] });
    expect(sendWithFds(far, bytesOf("x"))).toBe(-Errno.EPIPE);
    closeFd(far);
  });
});

describe("a listener at a path", () => {
  test("has the mode asked for, whatever the umask, and sockets that do not block", () => {
    const path = join(temporaryDirectory(), "s");
    const listener = listenUnix(path, { mode: 0o666 });
    expect(statSync(path).mode & 0o777).toBe(0o666);
    const client = connectUnix(path);
    expect(acceptUnix(listener)).toBeGreaterThan(0);
    expect(acceptUnix(listener)).toBe(-Errno.EAGAIN);
    expect(isNonBlocking(client)).toBe(1);
    closeFd(client);
    closeFd(listener);
    const secret = join(temporaryDirectory(), "s");
    closeFd(listenUnix(secret));
    expect(statSync(secret).mode & 0o777).toBe(0o600);
  });

  test("replaces a socket that nobody listens on any more", () => {
    const path = join(temporaryDirectory(), "s");
    closeFd(listenUnix(path));
    const listener = listenUnix(path);
    closeFd(connectUnix(path));
    closeFd(listener);
  });

  test("leaves a listener in peace that is alive, even with a full backlog", () => {
    const path = join(temporaryDirectory(), "s");
    const inUse = expect.objectContaining({ code: "EADDRINUSE", path });
    const listener = listenUnix(path, { backlog: 0 });
    expect(() => listenUnix(path)).toThrow(inUse);
    expect(() => listenUnix(path)).toThrow(inUse);
    closeFd(listener);
  });

  test("leaves another type's listener and other files in peace", async () => {
    const path = join(temporaryDirectory(), "s");
    const inUse = expect.objectContaining({ code: "EADDRINUSE" });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    expect(() => listenUnix(path)).toThrow(inUse);
    expect(() => connectUnix(path)).toThrow(expect.objectContaining({ code: "EPROTOTYPE" }));
    await new Promise((resolve) => server.close(resolve));
    writeFileSync(path, "precious");
    expect(() => listenUnix(path)).toThrow(inUse);
    expect(statSync(path).size).toBe(8);
  });

  test("refuses paths that a socket address has no room for", () => {
    const tooLong = expect.objectContaining({ code: "ENAMETOOLONG" });
    const path = `${temporaryDirectory()}/${"x".repeat(108)}`;
    expect(() => listenUnix(path)).toThrow(tooLong);
    expect(() => connectUnix(path)).toThrow(tooLong);
    expect(() => listenUnix("a\0b")).toThrow(expect.objectContaining({ code: "EINVAL" }));
    expect(() => listenUnix("")).toThrow(expect.objectContaining({ code: "EINVAL" }));
  });

  test("is missed, refused or waited for with an error that says which", () => {
    const path = join(temporaryDirectory(), "s");
    expect(() => connectUnix(path)).toThrow(expect.objectContaining({ code: "ENOENT" }));
    const listener = listenUnix(path, { backlog: 0 });
    const waiting = connectUnix(path);
    expect(() => connectUnix(path, 20)).toThrow(expect.objectContaining({ code: "ETIMEDOUT" }));
    closeFd(waiting);
    closeFd(listener);
    expect(() => connectUnix(path)).toThrow(expect.objectContaining({ code: "ECONNREFUSED" }));
  });
});
