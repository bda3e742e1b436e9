// @ringway/linux as the hostile guest uses it, where it is a virtual machine: its bell is a byte channel, and its
// memory has no seals. In the place of that package when its program is bundled.

import { readSync } from "node:fs";
import * as linux from "@ringway/linux";

export * from "@ringway/linux";

const bytes = linux.scratch(4096);

export const SharedMemory = {
  fromFd: (fd: number): linux.SharedMemory => linux.SharedMemory.fromFd(fd, { requireSeals: false }),
};

/** One byte is one ring. */
export function ringEventfd(fd: number): void {
  linux.write(fd, bytes.address, 1);
}

export function drainEventfd(fd: number): void {
  try {
    readSync(fd, bytes.bytes);
  } catch {
    // It was not rung, or nobody is at the other end.
  }
}

/** Rings that say something. */
export function sendWithFds(fd: number, message: Uint8Array): void {
  bytes.bytes.set(message);
  linux.write(fd, bytes.address, message.length);
}

/** The host does not hold this descriptor: its flags are nobody else's. */
export function setNonBlocking(): void {}

export function hungUp(fd: number): boolean {
  const set = new linux.PollSet([{ fd, events: 0 }]);
  set.wait(0);
  return (set.revents(0) & linux.POLLHUP) !== 0;
}
