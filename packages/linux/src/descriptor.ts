// File descriptors as such: closing, duplicating, their flags.

import { Errno } from "./errno.ts";
import { failure, libcCall, outcome } from "./libc.ts";

const closeCall = libcCall("close", "int", ["int"]);
const flockCall = libcCall("flock", "int", ["int", "int"]);
const fcntlCall = libcCall("fcntl", "int", ["int", "int", "intptr_t"]);

const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const O_NONBLOCK = 0o4000;
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Closes a descriptor: 0 or -errno. The descriptor is gone whatever the result, also after -EINTR: closing again
 * could close somebody else's.
 */
export function closeFd(fd: number): number {
  const result = closeCall(fd) === -1 ? failure() : 0;
  return result === -Errno.EINTR ? 0 : result;
}

/** fcntl(2) with an integer argument: a value, or -errno. */
export function fcntl(fd: number, command: number, argument: number): number {
  return outcome(fcntlCall(fd, command, argument));
}

/** Another descriptor (close-on-exec) for the same open file description: a descriptor, or -errno. */
export function duplicateFd(fd: number): number {
  return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/**
 * Sets or clears O_NONBLOCK: 0 or -errno. The flag belongs to the open file description, so it changes for whoever
 * else holds it; and they may change it back.
 */
export function setNonBlocking(fd: number, on: boolean): number {
  const flags = fcntl(fd, F_GETFL, 0);
  if (flags < 0) return flags;
  return fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

/** Whether O_NONBLOCK is set: 0, 1 or -errno. */
export function isNonBlocking(fd: number): number {
  const flags = fcntl(fd, F_GETFL, 0);
  return flags < 0 ? flags : flags & O_NONBLOCK ? 1 : 0;
}

/**
 * Locks the file for this open file description alone, among those who lock (flock(2)): 0, -EAGAIN where somebody else has,
 * or another -errno. Ends when the last descriptor of the description is closed, however its holders end.
 */
export function lockFile(fd: number): number {
  return outcome(flockCall(fd, LOCK_EX | LOCK_NB));
}
