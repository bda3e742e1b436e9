// Opening: a name under a directory's descriptor becomes a descriptor. Everything in files/ returns a value `>= 0` (or
// a result object) or -errno, and throws nothing: a blocking worker turns errno into the protocol's errors.
//
// Invariant: with ResolveFlags.BENEATH nothing outside the directory is opened, whatever the path and the symbolic
// links say, and whoever renames what meanwhile: the kernel guards it, no check of ours that could be outrun.
//
// All calls of files/ may wait for a disk; only readAtNoWait() waits for no data of it. Offsets and sizes are below
// 2^53.

import { Errno } from "../errno.ts";
import { failure, isX64, type PathLike, pathMax, putI64, putPath, scratch, syscall } from "../libc.ts";

const SYS_OPENAT2 = 437;
const openat2Call = syscall(["int", "uintptr_t", "uintptr_t", "size_t"]);

/** Stands for the working directory where a call wants a directory's descriptor. */
export const AT_FDCWD: number = -100;

/** Flags of open. Four of them differ between x86-64 and arm64: these are the running machine's. */
export const OpenFlags = {
  READ_ONLY: 0,
  WRITE_ONLY: 0o1,
  READ_WRITE: 0o2,
  CREATE: 0o100,
  EXCLUSIVE: 0o200,
  NO_CONTROLLING_TERMINAL: 0o400,
  TRUNCATE: 0o1000,
  APPEND: 0o2000,
  /** Also: opening a fifo or a device does not wait. */
  NON_BLOCKING: 0o4000,
  DATA_SYNC: 0o10000,
  DIRECT: (isX64 ? 0o40000 : 0o200000) as number,
  DIRECTORY: (isX64 ? 0o200000 : 0o40000) as number,
  NO_FOLLOW: (isX64 ? 0o400000 : 0o100000) as number,
  NO_ACCESS_TIME: 0o1000000,
  CLOSE_ON_EXEC: 0o2000000,
  SYNC: 0o4010000,
  /** Only a handle on the place: for the *at calls and stat, not for reading. */
  PATH: 0o10000000,
  /** A file without a name, in the directory that the path names. */
  TEMPORARY: (isX64 ? 0o20200000 : 0o20040000) as number,
} as const;

/** Flags of openat2's resolution. */
export const ResolveFlags = {
  /** No mount point is crossed. */
  NO_CROSS_DEVICE: 0x01,
  /** No links as in /proc/self/fd, which lead anywhere. */
  NO_MAGIC_LINKS: 0x02,
  /** No symbolic links at all, in any component. */
  NO_SYMLINKS: 0x04,
  /** The path must stay under the directory: no absolute path, no ".." and no link that leaves it (EXDEV). */
  BENEATH: 0x08,
  /** The directory is the path's root: "/" and ".." stop at it. */
  IN_ROOT: 0x10,
  /** Only what the kernel has in its cache; EAGAIN otherwise. */
  CACHED: 0x20,
} as const;

const path = scratch(pathMax);
const openHow = scratch(24);

/**
 * Opens `name` relative to `dirfd` as `resolve` allows: a descriptor, always close-on-exec, or -errno. -EXDEV where it
 * would leave BENEATH; -ELOOP where a link is in the way; -EAGAIN, rarely, where a rename or mount elsewhere kept the
 * kernel from being sure of "..": this call has then tried four times. `mode` counts only with CREATE or TEMPORARY.
 */
export function openat2(dirfd: number, name: PathLike, flags: number, mode: number, resolve: number): number {
  const put = putPath(path, name);
  if (put < 0) return put;
  // struct open_how: flags u64 | mode u64 | resolve u64. The kernel refuses a mode that could have no effect.
  const creates = (flags & OpenFlags.CREATE) !== 0 || (flags & OpenFlags.TEMPORARY) === OpenFlags.TEMPORARY;
  putI64(openHow.view, 0, (flags | OpenFlags.CLOSE_ON_EXEC) >>> 0);
  putI64(openHow.view, 8, creates ? mode & 0o7777 : 0);
  putI64(openHow.view, 16, resolve);
  for (let attempt = 1; ; attempt++) {
    const result = openat2Call(SYS_OPENAT2, dirfd, path.address, openHow.address, 24);
    if (result >= 0) return result;
    const error = failure();
    const again = error === -Errno.EAGAIN && (resolve & ResolveFlags.CACHED) === 0 && attempt < 4;
    if (error !== -Errno.EINTR && !again) return error;
  }
}

/** A handle on a directory (O_PATH), as a root for the *at calls: a descriptor or -errno. Follows links. */
export function openDirectory(name: PathLike): number {
  return openat2(AT_FDCWD, name, OpenFlags.PATH | OpenFlags.DIRECTORY, 0, 0);
}
