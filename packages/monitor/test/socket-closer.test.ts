// How a guest's socket is closed, where descriptors that the guest has sent may lie in it.

import { fstatSync } from "node:fs";
import { closeFd, createEventfd, Errno, send, sendWithFds, unixPair } from "@ringway/linux";
import { expect, it } from "vitest";
import { Accounts } from "../src/accounts/accounts.ts";
import type { DiskOperation } from "../src/disk/operations.ts";
import { SocketCloser } from "../src/links/socket-closer.ts";

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd, { bigint: true });
    return true;
  } catch {
    return false;
  }
};

/** A message of no bytes, which sendWithFds() does not send. */
function sendEmpty(fd: number): void {
  send(fd, 0, 0);
}

class Disk {
  readonly jobs: [operation: DiskOperation, done: () => void][] = [];

  submit(_user: object, operation: DiskOperation, _rate: object, done: (result: never) => void): never {
    this.jobs.push([operation, done as () => void]);
    return {} as never;
  }
}

it("is closed at once where the kernel refuses them", () => {
  const disk = new Disk();
  const account = new Accounts().take("uid:1");
  const fd = createEventfd();
  new SocketCloser(disk, true).close(fd, account);
  expect(isOpen(fd)).toBe(false);
  expect([disk.jobs.length, account.closing]).toEqual([0, 0]);
});

const MESSAGES: [string, Uint8Array][] = [
  ["a message", new Uint8Array(1)],
  ["an empty one", new Uint8Array(0)],
];

it.each(MESSAGES)(
  "with %s in it is closed by a disk worker else, and is its key's until then",
  (_, bytes) => {
    const disk = new Disk();
    const closer = new SocketCloser(disk, false);
    const account = new Accounts().take("uid:1");
    const before = account.descriptors;
    const [fd, guest] = unixPair();
    if (bytes.length > 0) sendWithFds(guest, bytes);
    else sendEmpty(guest);
    closer.close(fd, account);
    expect(disk.jobs[0]![0]).toEqual({ kind: "close", fd });
    expect(isOpen(fd)).toBe(true);
    expect([closer.waiting, account.closing, account.descriptors]).toEqual([1, 1, before + 1]);
    // Nothing more comes.
    expect(sendWithFds(guest, new Uint8Array(1))).toBe(-Errno.EPIPE);
    disk.jobs[0]![1]();
    expect([closer.waiting, account.closing, account.descriptors]).toEqual([0, 0, before]);
    for (const each of [fd, guest]) closeFd(each);
  },
);

it.each([true, false])(
  "with nothing in it is closed at once, whether its guest has gone (%s) or not",
  (isGone) => {
    const disk = new Disk();
    const account = new Accounts().take("uid:1");
    const [fd, guest] = unixPair();
    // Unread by the guest, which goes: an error waits on the host's end.
    sendWithFds(fd, new Uint8Array(1));
    if (isGone) closeFd(guest);
    new SocketCloser(disk, false).close(fd, account);
    expect(isOpen(fd)).toBe(false);
    expect(disk.jobs.length).toBe(0);
    if (!isGone) closeFd(guest);
  },
);
