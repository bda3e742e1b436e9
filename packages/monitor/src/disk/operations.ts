// Work on files that may wait on a disk: what can be asked of a disk worker, and how it is done there. Plain data both
// ways; a result is -errno, or what the operation gives. Everything is opened beneath a root (DESIGN: trust, 7).

import { FileKind, PERMISSION_BITS, type StatReply } from "@ringway/control";
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
  /** The descriptor's own position after lseek(0, whence). */
  | { readonly kind: "position"; readonly fd: number; readonly whence: number }
  | { readonly kind: "fstat"; readonly fd: number }
  | { readonly kind: "truncate"; readonly fd: number; readonly bytes: number }
  | { readonly kind: "sync"; readonly fd: number; readonly dataOnly: boolean }
  | ({ readonly kind: "stat"; readonly follow: boolean } & RootPath)
  /** Begins to list a folder: entries that fit `bytes` of an Entries frame, and the folder where there are more. */
  | ({ readonly kind: "list"; readonly bytes: number } & RootPath)
  /** Goes on; closes the folder at the end, and where it fails. */
  | { readonly kind: "listMore"; readonly folder: number; readonly bytes: number }
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
  /** The path leads out of its root: the kernel refused to follow it. */
  readonly escaped?: true;
  /** A descriptor, a count of bytes, an offset. */
  readonly value: number;
  readonly stat?: StatReply;
  readonly data?: Uint8Array;
  readonly text?: string;
  readonly entries?: readonly { readonly kind: number; readonly name: string }[];
  readonly skipped?: number;
  /** Descriptor of a folder that has more entries. */
  readonly folder?: number;
  readonly numbers?: readonly number[];
}

const RESOLVE: number = ResolveFlags.BENEATH | ResolveFlags.NO_MAGIC_LINKS;
/** The longest name that a guest can be told of, and could use (FILE-1). */
const NAME_MAX_BYTES = 255;

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
    case "position": {
      // Past 2^53 a bigint.
      const at = Number(seek(operation.fd, 0, operation.whence));
      return at > Number.MAX_SAFE_INTEGER ? failed(Errno.EOVERFLOW) : number(at);
    }
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
    case "listMore":
      return listMore(operation);
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
      if (operation.path === ".") return failed(Errno.EINVAL);
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
        return { errno: 0, value: 0, numbers: numbers.map(clamp) };
      });
  }
}

function number(result: number): DiskResult {
  return result < 0 ? failed(-result) : { errno: 0, value: result };
}

function failed(errno: number): DiskResult {
  return { errno, value: 0 };
}

/** Why openat2 did not open something below a root. */
function notOpened(result: number): DiskResult {
  return result === -Errno.EXDEV ? { errno: Errno.EXDEV, value: 0, escaped: true } : failed(-result);
}

/** What the wire can carry (FRM-5). A file of 2^53 bytes needs no disk: a file system may have one with a hole. */
function clamp(value: number): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(value, Number.MAX_SAFE_INTEGER));
}

function clampTime({ seconds, nanoseconds }: Time): Time {
  return { seconds: clamp(seconds), nanoseconds };
}

export function statReply(found: FileStat): StatReply {
  const kinds = {
    file: FileKind.FILE,
    directory: FileKind.DIRECTORY,
    symlink: FileKind.SYMLINK,
    other: FileKind.OTHER,
  };
  const { mode, links, uid, gid, inode } = found;
  return {
    kind: kinds[found.kind],
    mode: mode & PERMISSION_BITS,
    links,
    uid,
    gid,
    inode,
    size: clamp(found.size),
    blocks: clamp(found.blocks),
    accessed: clampTime(found.accessed),
    modified: clampTime(found.modified),
    changed: clampTime(found.changed),
  };
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

/**
 * Regular files only. They are looked at before, because opening a fifo or a device may mean something to others, and
 * after, because the name may have changed hands; NON_BLOCKING so that neither could hold a worker.
 */
function open({ root, path, flags, mode }: Extract<DiskOperation, { kind: "open" }>): DiskResult {
  if ((flags & OpenFlags.EXCLUSIVE) === 0) {
    const seen = at({ root, path }, regular);
    // Where nothing could be seen, opening says why, or creates it.
    if (seen.stat !== undefined && seen.errno !== 0) return failed(seen.errno);
  }
  const fd = openat2(
    root,
    path,
    flags | OpenFlags.NON_BLOCKING | OpenFlags.NO_CONTROLLING_TERMINAL,
    mode,
    RESOLVE,
  );
  if (fd < 0) return fd === -Errno.ENXIO ? failed(Errno.EACCES) : notOpened(fd);
  const found = regular(fd);
  if (found.errno !== 0) closeFd(fd);
  return { ...found, value: fd };
}

/** What a descriptor is, with an errno where a guest may not open it. */
function regular(fd: number): DiskResult {
  const found = status(fstat(fd));
  switch (found.stat?.kind) {
    case undefined:
    case FileKind.FILE:
      return found;
    case FileKind.DIRECTORY:
      return { ...found, errno: Errno.EISDIR };
    default:
      return { ...found, errno: Errno.EACCES };
  }
}

/** With what the path names, symlinks followed within the root, opened as a name only. */
function at({ root, path }: RootPath, use: (fd: number) => DiskResult): DiskResult {
  const fd = openat2(root, path, OpenFlags.PATH, 0, RESOLVE);
  if (fd < 0) return notOpened(fd);
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
  if (parent < 0) return notOpened(parent);
  const result = use(parent, path.slice(cut + 1));
  closeFd(parent);
  return result;
}

function lstat(place: RootPath): DiskResult {
  if (place.path === ".") return at(place, (fd) => status(fstat(fd)));
  return inParent(place, (parent, name) => status(stat(parent, name, false)));
}

function list({ root, path, bytes }: Extract<DiskOperation, { kind: "list" }>): DiskResult {
  const folder = openat2(root, path, OpenFlags.READ_ONLY | OpenFlags.DIRECTORY, 0, RESOLVE);
  return folder < 0 ? notOpened(folder) : listMore({ kind: "listMore", folder, bytes });
}

function listMore({ folder, bytes }: Extract<DiskOperation, { kind: "listMore" }>): DiskResult {
  const entries: { kind: number; name: string }[] = [];
  let skipped = 0;
  for (let left = bytes; ; ) {
    const batch = readDirectoryBatch(folder, left);
    // What is left is too little for the next record.
    if (batch === -Errno.EINVAL && left < bytes) return { errno: 0, value: 0, entries, skipped, folder };
    if (typeof batch === "number" || batch.length === 0) {
      closeFd(folder);
      return typeof batch === "number" ? failed(-batch) : { errno: 0, value: 0, entries, skipped };
    }
    for (const entry of batch) {
      const nameBytes = Buffer.byteLength(entry.name);
      // The kernel's record: 19 bytes, the name and a NUL, in eights. On the wire an entry takes 8 bytes and the name.
      left -= (nameBytes + 27) & ~7;
      if (typeof entry.name !== "string" || nameBytes > NAME_MAX_BYTES) skipped++;
      else entries.push({ kind: entryKind(folder, entry), name: entry.name });
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
