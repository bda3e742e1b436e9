// File descriptors as such: closing, duplicating, their flags.

import { Errno } from "./errno.ts";
import { failure, libcCall, outcome, scratch } from "./libc.ts";
import { check } from "./system-error.ts";

const closeCall = libcCall("close", "int", ["int"]);
const flockCall = libcCall("flock", "int", ["int", "int"]);
const pipeCall = libcCall("pipe2", "int", ["uintptr_t", "int"]);
const dupCall = libcCall("dup3", "int", ["int", "int", "int"]);
const fcntlCall = libcCall("fcntl", "int", ["int", "int", "intptr_t"]);

const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const O_NONBLOCK = 0o4000;
const O_NOATIME = 0o1000000;
const O_CLOEXEC = 0o2000000;
const LOCK_EX = 2;
const LOCK_NB = 4;

const pair = scratch(8);

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
 * Makes `number`, which is open, another descriptor (close-on-exec) for what `fd` names: 0 or -errno. What it named is
 * closed.
 */
export function replaceFd(fd: number, number: number): number {
  for (;;) {
    const result = outcome(dupCall(fd, number, O_CLOEXEC));
    if (result >= 0) return 0;
    if (result !== -Errno.EINTR) return result;
  }
}

/** A pipe, close-on-exec: where to read, where to write. Throws SystemError (EMFILE, ENFILE). */
export function createPipe(): [number, number] {
  check(outcome(pipeCall(pair.address, O_CLOEXEC)), "pipe2");
  return [pair.view.getInt32(0, true), pair.view.getInt32(4, true)];
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

/**
 * Reads by this open file description no longer change when the file was last accessed (O_NOATIME): 0; -EPERM where
 * the file is neither this user's nor under CAP_FOWNER; or another -errno.
 */
export function keepAccessTime(fd: number): number {
  const flags = fcntl(fd, F_GETFL, 0);
  return flags < 0 ? flags : fcntl(fd, F_SETFL, flags | O_NOATIME);
}

/** Whether O_NONBLOCK is set: 0, 1 or -errno. */
export function isNonBlocking(fd: number): number {
  const flags = fcntl(fd, F_GETFL, 0);
  return flags < 0 ? flags : flags & O_NONBLOCK ? 1 : 0;
}

/**
 * Locks the file for this open file description alone, among those who lock (flock(2)): 0, -EAGAIN where somebody else
 * has, or another -errno. Ends when the last descriptor of the description is closed, however its holders end.
 */
export function lockFile(fd: number): number {
  return outcome(flockCall(fd, LOCK_EX | LOCK_NB));
}
