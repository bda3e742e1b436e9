// What a mount asks of an open file, by its descriptor (MNT-9 to MNT-12, MNT-18). Each is bounded, and waits for the
// disk alone.

import { fileMessages, mountMessages } from "@ringway/control";
import {
  append,
  closeFd,
  copyFileRange,
  duplicateFd,
  Errno,
  fallocate,
  LockKind,
  lockRange,
  readAt,
  type Scratch,
  scratch,
  seek,
  testLock,
  writeAt,
} from "@ringway/linux";
import { failed } from "../judgement.ts";
import { clamp } from "../status.ts";
import type { Told } from "./attributes.ts";

export interface Counted extends Told {
  readonly value?: number;
}

const counted = (result: number): Counted =>
  result < 0
    ? failed(-result)
    : { errno: 0, value: result, data: fileMessages.Written.encode({ bytes: result }) };

const done = (result: number): Told => failed(Math.max(0, -result));

/** Most bytes in one request, and so in a worker's memory. */
let buffer: Scratch | undefined;
function room(): Scratch {
  buffer ??= scratch(64 * 1024);
  return buffer;
}

/** All that is asked for, or all that there is: an error behind some bytes is the next one's to tell. */
export function read(fd: number, bytes: number, offset: number): Counted {
  const { address, bytes: memory } = room();
  let count = 0;
  while (count < bytes) {
    const more = readAt(fd, address + count, bytes - count, offset + count);
    if (more < 0 && count === 0) return failed(-more);
    if (more <= 0) break;
    count += more;
  }
  return { errno: 0, value: count, data: memory.slice(0, count) };
}

/** offset -1: at the end, in one piece. */
export function write(fd: number, data: Uint8Array, offset: number): Counted {
  const { address, bytes } = room();
  bytes.set(data);
  if (offset < 0) return counted(append(fd, address, data.length));
  let count = 0;
  while (count < data.length) {
    const more = writeAt(fd, address + count, data.length - count, offset + count);
    if (more < 0 && count === 0) return failed(-more);
    if (more <= 0) break;
    count += more;
  }
  return counted(count);
}

/** What close(2) would tell. */
export function flush(fd: number): Told {
  const copy = duplicateFd(fd);
  return done(copy < 0 ? copy : closeFd(copy));
}

export function allocate(fd: number, mode: number, offset: number, bytes: number): Told {
  return done(fallocate(fd, mode, offset, bytes));
}

export function copy(from: number, fromOffset: number, to: number, toOffset: number, bytes: number): Counted {
  return counted(copyFileRange(from, fromOffset, to, toOffset, bytes));
}

export function position(fd: number, offset: number, whence: number): Told {
  const at = Number(seek(fd, offset, whence));
  if (at > Number.MAX_SAFE_INTEGER) return failed(Errno.EOVERFLOW);
  return at < 0 ? failed(-at) : { errno: 0, data: fileMessages.Position.encode({ offset: at }) };
}

/** MountLockKind to that of the kernel, and back. */
const KINDS = [LockKind.NONE, LockKind.SHARED, LockKind.EXCLUSIVE] as const;

export function lock(fd: number, kind: number, start: number, bytes: number): Told {
  return done(lockRange(fd, KINDS[kind]!, start, bytes));
}

export function lookForLock(fd: number, kind: number, start: number, bytes: number): Told {
  const found = testLock(fd, KINDS[kind]!, start, bytes);
  if (typeof found === "number") return failed(-found);
  if (found.kind === LockKind.NONE) {
    return { errno: 0, data: mountMessages.MountLockFound.encode({ kind: 0, start: 0, bytes: 0 }) };
  }
  // Of others, who may lock past what the wire can tell.
  const locked = { start: clamp(found.start), bytes: found.bytes };
  if (!Number.isSafeInteger(found.start + found.bytes)) locked.bytes = 0;
  const told = { ...locked, kind: KINDS.indexOf(found.kind) };
  return { errno: 0, data: mountMessages.MountLockFound.encode(told) };
}
