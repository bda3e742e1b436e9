// Ranges of a file, by its descriptor: allocated, punched, copied, locked.
//
// Locks are those of the open file description (F_OFD_*): whoever has a duplicate of the descriptor has them too, and
// they end with the last one.

import { Errno } from "../errno.ts";
import { i64At, isX64, libcCall, outcome, putI64, scratch, syscall } from "../libc.ts";

const fallocateCall = libcCall("fallocate", "int", ["int", "int", "int64_t", "int64_t"]);
const fcntlCall = libcCall("fcntl", "int", ["int", "int", "uintptr_t"]);
const lseekCall = libcCall("lseek", "int64_t", ["int", "int64_t", "int"]);

const SYS_COPY_FILE_RANGE = isX64 ? 326 : 285;
const copyFileRangeCall = syscall(["int", "uintptr_t", "int", "uintptr_t", "size_t", "uint32_t"]);

const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
/** What a lock is: nothing, one beside others like it, one alone. */
export const LockKind = { SHARED: 0, EXCLUSIVE: 1, NONE: 2 } as const;
export type LockKind = (typeof LockKind)[keyof typeof LockKind];

/** fallocate(2), modes as the kernel has them: 0; -ENOSPC, -EOPNOTSUPP (no such thing there), or another -errno. */
export function fallocate(fd: number, mode: number, offset: number, bytes: number): number {
  for (;;) {
    const result = outcome(fallocateCall(fd, mode, offset, bytes));
    if (result !== -Errno.EINTR) return result;
  }
}

const fromOffset = scratch(8);
const toOffset = scratch(8);

/** Copies within the kernel: bytes, perhaps fewer than asked, 0 at the end of `from`; or -errno (-EXDEV, -EINVAL). */
export function copyFileRange(from: number, fromAt: number, to: number, toAt: number, bytes: number): number {
  putI64(fromOffset.view, 0, fromAt);
  putI64(toOffset.view, 0, toAt);
  const places = [from, fromOffset.address, to, toOffset.address] as const;
  for (;;) {
    const count = outcome(copyFileRangeCall(SYS_COPY_FILE_RANGE, ...places, bytes, 0));
    if (count !== -Errno.EINTR) return count;
  }
}

/** Puts an open directory behind the entry with this cookie, which has 64 bits without a meaning: 0 or -errno. */
export function seekCookie(fd: number, low: number, high: number): number {
  // koffi takes a bigint where a number is not exact.
  const cookie = high < 0x200000 ? high * 2 ** 32 + low : (BigInt(high | 0) << 32n) | BigInt(low);
  return Number(lseekCall(fd, cookie as number, 0)) === -1 ? outcome(-1) : 0;
}

// struct flock (64-bit): type i16 0 | whence i16 2 | start i64 8 | length i64 16 | pid i32 24
const flock = scratch(32);

function putLock(kind: LockKind, start: number, bytes: number): void {
  flock.view.setInt16(0, kind, true);
  flock.view.setInt16(2, 0, true);
  putI64(flock.view, 8, start);
  putI64(flock.view, 16, bytes);
  flock.view.setInt32(24, 0, true);
}

/**
 * Locks or unlocks a range, `bytes` 0 for all to the end, for this open file description: 0; -EAGAIN where another has
 * it; -EBADF where it was not opened for that; -ENOLCK. Waits for no lock.
 */
export function lockRange(fd: number, kind: LockKind, start: number, bytes: number): number {
  putLock(kind, start, bytes);
  const result = outcome(fcntlCall(fd, F_OFD_SETLK, flock.address));
  return result === -Errno.EACCES ? -Errno.EAGAIN : result;
}

/** A lock that another has, or nobody. */
export interface FoundLock {
  readonly kind: LockKind;
  readonly start: number;
  /** 0: to the end. */
  readonly bytes: number;
}

/** A lock that keeps this open file description from having that one, or kind NONE; or -errno. */
export function testLock(fd: number, kind: LockKind, start: number, bytes: number): FoundLock | number {
  putLock(kind, start, bytes);
  const result = outcome(fcntlCall(fd, F_OFD_GETLK, flock.address));
  if (result < 0) return result;
  const { view } = flock;
  return { kind: view.getInt16(0, true) as LockKind, start: i64At(view, 8), bytes: i64At(view, 16) };
}
