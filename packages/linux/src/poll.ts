// poll(2) over a few descriptors.
//
// Invariant: revents(i) is that of the last wait(), and 0 where that was interrupted or timed out.

import { Errno } from "./errno.ts";
import { failure, libcCall, type Scratch, scratch } from "./libc.ts";

export const POLLIN = 0x001;
export const POLLPRI = 0x002;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;
export const POLLHUP = 0x010;
export const POLLNVAL = 0x020;
export const POLLRDHUP = 0x2000;

const pollCall = libcCall("poll", "int", ["uintptr_t", "size_t", "int"]);

export interface PollEntry {
  readonly fd: number;
  readonly events: number;
}

// struct pollfd: fd (i32), events (i16), revents (i16)
const entryBytes = 8;

export class PollSet {
  readonly length: number;
  readonly #memory: Scratch;

  constructor(entries: readonly PollEntry[]) {
    this.length = entries.length;
    this.#memory = scratch(Math.max(1, entries.length) * entryBytes);
    entries.forEach((entry, i) => {
      this.#memory.view.setInt32(i * entryBytes, entry.fd, true);
      this.#memory.view.setInt16(i * entryBytes + 4, entry.events, true);
    });
  }

  /**
   * Waits at most `timeoutMs` (-1: without limit). Returns how many entries have revents, 0 also when a signal
   * interrupted it; or -errno.
   */
  wait(timeoutMs: number): number {
    const count = pollCall(this.#memory.address, this.length, timeoutMs);
    if (count >= 0) return count;
    const error = failure();
    // A poll that failed leaves revents as they were.
    for (let i = 0; i < this.length; i++) this.#memory.view.setInt16(i * entryBytes + 6, 0, true);
    return error === -Errno.EINTR ? 0 : error;
  }

  /** The POLL* bits that entry `i` has now. */
  revents(i: number): number {
    return this.#memory.view.getUint16(i * entryBytes + 6, true);
  }
}

const one = scratch(entryBytes);
one.view.setInt16(4, POLLIN, true);

/** Is there anything to read on `fd`, or its end? Does not wait. */
export function isReadable(fd: number): boolean {
  one.view.setInt32(0, fd, true);
  return pollCall(one.address, 1, 0) > 0;
}

/** One wait for a set that is not kept: as PollSet.wait. */
export function poll(entries: readonly PollEntry[], timeoutMs: number): number {
  return new PollSet(entries).wait(timeoutMs);
}
