// inotify(7): what happens to files and folders, whoever does it. What is to be watched is named by a descriptor, also
// one opened with PATH.
//
// Reading never waits: the instance is non-blocking. What the kernel's queue has no room for is lost, and that is told:
// an event OVERFLOW of no watch.

import { Errno } from "../errno.ts";
import { failure, libcCall, outcome, putPath, type Scratch, scratch } from "../libc.ts";

const initCall = libcCall("inotify_init1", "int", ["int"]);
const addCall = libcCall("inotify_add_watch", "int", ["int", "uintptr_t", "uint32_t"]);
const removeCall = libcCall("inotify_rm_watch", "int", ["int", "int"]);
const readCall = libcCall("read", "intptr_t", ["int", "uintptr_t", "size_t"]);

const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;

/** Bits of events, and of what is asked for. */
export const WatchBits = {
  MODIFIED: 0x2,
  ATTRIBUTES: 0x4,
  CLOSED_WRITE: 0x8,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATED: 0x100,
  REMOVED: 0x200,
  REMOVED_SELF: 0x400,
  UNMOUNTED: 0x2000,
  OVERFLOW: 0x4000,
  /** The watch is gone: removed, or what it was on. */
  IGNORED: 0x8000,
  IS_FOLDER: 0x40000000,
} as const;

/** Asked for: no events of a file that has no name any more. */
const IN_EXCL_UNLINK = 0x04000000;

/** A new instance: a descriptor, or -errno (-EMFILE: as many as a user may have). */
export function createInotify(): number {
  return outcome(initCall(IN_NONBLOCK | IN_CLOEXEC));
}

const path = scratch(64);

/**
 * Watches what `fd` is for these events: a number from 1, the same for the same file; or -errno (-ENOSPC: as many as a
 * user may have).
 */
export function addWatch(inotify: number, fd: number, events: number): number {
  putPath(path, `/proc/self/fd/${fd}`);
  return outcome(addCall(inotify, path.address, (events | IN_EXCL_UNLINK) >>> 0));
}

/** Ends a watch: 0 or -errno. An event IGNORED follows. */
export function removeWatch(inotify: number, watch: number): number {
  return outcome(removeCall(inotify, watch));
}

export interface WatchEvent {
  /** -1 with OVERFLOW. */
  readonly watch: number;
  readonly bits: number;
  /** Joins MOVED_FROM and MOVED_TO; else 0. */
  readonly cookie: number;
  /** Of the entry of a folder; empty for what is watched itself. */
  readonly name: Uint8Array;
}

// struct inotify_event: wd i32 0 | mask u32 4 | cookie u32 8 | name bytes u32 12 | name, and NULs
const HEADER_BYTES = 16;
/** At least one event with the longest name. */
const BATCH_BYTES = 4096;
let batch: Scratch | undefined;

/** The next events, none where none wait; or -errno. Never waits. */
export function readWatchEvents(inotify: number): WatchEvent[] | number {
  batch ??= scratch(BATCH_BYTES);
  const { address, bytes, view } = batch;
  const end = readCall(inotify, address, BATCH_BYTES);
  if (end < 0) {
    const error = failure();
    return error === -Errno.EAGAIN || error === -Errno.EINTR ? [] : error;
  }
  const events: WatchEvent[] = [];
  for (let at = 0; at < end; ) {
    const start = at + HEADER_BYTES;
    const next = start + view.getUint32(at + 12, true);
    const nul = bytes.indexOf(0, start);
    events.push({
      watch: view.getInt32(at, true),
      bits: view.getUint32(at + 4, true),
      cookie: view.getUint32(at + 8, true),
      name: bytes.slice(start, nul < 0 || nul > next ? next : nul),
    });
    at = next;
  }
  return events;
}
