// Names in directories: made, removed, moved, linked. Each is relative to a directory's descriptor, and a link at its
// end is not followed.

import {
  isX64,
  libcCall,
  outcome,
  type PathLike,
  pathFrom,
  pathMax,
  putPath,
  scratch,
  syscall,
} from "../libc.ts";

const mkdiratCall = libcCall("mkdirat", "int", ["int", "uintptr_t", "uint32_t"]);
const unlinkatCall = libcCall("unlinkat", "int", ["int", "uintptr_t", "int"]);
const symlinkatCall = libcCall("symlinkat", "int", ["uintptr_t", "int", "uintptr_t"]);
const linkatCall = libcCall("linkat", "int", ["int", "uintptr_t", "int", "uintptr_t", "int"]);
const readlinkatCall = libcCall("readlinkat", "intptr_t", ["int", "uintptr_t", "uintptr_t", "size_t"]);

const SYS_RENAMEAT2 = isX64 ? 316 : 276;
const renameat2Call = syscall(["int", "uintptr_t", "int", "uintptr_t", "uint32_t"]);
const AT_REMOVEDIR = 0x200;

/** Of rename(): fail with -EEXIST rather than replace; exchange the two. */
export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;

const path = scratch(pathMax);
const path2 = scratch(pathMax);

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
    : outcome(renameat2Call(SYS_RENAMEAT2, fromDirfd, path.address, toDirfd, path2.address, flags));
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
 * What a symbolic link holds, as text where it is UTF-8: or -errno (-EINVAL where it is no link). With an empty name,
 * what the descriptor itself holds, a link opened with PATH and NO_FOLLOW.
 */
export function readlinkat(dirfd: number, name: PathLike): PathLike | number {
  const put = putPath(path, name);
  if (put < 0) return put;
  const length = outcome(readlinkatCall(dirfd, path.address, path2.address, pathMax));
  return length < 0 ? length : pathFrom(path2.bytes, 0, length);
}
