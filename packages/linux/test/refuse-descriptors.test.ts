import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  acceptUnix,
  canRefuseDescriptors,
  closeFd,
  connectUnix,
  createEventfd,
  Errno,
  listenUnix,
  receiveWithFds,
  refuseDescriptors,
  sendWithFds,
  unixPair,
} from "../src/index.ts";

const HELLO = new Uint8Array([1]);

/** What sending a descriptor gives, where the kernel can refuse it and where not. */
const REFUSED = canRefuseDescriptors() ? -Errno.EPERM : HELLO.length;

/** Is `b`'s end one that takes none, while it can send some to `a`? */
function expectOneWay(a: number, b: number): void {
  const fd = createEventfd();
  expect(sendWithFds(a, HELLO, [fd])).toBe(REFUSED);
  expect(sendWithFds(a, HELLO)).toBe(HELLO.length);
  expect(sendWithFds(b, HELLO, [fd])).toBe(HELLO.length);
  const got = receiveWithFds(a, 16, 1);
  if (typeof got === "number") throw new Error(`received ${got}`);
  expect(got.fds.length).toBe(1);
  for (const each of [...got.fds, fd, a, b]) closeFd(each);
}

describe("descriptors are refused", () => {
  it("by one end of a pair that was told so, and not by the other", () => {
    const [a, b] = unixPair();
    expect(refuseDescriptors(b)).toBe(canRefuseDescriptors() ? 0 : -Errno.ENOPROTOOPT);
    expectOneWay(a, b);
  });

  it("by what a listening socket accepts, whenever it was connected", () => {
    const folder = mkdtempSync(join(tmpdir(), "refuse-"));
    const listener = listenUnix(join(folder, "socket"));
    const a = connectUnix(join(folder, "socket"));
    const fd = createEventfd();
    // Before it is accepted.
    expect(sendWithFds(a, HELLO, [fd])).toBe(REFUSED);
    closeFd(fd);
    expectOneWay(a, acceptUnix(listener));
    closeFd(listener);
    rmSync(folder, { recursive: true });
  });
});
