// What is in a file, by its descriptor: bytes at an address are read and written, and the file made longer, shorter,
// safe. Ranges as such are in ranges.ts.

import { Errno } from "../errno.ts";
import { failure, isX64, libcCall, outcome, putI64, scratch, syscall } from "../libc.ts";

const writeCall = libcCall("write", "intptr_t", ["int", "uintptr_t", "size_t"]);
const writevCall = libcCall("writev", "intptr_t", ["int", "uintptr_t", "int"]);
const preadCall = libcCall("pread", "intptr_t", ["int", "uintptr_t", "size_t", "int64_t"]);
const pwriteCall = libcCall("pwrite", "intptr_t", ["int", "uintptr_t", "size_t", "int64_t"]);
const lseekCall = libcCall("lseek", "int64_t", ["int", "int64_t", "int"]);
const fallocateCall = libcCall("fallocate", "int", ["int", "int", "int64_t", "int64_t"]);
const ftruncateCall = libcCall("ftruncate", "int", ["int", "int64_t"]);
const fsyncCall = libcCall("fsync", "int", ["int"]);
const fdatasyncCall = libcCall("fdatasync", "int", ["int"]);

const SYS_PREADV2 = isX64 ? 327 : 286;
const SYS_PWRITEV2 = isX64 ? 328 : 287;
// descriptor, iovec, how many, offset (all of it in the first half on 64-bit), its second half, flags
const preadv2Call = syscall(["int", "uintptr_t", "size_t", "int64_t", "intptr_t", "int"]);
const pwritev2Call = syscall(["int", "uintptr_t", "size_t", "int64_t", "intptr_t", "int"]);
const RWF_NOWAIT = 8;
const RWF_APPEND = 16;

export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;
/** To the next data, and to the next hole, at or after the offset; ENXIO past the end. */
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

const iovec = scratch(32);
/** The same as words: an address is two of them. */
const iovecWords = new Uint32Array(iovec.bytes.buffer);

/** Writes at the file's own position, or at its end with APPEND: bytes, perhaps fewer than asked, or -errno. */
export function write(fd: number, address: number, length: number): number {
  for (;;) {
    const count = writeCall(fd, address, length);
    if (count >= 0) return count;
    const error = failure();
    if (error !== -Errno.EINTR) return error;
  }
}

/** Memory by its place: a part of what is written. */
export interface Span {
  readonly address: number;
  readonly bytes: number;
}

/** write() of two spans, one after the other, in one go: nothing that another appends comes between them. */
export function writeBoth(fd: number, first: Span, second: Span): number {
  putI64(iovec.view, 0, first.address);
  putI64(iovec.view, 8, first.bytes);
  putI64(iovec.view, 16, second.address);
  putI64(iovec.view, 24, second.bytes);
  for (;;) {
    const count = writevCall(fd, iovec.address, 2);
    if (count >= 0) return count;
    const error = failure();
    if (error !== -Errno.EINTR) return error;
  }
}

/** Reads at `offset`: bytes, perhaps fewer than asked, 0 at or past the end, or -errno (-ESPIPE, -EISDIR). */
export function readAt(fd: number, address: number, length: number, offset: number): number {
  for (;;) {
    const count = preadCall(fd, address, length, offset);
    if (count >= 0) return count;
    const error = failure();
    if (error !== -Errno.EINTR) return error;
  }
}

/** Writes at `offset`: bytes, perhaps fewer than asked, or -errno. A file open with APPEND takes them at its end. */
export function writeAt(fd: number, address: number, length: number, offset: number): number {
  for (;;) {
    const count = pwriteCall(fd, address, length, offset);
    if (count >= 0) return count;
    const error = failure();
    if (error !== -Errno.EINTR) return error;
  }
}

/** Writes at the end, wherever that is, whatever the flags of the descriptor say: bytes or -errno (Linux 4.16). */
export function append(fd: number, address: number, length: number): number {
  putI64(iovec.view, 0, address);
  putI64(iovec.view, 8, length);
  for (;;) {
    const count = pwritev2Call(SYS_PWRITEV2, fd, iovec.address, 1, 0, 0, RWF_APPEND);
    if (count >= 0) return count;
    const error = failure();
    if (error !== -Errno.EINTR) return error;
  }
}

/**
 * Reads at `offset` what the page cache has, into one piece of memory or into two (`length2` is 0 where it is one):
 * bytes, perhaps fewer than asked because only the first pages are there; 0 at the end, and on Linux 5.9 and 5.10
 * perhaps elsewhere; -EAGAIN where it would have to wait; -EOPNOTSUPP where the file system cannot tell. Whether it
 * does not wait all the same is the file system's word; and the kernel's own part may in two places, whatever the flag:
 * it notes when the file was accessed (not after keepAccessTime()), and where pages are missing it begins to read
 * ahead, for which the file system may have to read where they are. Hot.
 */
export function readAtNoWait(
  fd: number,
  address: number,
  length: number,
  offset: number,
  address2 = 0,
  length2 = 0,
): number {
  iovecWords[0] = address;
  iovecWords[1] = address / 2 ** 32;
  iovecWords[2] = length;
  iovecWords[4] = address2;
  iovecWords[5] = address2 / 2 ** 32;
  iovecWords[6] = length2;
  const count = preadv2Call(SYS_PREADV2, fd, iovec.address, length2 > 0 ? 2 : 1, offset, 0, RWF_NOWAIT);
  if (count >= 0) return count;
  const error = failure();
  if (error === -Errno.EINTR) return -Errno.EAGAIN;
  return error === -Errno.ENOSYS ? -Errno.EOPNOTSUPP : error;
}

/** Moves the file's own position: where it is now, or -errno. `whence` is one of SEEK_*. */
export function seek(fd: number, offset: number, whence: number): number {
  return outcome(lseekCall(fd, offset, whence));
}

/** Makes the file `bytes` long, with zeroes where it grows: 0 or -errno. */
export function truncate(fd: number, bytes: number): number {
  for (;;) {
    const result = outcome(ftruncateCall(fd, bytes));
    if (result !== -Errno.EINTR) return result;
  }
}

/**
 * Gives a part of a file its place on disk, or in memory: 0; -ENOSPC, -EOPNOTSUPP (no such thing there), or another
 * -errno.
 */
export function allocate(fd: number, offset: number, bytes: number): number {
  for (;;) {
    const result = outcome(fallocateCall(fd, 0, offset, bytes));
    if (result !== -Errno.EINTR) return result;
  }
}

/** Data and everything about the file on disk: 0 or -errno. An error is told once: the data may be lost. */
export function sync(fd: number): number {
  return outcome(fsyncCall(fd));
}

/** Data on disk, and of the rest what reading it back needs: 0 or -errno. */
export function dataSync(fd: number): number {
  return outcome(fdatasyncCall(fd));
}
