// Work on files that may wait on a disk: what can be asked of a disk worker, and how it is done there. Plain data both
// ways; a result is -errno, or what the operation gives. Everything is opened beneath a root (DESIGN: trust, 7).

import { FileKind, type StatReply } from "@ringway/control";
import {
  closeFd,
  type DirectoryEntry,
  dataSync,
  Errno,
  type FileStat,
  fchmod,
  fstat,
  mkdirat,
  OpenFlags,
  openat2,
  ResolveFlags,
  readAt,
  readDirectoryBatch,
  readlinkat,
  renameat,
  type Scratch,
  SEEK_END,
  scratch,
  seek,
  setTimes,
  stat,
  statfs,
  symlinkat,
  sync,
  truncate,
  unlinkat,
  write,
  writeAt,
} from "@ringway/linux";

/** A place below a root: the root's descriptor, and the path from there ("." for the root itself). */
export interface RootPath {
  readonly root: number;
  readonly path: string;
}

export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export type DiskOperation =
  | ({ readonly kind: "open"; readonly flags: number; readonly mode: number } & RootPath)
  | { readonly kind: "close"; readonly fd: number }
  /** Reads into memory that the asker keeps mapped until the answer. */
  | {
      readonly kind: "readInto";
      readonly fd: number;
      readonly address: number;
      readonly bytes: number;
      readonly offset: number;
    }
  /** Writes from memory that the asker keeps mapped until the answer; offset -1: at the end (O_APPEND). */
  | {
      readonly kind: "writeFrom";
      readonly fd: number;
      readonly address: number;
      readonly bytes: number;
      readonly offset: number;
    }
  | { readonly kind: "read"; readonly fd: number; readonly bytes: number; readonly offset: number }
  /** offset -1: at the end (O_APPEND). */
  | { readonly kind: "write"; readonly fd: number; readonly data: Uint8Array; readonly offset: number }
  | { readonly kind: "end"; readonly fd: number }
  | { readonly kind: "fstat"; readonly fd: number }
  | { readonly kind: "truncate"; readonly fd: number; readonly bytes: number }
  | { readonly kind: "sync"; readonly fd: number; readonly dataOnly: boolean }
  | ({ readonly kind: "stat"; readonly follow: boolean } & RootPath)
  | ({ readonly kind: "list" } & RootPath)
  | ({ readonly kind: "mkdir"; readonly mode: number; readonly parents: boolean } & RootPath)
  | ({ readonly kind: "unlink"; readonly directory: boolean } & RootPath)
  | { readonly kind: "rename"; readonly from: RootPath; readonly to: RootPath }
  | ({ readonly kind: "symlink"; readonly target: string } & RootPath)
  | ({ readonly kind: "readlink" } & RootPath)
  | ({ readonly kind: "chmod"; readonly mode: number } & RootPath)
  | ({ readonly kind: "utimes"; readonly accessed: Time; readonly modified: Time } & RootPath)
  | ({ readonly kind: "statfs" } & RootPath);

/** What an operation gave; `errno` 0 and the fields that it has. */
export interface DiskResult {
  readonly errno: number;
  /** A descriptor, a count of bytes, an offset. */
  readonly value: number;
  readonly stat?: StatReply;
  readonly data?: Uint8Array;
  readonly text?: string;
  readonly entries?: readonly { readonly kind: number; readonly name: string }[];
  readonly skipped?: number;
  readonly numbers?: readonly number[];
}

const RESOLVE: number = ResolveFlags.BENEATH | ResolveFlags.NO_MAGIC_LINKS;
/** Entries listed at the most: what a guest can make a monitor hold for one ReadDir. */
const LIST_MAX_ENTRIES = 100_000;

export function perform(operation: DiskOperation): DiskResult {
  switch (operation.kind) {
    case "open":
      return open(operation);
    case "close":
      return number(closeFd(operation.fd));
    case "readInto":
      return number(readAt(operation.fd, operation.address, operation.bytes, operation.offset));
    case "writeFrom":
      return number(writeOut(operation.fd, operation.address, operation.bytes, operation.offset));
    case "read": {
      const { address, bytes } = room(operation.bytes);
      const count = readAt(operation.fd, address, operation.bytes, operation.offset);
      return count < 0 ? number(count) : { errno: 0, value: count, data: bytes.slice(0, count) };
    }
    case "write": {
      const { address, bytes } = room(operation.data.length);
      bytes.set(operation.data);
      return number(writeOut(operation.fd, address, operation.data.length, operation.offset));
    }
    case "end":
      return number(seek(operation.fd, 0, SEEK_END));
    case "fstat":
      return status(fstat(operation.fd));
    case "truncate":
      return number(truncate(operation.fd, operation.bytes));
    case "sync":
      return number(operation.dataOnly ? dataSync(operation.fd) : sync(operation.fd));
    case "stat":
      return operation.follow ? at(operation, (fd) => status(fstat(fd))) : lstat(operation);
    case "list":
      return list(operation);
    case "mkdir":
      return mkdir(operation);
    case "unlink":
      return inParent(operation, (parent, name) => number(unlinkat(parent, name, operation.directory)));
    case "rename":
      return inParent(operation.from, (from, oldName) =>
        inParent(operation.to, (to, newName) => number(renameat(from, oldName, to, newName))),
      );
    case "symlink":
      return inParent(operation, (parent, name) => number(symlinkat(operation.target, parent, name)));
    case "readlink":
      return inParent(operation, (parent, name) => {
        const target = readlinkat(parent, name);
        if (typeof target === "number") return number(target);
        return typeof target === "string" ? { errno: 0, value: 0, text: target } : failed(Errno.EILSEQ);
      });
    case "chmod":
      return at(operation, (fd) => number(fchmod(fd, operation.mode)));
    case "utimes":
      return at(operation, (fd) => number(setTimes(fd, operation.accessed, operation.modified)));
    case "statfs":
      return at(operation, (fd) => {
        const found = statfs(fd);
        if (typeof found === "number") return number(found);
        const { blockBytes, blocks, blocksFree, blocksAvailable, files, filesFree, nameMax } = found;
        const numbers = [blockBytes, blocks, blocksFree, blocksAvailable, files, filesFree, nameMax];
        return { errno: 0, value: 0, numbers };
      });
  }
}

function number(result: number): DiskResult {
  return result < 0 ? failed(-result) : { errno: 0, value: result };
}

function failed(errno: number): DiskResult {
  return { errno, value: 0 };
}

export function statReply(found: FileStat): StatReply {
  const kinds = {
    file: FileKind.FILE,
    directory: FileKind.DIRECTORY,
    symlink: FileKind.SYMLINK,
    other: FileKind.OTHER,
  };
  const { mode, links, uid, gid, inode, size, blocks, accessed, modified, changed } = found;
  return { kind: kinds[found.kind], mode, links, uid, gid, inode, size, blocks, accessed, modified, changed };
}

function status(found: FileStat | number): DiskResult {
  return typeof found === "number" ? number(found) : { errno: 0, value: 0, stat: statReply(found) };
}

/** This thread's buffer for contents, grown as needed. */
let buffer: Scratch = scratch(64 * 1024);
function room(bytes: number): Scratch {
  if (buffer.bytes.length < bytes) buffer = scratch(bytes);
  return buffer;
}

/** All of it, unless the file system takes less; then what it took. */
function writeOut(fd: number, address: number, bytes: number, offset: number): number {
  let done = 0;
  while (done < bytes) {
    const count =
      offset < 0
        ? write(fd, address + done, bytes - done)
        : writeAt(fd, address + done, bytes - done, offset + done);
    if (count <= 0) return done > 0 ? done : count;
    done += count;
  }
  return done;
}

/** Regular files only: NON_BLOCKING so that a fifo or a device cannot hold a worker, and looked at before it is given. */
function open({ root, path, flags, mode }: Extract<DiskOperation, { kind: "open" }>): DiskResult {
  const fd = openat2(
    root,
    path,
    flags | OpenFlags.NON_BLOCKING | OpenFlags.NO_CONTROLLING_TERMINAL,
    mode,
    RESOLVE,
  );
  if (fd < 0) return failed(fd === -Errno.ENXIO ? Errno.EACCES : -fd);
  const found = fstat(fd);
  if (typeof found === "number" || found.kind !== "file") {
    closeFd(fd);
    return failed(
      typeof found === "number" ? -found : found.kind === "directory" ? Errno.EISDIR : Errno.EACCES,
    );
  }
  return { errno: 0, value: fd, stat: statReply(found) };
}

/** With what the path names, symlinks followed within the root, opened as a name only. */
function at({ root, path }: RootPath, use: (fd: number) => DiskResult): DiskResult {
  const fd = openat2(root, path, OpenFlags.PATH, 0, RESOLVE);
  if (fd < 0) return failed(-fd);
  const result = use(fd);
  closeFd(fd);
  return result;
}

/** With the directory that holds the last name of the path, and that name. */
function inParent({ root, path }: RootPath, use: (parent: number, name: string) => DiskResult): DiskResult {
  if (path === ".") return failed(Errno.EBUSY);
  const cut = path.lastIndexOf("/");
  const parent = openat2(
    root,
    cut < 0 ? "." : path.slice(0, cut),
    OpenFlags.PATH | OpenFlags.DIRECTORY,
    0,
    RESOLVE,
  );
  if (parent < 0) return failed(-parent);
  const result = use(parent, path.slice(cut + 1));
  closeFd(parent);
  return result;
}

function lstat(place: RootPath): DiskResult {
  if (place.path === ".") return at(place, (fd) => status(fstat(fd)));
  return inParent(place, (parent, name) => status(stat(parent, name, false)));
}

function list({ root, path }: RootPath): DiskResult {
  const fd = openat2(root, path, OpenFlags.READ_ONLY | OpenFlags.DIRECTORY, 0, RESOLVE);
  if (fd < 0) return failed(-fd);
  const entries: { kind: number; name: string }[] = [];
  let skipped = 0;
  for (;;) {
    const batch = readDirectoryBatch(fd);
    if (typeof batch === "number" || batch.length === 0 || entries.length > LIST_MAX_ENTRIES) {
      closeFd(fd);
      if (typeof batch === "number") return failed(-batch);
      return entries.length > LIST_MAX_ENTRIES
        ? failed(Errno.EOVERFLOW)
        : { errno: 0, value: 0, entries, skipped };
    }
    for (const entry of batch) {
      if (typeof entry.name === "string") entries.push({ kind: entryKind(fd, entry), name: entry.name });
      else skipped++;
    }
  }
}

function entryKind(directory: number, { name, kind }: DirectoryEntry): number {
  switch (kind) {
    case "file":
      return FileKind.FILE;
    case "directory":
      return FileKind.DIRECTORY;
    case "symlink":
      return FileKind.SYMLINK;
    case "unknown": {
      const found = stat(directory, name, false);
      return typeof found === "number" ? FileKind.OTHER : statReply(found).kind;
    }
    default:
      return FileKind.OTHER;
  }
}

function mkdir({ root, path, mode, parents }: Extract<DiskOperation, { kind: "mkdir" }>): DiskResult {
  const make = (at: string): DiskResult =>
    inParent({ root, path: at }, (parent, name) => number(mkdirat(parent, name, mode)));
  if (!parents) return path === "." ? failed(Errno.EEXIST) : make(path);
  if (path === ".") return { errno: 0, value: 0 };
  const names = path.split("/");
  for (let depth = 1; depth <= names.length; depth++) {
    const made = make(names.slice(0, depth).join("/"));
    if (made.errno !== 0 && made.errno !== Errno.EEXIST) return made;
  }
  // Something is there; it must be a directory.
  return at({ root, path }, (fd) => {
    const found = fstat(fd);
    if (typeof found === "number") return number(found);
    return found.kind === "directory" ? { errno: 0, value: 0 } : failed(Errno.EEXIST);
  });
}
