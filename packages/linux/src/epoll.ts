// One epoll instance with its event array, for a reactor thread.
//
// The u64 of each event is a slot (low half: where the relay is) and a tag (high half: which generation of it), so an
// event that was already queued for a descriptor closed since can be told from one for its successor.
//
// Invariant: events(i), slot(i), tag(i) are those of the last wait(), for i below what it returned.

import { closeFd } from "./descriptor.ts";
import { Errno } from "./errno.ts";
import { failure, isX64, libcCall, outcome, putI64, type Scratch, scratch, syscall } from "./libc.ts";
import { check } from "./system-error.ts";

export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
/** Always reported, asked for or not. */
export const EPOLLERR = 0x008;
/** Always reported, asked for or not. */
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;
export const EPOLLEXCLUSIVE: number = 1 << 28;
export const EPOLLONESHOT: number = 1 << 30;
/** Bit 31: a positive number here, and any int32 with that bit is taken alike. */
export const EPOLLET: number = 2 ** 31;

const createCall = libcCall("epoll_create1", "int", ["int"]);
const controlCall = libcCall("epoll_ctl", "int", ["int", "int", "int", "uintptr_t"]);
const waitCall = libcCall("epoll_wait", "int", ["int", "uintptr_t", "int", "int"]);
const pwait2Call = syscall(["int", "uintptr_t", "int", "uintptr_t", "uintptr_t", "size_t"]);
const PWAIT2 = 441;

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;

// struct epoll_event, in words: x86-64 packs it to 12 bytes; elsewhere the u64 is aligned and it has 16.
//   x86-64: events | slot | tag            generic: events | (padding) | slot | tag
const eventWords = isX64 ? 3 : 4;
const slotWord = isX64 ? 1 : 2;
const tagWord = slotWord + 1;

/** struct timespec: seconds i64 | nanoseconds i64. */
const timespec = scratch(16);
/** False once the kernel, or a filter of system calls, has said that it has none. */
let hasPwait2 = true;

/** Can `fd` be waited for? A regular file cannot, nor some devices. Throws SystemError (EBADF, EMFILE, ENOSPC). */
export function isPollable(fd: number): boolean {
  using epoll = new Epoll(1);
  const result = epoll.tryAdd(fd, EPOLLIN, 0, 0);
  if (result === -Errno.EPERM) return false;
  check(result, "epoll_ctl(ADD)");
  return true;
}

export class Epoll implements Disposable {
  readonly fd: number;
  /** The most events that one wait() reports; the rest come with the next. */
  readonly maxEvents: number;
  readonly #memory: Scratch;
  readonly #words: Int32Array;
  readonly #request: Scratch = scratch(eventWords * 4);
  readonly #requestWords: Int32Array = new Int32Array(this.#request.bytes.buffer);
  #closed = false;

  /** Throws SystemError (EMFILE, ENFILE). */
  constructor(maxEvents = 256) {
    this.maxEvents = maxEvents;
    this.#memory = scratch(maxEvents * eventWords * 4);
    this.#words = new Int32Array(this.#memory.bytes.buffer);
    this.fd = check(outcome(createCall(EPOLL_CLOEXEC)), "epoll_create1");
  }

  /** Watches `fd`. `slot` and `tag` are u32. Throws SystemError (EEXIST; EPERM for a regular file; ENOSPC). */
  add(fd: number, events: number, slot: number, tag: number): void {
    check(this.tryAdd(fd, events, slot, tag), "epoll_ctl(ADD)");
  }

  /** add(): 0 or -errno. */
  tryAdd(fd: number, events: number, slot: number, tag: number): number {
    return this.#control(EPOLL_CTL_ADD, fd, events, slot, tag);
  }

  /** Changes what `fd` is watched for, and re-arms EPOLLONESHOT and EPOLLET. Throws SystemError (ENOENT). */
  modify(fd: number, events: number, slot: number, tag: number): void {
    check(this.#control(EPOLL_CTL_MOD, fd, events, slot, tag), "epoll_ctl(MOD)");
  }

  /** Stops watching `fd`: 0, or -errno (-ENOENT, -EBADF), which a caller that is about to close it may ignore. */
  delete(fd: number): number {
    return this.#control(EPOLL_CTL_DEL, fd, 0, 0, 0);
  }

  /**
   * Waits at most `timeoutMs` (0: only looks; -1: without limit). Returns how many events there are, 0 also when a
   * signal interrupted it; or -errno (-EBADF after close).
   */
  wait(timeoutMs: number): number {
    if (this.#closed) return -Errno.EBADF;
    const count = waitCall(this.fd, this.#memory.address, this.maxEvents, timeoutMs);
    if (count >= 0) return count;
    const error = failure();
    return error === -Errno.EINTR ? 0 : error;
  }

  /** wait(), for `timeoutUs` at most; before Linux 5.11, for as many whole milliseconds as that takes. */
  waitUs(timeoutUs: number): number {
    if (this.#closed) return -Errno.EBADF;
    const timeoutMs = Math.ceil(timeoutUs / 1000);
    if (!hasPwait2) return this.wait(timeoutMs);
    putI64(timespec.view, 0, Math.floor(timeoutUs / 1e6));
    putI64(timespec.view, 8, Math.floor((timeoutUs % 1e6) * 1000));
    const count = pwait2Call(PWAIT2, this.fd, this.#memory.address, this.maxEvents, timespec.address, 0, 0);
    if (count >= 0) return count;
    const error = failure();
    if (error === -Errno.EINTR) return 0;
    if (error !== -Errno.ENOSYS && error !== -Errno.EPERM) return error;
    hasPwait2 = false;
    return this.wait(timeoutMs);
  }

  /** The EPOLL* bits of event `i`. */
  events(i: number): number {
    return this.#words[i * eventWords]!;
  }

  /** The slot of event `i`, as a u32. */
  slot(i: number): number {
    return this.#words[i * eventWords + slotWord]! >>> 0;
  }

  /** The tag of event `i`, as a u32. */
  tag(i: number): number {
    return this.#words[i * eventWords + tagWord]! >>> 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeFd(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #control(operation: number, fd: number, events: number, slot: number, tag: number): number {
    // After close() the number may be another descriptor's, and another epoll's at that.
    if (this.#closed) return -Errno.EBADF;
    this.#requestWords[0] = events;
    this.#requestWords[slotWord] = slot;
    this.#requestWords[tagWord] = tag;
    return outcome(controlCall(this.fd, operation, fd, this.#request.address));
  }
}
