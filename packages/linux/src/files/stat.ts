// What a file is, by its descriptor or by its name: kind, size, times, owner; and the room on its file system.

import {
  i64At,
  isX64,
  libcCall,
  outcome,
  type PathLike,
  pathMax,
  putPath,
  scratch,
  syscall,
  u64At,
} from "../libc.ts";
import { AT_FDCWD } from "./open.ts";

const SYS_STATX = isX64 ? 332 : 291;
const statxCall = syscall(["int", "uintptr_t", "int", "uint32_t", "uintptr_t"]);
const fstatfsCall = libcCall("fstatfs", "int", ["int", "uintptr_t"]);

const AT_EMPTY_PATH = 0x1000;
const AT_NO_AUTOMOUNT = 0x800;
const AT_SYMLINK_NOFOLLOW = 0x100;

const path = scratch(pathMax);

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
  /** All of it. */
  readonly inodeLow: number;
  readonly inodeHigh: number;
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
  /** All 0 where the file system does not know. */
  readonly created: FileTime;
}

// struct statx, 256 bytes: mask u32 0 | blksize u32 4 | attributes u64 8 | nlink u32 16 | uid u32 20 | gid u32 24 |
// mode u16 28 | ino u64 32 | size u64 40 | blocks u64 48 | atime 64 | btime 80 | ctime 96 | mtime 112 |
// dev major u32 136 | dev minor u32 140 | mnt id u64 144;  a time is seconds i64, nanoseconds u32, in 16 bytes
const statx = scratch(256);
const STATX_BASIC_STATS = 0x7ff;
const STATX_BTIME = 0x800;
const STATX_MNT_ID = 0x1000;
const STATX_WANTED = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;

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

/** Is an open descriptor, also one opened with PATH, a Unix socket's file? */
export function isSocketFile(fd: number): boolean {
  return callStatx(fd, "", AT_EMPTY_PATH) >= 0 && (statx.view.getUint16(28, true) & S_IFMT) === S_IFSOCK;
}

function callStatx(dirfd: number, name: PathLike, flags: number): number {
  const put = putPath(path, name);
  if (put < 0) return put;
  return outcome(
    statxCall(SYS_STATX, dirfd, path.address, flags | AT_NO_AUTOMOUNT, STATX_WANTED, statx.address),
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
    inodeLow: view.getUint32(32, true),
    inodeHigh: view.getUint32(36, true),
    inode: view.getUint32(32, true) + (view.getUint32(36, true) & 0x1fffff) * 2 ** 32,
    deviceMajor: view.getUint32(136, true),
    deviceMinor: view.getUint32(140, true),
    mount: (view.getUint32(0, true) & STATX_MNT_ID) === 0 ? 0 : u64At(view, 144),
    size: u64At(view, 40),
    blocks: u64At(view, 48),
    accessed: timeAt(64),
    modified: timeAt(112),
    changed: timeAt(96),
    created: (view.getUint32(0, true) & STATX_BTIME) === 0 ? NO_TIME : timeAt(80),
  };
}

const NO_TIME: FileTime = { seconds: 0, nanoseconds: 0 };

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
  /** The mount that the descriptor came by leaves access times as they are: it is noatime, or read-only. */
  readonly keepsAccessTimes: boolean;
}

// struct statfs (64-bit), u64 each: type | bsize | blocks | bfree | bavail | files | ffree | fsid | namelen | frsize
// | flags (of the mount)
const ST_RDONLY = 0x1;
const ST_NOATIME = 0x400;
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
    keepsAccessTimes: (word(10) & (ST_RDONLY | ST_NOATIME)) !== 0,
  };
}
