// Files: by descriptor, or by a name under a directory's descriptor. Everything returns a value `>= 0` (or a result
// object) or -errno, and throws nothing: a blocking worker turns errno into the protocol's errors.
//
// Invariant: with ResolveFlags.BENEATH nothing outside the directory is opened, whatever the path and the symbolic
// links say, and whoever renames what meanwhile: the kernel guards it, no check of ours that could be outrun.
//
// Calls may wait for a disk; only readAtNoWait() never does. Offsets and sizes are numbers up to 2^53 - 1.

import { Errno } from "./errno.ts";
import {
  failure,
  i64At,
  isX64,
  libcCall,
  outcome,
  type PathLike,
  pathMax,
  putI64,
  putPath,
  scratch,
  syscall,
  u64At,
} from "./libc.ts";

const writeCall = libcCall("write", "intptr_t", ["int", "uintptr_t", "size_t"]);
const writevCall = libcCall("writev", "intptr_t", ["int", "uintptr_t", "int"]);
const preadCall = libcCall("pread", "intptr_t", ["int", "uintptr_t", "size_t", "int64_t"]);
const pwriteCall = libcCall("pwrite", "intptr_t", ["int", "uintptr_t", "size_t", "int64_t"]);
const lseekCall = libcCall("lseek", "int64_t", ["int", "int64_t", "int"]);
const fallocateCall = libcCall("fallocate", "int", ["int", "int", "int64_t", "int64_t"]);
const ftruncateCall = libcCall("ftruncate", "int", ["int", "int64_t"]);
const fsyncCall = libcCall("fsync", "int", ["int"]);
const fdatasyncCall = libcCall("fdatasync", "int", ["int"]);
const mkdiratCall = libcCall("mkdirat", "int", ["int", "uintptr_t", "uint32_t"]);
const unlinkatCall = libcCall("unlinkat", "int", ["int", "uintptr_t", "int"]);
const symlinkatCall = libcCall("symlinkat", "int", ["uintptr_t", "int", "uintptr_t"]);
const linkatCall = libcCall("linkat", "int", ["int", "uintptr_t", "int", "uintptr_t", "int"]);
const readlinkatCall = libcCall("readlinkat", "intptr_t", ["int", "uintptr_t", "uintptr_t", "size_t"]);
const fchmodCall = libcCall("fchmod", "int", ["int", "uint32_t"]);
const chmodCall = libcCall("chmod", "int", ["uintptr_t", "uint32_t"]);
const futimensCall = libcCall("futimens", "int", ["int", "uintptr_t"]);
const utimensatCall = libcCall("utimensat", "int", ["int", "uintptr_t", "uintptr_t", "int"]);
const fstatfsCall = libcCall("fstatfs", "int", ["int", "uintptr_t"]);

// Numbers of the calls that go through syscall(2): x86-64's own, and the generic ones of arm64.
const SYS = {
  fchmodat2: 452,
  getdents64: isX64 ? 217 : 61,
  openat2: 437,
  preadv2: isX64 ? 327 : 286,
  renameat2: isX64 ? 316 : 276,
  statx: isX64 ? 332 : 291,
};
const fchmodat2Call = syscall(["int", "uintptr_t", "uint32_t", "int"]);
const getdents64Call = syscall(["int", "uintptr_t", "size_t"]);
const openat2Call = syscall(["int", "uintptr_t", "uintptr_t", "size_t"]);
// descriptor, iovec, how many, offset (all of it in the first half on 64-bit), its second half, flags
const preadv2Call = syscall(["int", "uintptr_t", "size_t", "int64_t", "intptr_t", "int"]);
const renameat2Call = syscall(["int", "uintptr_t", "int", "uintptr_t", "uint32_t"]);
const statxCall = syscall(["int", "uintptr_t", "int", "uint32_t", "uintptr_t"]);

const AT_EMPTY_PATH = 0x1000;
const AT_NO_AUTOMOUNT = 0x800;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const RWF_NOWAIT = 8;
const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

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

export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;
/** To the next data, and to the next hole, at or after the offset; ENXIO past the end. */
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

/** Of rename(): fail with -EEXIST rather than replace; exchange the two. */
export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;

const path = scratch(pathMax);
const path2 = scratch(pathMax);
const empty = scratch(1);
const iovec = scratch(32);
const openHow = scratch(24);
const times = scratch(32);

// ---- opening

/**
 * Opens `name` relative to `dirfd` as `resolve` allows: a descriptor, always close-on-exec, or -errno. -EXDEV where it would
 * leave BENEATH; -ELOOP where a link is in the way; -EAGAIN, rarely, where a rename or mount elsewhere kept the
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
    const result = openat2Call(SYS.openat2, dirfd, path.address, openHow.address, 24);
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

// ---- bytes, by address

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

/**
 * Reads at `offset` what the page cache has: bytes, perhaps fewer than asked because only the first pages are there;
 * 0 at the end; -EAGAIN where it would have to wait; -EOPNOTSUPP where the file system cannot tell. Never waits. Hot.
 */
export function readAtNoWait(fd: number, address: number, length: number, offset: number): number {
  putI64(iovec.view, 0, address);
  putI64(iovec.view, 8, length);
  const count = preadv2Call(SYS.preadv2, fd, iovec.address, 1, offset, 0, RWF_NOWAIT);
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

/** Gives a part of a file its place on disk, or in memory: 0; -ENOSPC, -EOPNOTSUPP (no such thing there), or another -errno. */
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

// ---- what a file is

export type FileKind = "file" | "directory" | "symlink" | "other";

/** A time since 1970, UTC. Seconds are negative before; nanoseconds never are. */
export interface FileTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface FileStat {
  readonly kind: FileKind;
  /** The permission bits, 0o7777. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  /** Its lower 53 bits: above them some file systems (overlayfs, xino) name the layer. */
  readonly inode: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** Of the mount that it was reached by; 0 where the kernel does not tell (before 5.8). */
  readonly mount: number;
  /** In bytes. */
  readonly size: number;
  /** What it takes on disk, in units of 512 bytes. */
  readonly blocks: number;
  readonly accessed: FileTime;
  readonly modified: FileTime;
  readonly changed: FileTime;
}

// struct statx, 256 bytes: mask u32 0 | blksize u32 4 | attributes u64 8 | nlink u32 16 | uid u32 20 | gid u32 24 |
// mode u16 28 | ino u64 32 | size u64 40 | blocks u64 48 | atime 64 | btime 80 | ctime 96 | mtime 112 |
// dev major u32 136 | dev minor u32 140 | mnt id u64 144;  a time is seconds i64, nanoseconds u32, in 16 bytes
const statx = scratch(256);
const STATX_BASIC_STATS = 0x7ff;
const STATX_MNT_ID = 0x1000;
const STATX_WANTED = STATX_BASIC_STATS | STATX_MNT_ID;

const S_IFMT = 0o170000;
const S_IFSOCK = 0o140000;
const S_IFLNK = 0o120000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;

/** What `name` is under `dirfd`, of the link itself unless `follow`: or -errno. */
export function stat(dirfd: number, name: PathLike, follow: boolean): FileStat | number {
  const result = callStatx(dirfd, name, follow ? 0 : AT_SYMLINK_NOFOLLOW);
  return result < 0 ? result : takeStat();
}

/** What an open descriptor is, also one opened with PATH: or -errno. */
export function fstat(fd: number): FileStat | number {
  const result = callStatx(fd, "", AT_EMPTY_PATH);
  return result < 0 ? result : takeStat();
}

/** As stat without following, the kind only, and sockets told from the rest; undefined where there is nothing. */
export function lstatKind(name: PathLike): FileKind | "socket" | undefined {
  if (callStatx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW) < 0) return undefined;
  const type = statx.view.getUint16(28, true) & S_IFMT;
  return type === S_IFSOCK ? "socket" : kindOf(type);
}

function callStatx(dirfd: number, name: PathLike, flags: number): number {
  const put = putPath(path, name);
  if (put < 0) return put;
  return outcome(
    statxCall(SYS.statx, dirfd, path.address, flags | AT_NO_AUTOMOUNT, STATX_WANTED, statx.address),
  );
}

function takeStat(): FileStat {
  const { view } = statx;
  const mode = view.getUint16(28, true);
  return {
    kind: kindOf(mode & S_IFMT),
    mode: mode & 0o7777,
    links: view.getUint32(16, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    inode: view.getUint32(32, true) + (view.getUint32(36, true) & 0x1fffff) * 2 ** 32,
    deviceMajor: view.getUint32(136, true),
    deviceMinor: view.getUint32(140, true),
    mount: (view.getUint32(0, true) & STATX_MNT_ID) === 0 ? 0 : u64At(view, 144),
    size: u64At(view, 40),
    blocks: u64At(view, 48),
    accessed: timeAt(64),
    modified: timeAt(112),
    changed: timeAt(96),
  };
}

function timeAt(offset: number): FileTime {
  return { seconds: i64At(statx.view, offset), nanoseconds: statx.view.getUint32(offset + 8, true) };
}

function kindOf(type: number): FileKind {
  if (type === S_IFREG) return "file";
  if (type === S_IFDIR) return "directory";
  return type === S_IFLNK ? "symlink" : "other";
}

export interface FileSystemStat {
  /** Its magic number (statfs(2)). */
  readonly type: number;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly blocksFree: number;
  /** Free to those who are not root. */
  readonly blocksAvailable: number;
  readonly files: number;
  readonly filesFree: number;
  /** The longest name, in bytes. */
  readonly nameMax: number;
}

// struct statfs (64-bit), u64 each: type | bsize | blocks | bfree | bavail | files | ffree | fsid | namelen | frsize ...
const fsStat = scratch(120);

/** The room on the file system of an open descriptor, or -errno. */
export function statfs(fd: number): FileSystemStat | number {
  const result = outcome(fstatfsCall(fd, fsStat.address));
  if (result < 0) return result;
  const word = (i: number): number => u64At(fsStat.view, i * 8);
  return {
    type: fsStat.view.getUint32(0, true),
    blockBytes: word(1),
    blocks: word(2),
    blocksFree: word(3),
    blocksAvailable: word(4),
    files: word(5),
    filesFree: word(6),
    nameMax: word(8),
  };
}

// ---- directories and names

/** Makes a directory: 0 or -errno. */
export function mkdirat(dirfd: number, name: PathLike, mode: number): number {
  const put = putPath(path, name);
  return put < 0 ? put : outcome(mkdiratCall(dirfd, path.address, mode));
}

/** Removes a name, or a directory that is empty: 0 or -errno (-ENOTEMPTY, -EISDIR, -ENOTDIR). */
export function unlinkat(dirfd: number, name: PathLike, isDirectory: boolean): number {
  const put = putPath(path, name);
  return put < 0 ? put : outcome(unlinkatCall(dirfd, path.address, isDirectory ? AT_REMOVEDIR : 0));
}

/** Renames, replacing what is there unless `flags` (RENAME_*) says otherwise: 0 or -errno. */
export function renameat(
  fromDirfd: number,
  from: PathLike,
  toDirfd: number,
  to: PathLike,
  flags = 0,
): number {
  const put = putPath(path, from) || putPath(path2, to);
  return put < 0
    ? put
    : outcome(renameat2Call(SYS.renameat2, fromDirfd, path.address, toDirfd, path2.address, flags));
}

/** Makes a symbolic link `name` that holds `target`: 0 or -errno. */
export function symlinkat(target: PathLike, dirfd: number, name: PathLike): number {
  const put = putPath(path, target) || putPath(path2, name);
  return put < 0 ? put : outcome(symlinkatCall(path.address, dirfd, path2.address));
}

/** Gives a file a second name; does not follow a link at `from`. 0 or -errno. */
export function linkat(fromDirfd: number, from: PathLike, toDirfd: number, to: PathLike): number {
  const put = putPath(path, from) || putPath(path2, to);
  return put < 0 ? put : outcome(linkatCall(fromDirfd, path.address, toDirfd, path2.address, 0));
}

/**
 * What a symbolic link holds, as text where it is UTF-8: or -errno (-EINVAL where it is no link). With an empty name, what the
 * descriptor itself holds, a link opened with PATH and NO_FOLLOW.
 */
export function readlinkat(dirfd: number, name: PathLike): PathLike | number {
  const put = putPath(path, name);
  if (put < 0) return put;
  const length = outcome(readlinkatCall(dirfd, path.address, path2.address, pathMax));
  return length < 0 ? length : nameFrom(path2.bytes, 0, length);
}

/** Sets the permissions of an open descriptor, also one opened with PATH: 0 or -errno. */
export function fchmod(fd: number, mode: number): number {
  const result = outcome(fchmodCall(fd, mode));
  if (result !== -Errno.EBADF) return result;
  // EBADF is also the answer for O_PATH. fchmodat2 is of Linux 6.6; before it, the way is through /proc.
  const empty2 = outcome(fchmodat2Call(SYS.fchmodat2, fd, empty.address, mode, AT_EMPTY_PATH));
  if (empty2 !== -Errno.ENOSYS) return empty2;
  putPath(path, `/proc/self/fd/${fd}`);
  const byProc = outcome(chmodCall(path.address, mode));
  return byProc === -Errno.ENOENT ? -Errno.EBADF : byProc;
}

/** A time to set: itself, the present, or leave it as it is. */
export type SetTime = FileTime | "now" | "keep";

/** Sets the times of an open descriptor, also one opened with PATH (Linux 5.8): 0 or -errno. */
export function setTimes(fd: number, accessed: SetTime, modified: SetTime): number {
  putTime(0, accessed);
  putTime(16, modified);
  const result = outcome(futimensCall(fd, times.address));
  if (result !== -Errno.EBADF) return result;
  return outcome(utimensatCall(fd, empty.address, times.address, AT_EMPTY_PATH));
}

function putTime(offset: number, time: SetTime): void {
  const named = time === "now" ? UTIME_NOW : UTIME_OMIT;
  putI64(times.view, offset, typeof time === "string" ? 0 : time.seconds);
  putI64(times.view, offset + 8, typeof time === "string" ? named : time.nanoseconds);
}

// ---- reading directories

export interface DirectoryEntry {
  /** As text where it is UTF-8, as bytes where it is not. */
  readonly name: PathLike;
  /** "unknown" where the file system does not say: stat() does. */
  readonly kind: FileKind | "unknown";
}

// struct linux_dirent64: ino u64 0 | off i64 8 | record bytes u16 16 | type u8 18 | name, and a NUL, 19
const direntBytes = 32 * 1024;
let dirents: ReturnType<typeof scratch> | undefined;
const kindByType: Readonly<Record<number, FileKind | "unknown">> = {
  0: "unknown",
  4: "directory",
  8: "file",
  10: "symlink",
};

/**
 * The next entries of an open directory, without "." and "..", in the file system's order: none at the end, -errno where
 * it fails. At most what fits `maxBytes` of the kernel's records (up to 32 KiB; a record has 24 bytes and the name).
 * seek(fd, 0, SEEK_SET) starts again.
 */
export function readDirectoryBatch(fd: number, maxBytes: number = direntBytes): DirectoryEntry[] | number {
  dirents ??= scratch(direntBytes);
  const { address, bytes, view } = dirents;
  for (;;) {
    const end = outcome(getdents64Call(SYS.getdents64, fd, address, Math.min(maxBytes, direntBytes)));
    if (end < 0) return end;
    const entries: DirectoryEntry[] = [];
    for (let at = 0; at < end; at += view.getUint16(at + 16, true)) {
      const start = at + 19;
      const name = nameFrom(bytes, start, bytes.indexOf(0, start));
      if (name === "." || name === "..") continue;
      entries.push({ name, kind: kindByType[bytes[at + 18]!] ?? "other" });
    }
    // A batch of nothing but "." and ".." is not the end.
    if (entries.length > 0 || end === 0) return entries;
  }
}

/** All entries of an open directory from where it stands, or -errno; -EOVERFLOW where there are more than `maxEntries`. */
export function readDirectory(
  fd: number,
  maxEntries: number = Number.POSITIVE_INFINITY,
): DirectoryEntry[] | number {
  const all: DirectoryEntry[] = [];
  for (;;) {
    const batch = readDirectoryBatch(fd);
    if (typeof batch === "number") return batch;
    if (batch.length === 0) return all;
    for (const entry of batch) all.push(entry);
    if (all.length > maxEntries) return -Errno.EOVERFLOW;
  }
}

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function nameFrom(bytes: Uint8Array, start: number, end: number): PathLike {
  try {
    return strictDecoder.decode(bytes.subarray(start, end));
  } catch {
    return bytes.slice(start, end);
  }
}
