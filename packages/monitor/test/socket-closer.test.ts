// How a guest's socket is closed, where descriptors that the guest has sent may lie in it.

import { fstatSync } from "node:fs";
import { createEventfd } from "@ringway/linux";
import { expect, it } from "vitest";
import { Accounts } from "../src/accounts/accounts.ts";
import type { DiskOperation } from "../src/disk/operations.ts";
import { SocketCloser } from "../src/links/socket-closer.ts";

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

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

it("is closed by a disk worker of its key else, and is a descriptor of its key until then", () => {
  const disk = new Disk();
  const account = new Accounts().take("uid:1");
  const before = account.descriptors;
  new SocketCloser(disk, false).close(77, account);
  expect(disk.jobs[0]![0]).toEqual({ kind: "close", fd: 77 });
  expect([account.closing, account.descriptors]).toEqual([1, before + 1]);
  disk.jobs[0]![1]();
  expect([account.closing, account.descriptors]).toEqual([0, before]);
});
