// What a service manager gives: words to its socket, and sockets that listen already.

import { openSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import {
  closeFd,
  connectUnix,
  connectUnixStream,
  Errno,
  inheritedSocket,
  isNonBlocking,
  listenUnix,
  sendUnixDatagram,
  setNonBlocking,
  unixPair,
} from "../src/index.ts";
import { temporaryDirectory } from "./helpers.ts";

test("a socket that listens is known by its path and type, and made not to wait; all else is none", async () => {
  const folder = temporaryDirectory();
  for (const type of ["seqpacket", "stream"] as const) {
    const path = join(folder, type);
    const fd = listenUnix(path, { type });
    onTestFinished(() => void closeFd(fd));
    setNonBlocking(fd, false);
    expect(inheritedSocket(fd)).toEqual({ fd, path, type });
    expect(isNonBlocking(fd)).toBe(1);
  }
  const [near, far] = unixPair();
  const client = connectUnix(join(folder, "seqpacket"));
  const file = openSync("/dev/null", "r");
  const web = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void web.close());
  await new Promise((resolve) => web.once("listening", resolve));
  const tcp = (web as unknown as { _handle: { fd: number } })._handle.fd;
  expect([near, far, client, file, tcp, 9999].map(inheritedSocket)).toEqual(Array(6).fill(undefined));
  for (const fd of [near, far, client, file]) closeFd(fd);
});

test("its queue stays as long as whoever has made it wants", () => {
  const path = join(temporaryDirectory(), "queue");
  const fd = listenUnix(path, { type: "stream", backlog: 2 });
  onTestFinished(() => void closeFd(fd));
  inheritedSocket(fd);
  const waiting: number[] = [];
  // More than the queue of listenUnix() has as a rule.
  while (waiting.length < 100) {
    const client = connectUnixStream(path);
    if (client < 0) break;
    waiting.push(client);
  }
  for (const client of waiting) closeFd(client);
  expect(waiting).toHaveLength(3);
});

// That words come, whole, is shown where a monitor says them (packages/cli/test/service.test.ts).
test("a word that cannot be said says why", () => {
  const folder = temporaryDirectory();
  expect(sendUnixDatagram(join(folder, "none"), "x")).toBe(-Errno.ENOENT);
  expect(sendUnixDatagram("@ringway-none", "x")).toBe(-Errno.ECONNREFUSED);
  expect(sendUnixDatagram("relative", "x")).toBe(-Errno.EINVAL);
  expect(sendUnixDatagram(`/${"x".repeat(108)}`, "x")).toBe(-Errno.ENAMETOOLONG);
  expect(sendUnixDatagram(join(folder, "none"), "x".repeat(5000))).toBe(-Errno.EMSGSIZE);
});
