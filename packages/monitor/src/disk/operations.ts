// Work on files that may wait on a disk: what can be asked of a disk worker, and how it is done there. Plain data both
// ways; a result is -errno, or what the operation gives. Names are looked up by landing.ts alone; how they are changed
// is in names.ts, how files are opened in open.ts.

import type { StatReply } from "@ringway/control";
import {
  closeFd,
  connectUnixStream,
  dataSync,
  Errno,
  type FileStat,
  fstat,
  type PeerCredentials,
  readAt,
  readlinkat,
  type Scratch,
  type Span,
  scratch,
  seek,
  statfs,
  sync,
  truncate,
  write,
  writeAt,
  writeBoth,
} from "@ringway/linux";
import type { Place } from "./judgement.ts";
import { withObject } from "./landing.ts";
import { list, listMore } from "./list.ts";
import { type MountOperation, type MountResult, performMount } from "./mount/operations.ts";
import * as names from "./names.ts";
import { open } from "./open.ts";
import type { Roots } from "./roots.ts";
import {
  type ConnectSocket,
  connectSocket,
  type EndListener,
  endListener,
  type ListenAtSocket,
  listenAtSocket,
} from "./sockets.ts";
import { clamp, statReply, type Time } from "./status.ts";
import { addTree, removeTree } from "./tree.ts";

/** What a worker is told of, beside its operations: the trees that they are about. */
export type TreeChange =
  | { readonly kind: "add-tree"; readonly tree: number; readonly roots: Roots; readonly hides: boolean }
  | { readonly kind: "remove-tree"; readonly tree: number };

export type DiskOperation =
  | ({ readonly kind: "open"; readonly flags: number; readonly mode: number } & Place)
  | { readonly kind: "close"; readonly fd: number }
  /** Connects to a VM's doorbell: a descriptor. The path is the host's, and beneath no root. */
  | { readonly kind: "call"; readonly path: string }
  /** Reads into memory that the asker keeps mapped until the answer. */
  | {
      readonly kind: "readInto";
      readonly fd: number;
      readonly address: number;
      readonly bytes: number;
      readonly offset: number;
    }
  /** Writes from memory that the asker keeps mapped until the answer. */
  | {
      readonly kind: "writeFrom";
      readonly fd: number;
      readonly address: number;
      readonly bytes: number;
      readonly offset: number;
    }
  /**
   * Writes at the end (O_APPEND), in one go, from memory in two spans that the asker keeps mapped; the second may be
   * empty.
   */
  | { readonly kind: "appendFrom"; readonly fd: number; readonly spans: readonly [Span, Span] }
  | { readonly kind: "read"; readonly fd: number; readonly bytes: number; readonly offset: number }
  /** offset -1: at the end (O_APPEND). */
  | { readonly kind: "write"; readonly fd: number; readonly data: Uint8Array; readonly offset: number }
  /** The descriptor's own position after lseek(0, whence). */
  | { readonly kind: "position"; readonly fd: number; readonly whence: number }
  | { readonly kind: "fstat"; readonly fd: number }
  | { readonly kind: "truncate"; readonly fd: number; readonly bytes: number }
  | { readonly kind: "sync"; readonly fd: number; readonly dataOnly: boolean }
  | ({ readonly kind: "stat"; readonly follow: boolean } & Place)
  /** Begins to list a folder: entries that fit `bytes` of an Entries frame, and the folder where there are more. */
  | ({ readonly kind: "list"; readonly bytes: number } & Place)
  /** Goes on; closes the folder at the end, and where it fails. */
  | { readonly kind: "listMore"; readonly folder: number; readonly bytes: number }
  | ({ readonly kind: "mkdir"; readonly mode: number; readonly parents: boolean } & Place)
  | ({ readonly kind: "unlink"; readonly directory: boolean } & Place)
  | { readonly kind: "rename"; readonly from: Place; readonly to: Place }
  | ({ readonly kind: "symlink"; readonly target: string } & Place)
  | ({ readonly kind: "readlink" } & Place)
  | ({ readonly kind: "chmod"; readonly mode: number } & Place)
  | ({ readonly kind: "utimes"; readonly accessed: Time; readonly modified: Time } & Place)
  | ({ readonly kind: "statfs" } & Place)
  | ConnectSocket
  | ListenAtSocket
  | EndListener
  | { readonly kind: "mount"; readonly mount: MountOperation };

/** What an operation gave; `errno` 0 and the fields that it has. */
export interface DiskResult extends MountResult {
  /** Names in a folder that is not empty which no guest can use: they are not UTF-8. */
  readonly unusable?: number;
  /** A descriptor, a count of bytes, an offset. */
  readonly value: number;
  readonly stat?: StatReply;
  readonly text?: string;
  /** Descriptor of a folder that has more entries. */
  readonly folder?: number;
  readonly numbers?: readonly number[];
  /** Who is at the other end of a socket. */
  readonly peer?: PeerCredentials;
}

export function change(message: TreeChange): void {
  if (message.kind === "add-tree") addTree(message.tree, message.roots, message.hides);
  else removeTree(message.tree);
}

export function perform(operation: DiskOperation): DiskResult {
  return "fd" in operation ? performOn(operation) : performAt(operation);
}

/** On an open file. */
function performOn(operation: Extract<DiskOperation, { readonly fd: number }>): DiskResult {
  switch (operation.kind) {
    case "close":
      return number(closeFd(operation.fd));
    case "readInto":
      return number(readAt(operation.fd, operation.address, operation.bytes, operation.offset));
    case "writeFrom":
      return number(writeOut(operation.fd, operation.address, operation.bytes, operation.offset));
    case "appendFrom": {
      const [first, second] = operation.spans;
      const { fd } = operation;
      return number(
        second.bytes === 0 ? writeOut(fd, first.address, first.bytes, -1) : writeBoth(fd, first, second),
      );
    }
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
  }
}

/** By a name, or on an open folder. */
function performAt(operation: Exclude<DiskOperation, { readonly fd: number }>): DiskResult {
  switch (operation.kind) {
    case "open": {
      const opened = open(operation, operation.flags, operation.mode);
      if (!("found" in opened)) return done(opened);
      const { fd, found, readsAtOnce } = opened;
      return { errno: 0, value: fd, stat: statReply(found), readsAtOnce };
    }
    case "stat":
      return done(withObject(operation, operation.follow, false, ({ fd }) => status(fstat(fd))));
    case "list":
      return done(list(operation, operation.bytes));
    case "listMore":
      return done(listMore(operation.folder, operation.bytes));
    case "mkdir":
      return done(names.mkdir(operation, operation.mode, operation.parents));
    case "unlink":
      return done(names.unlink(operation, operation.directory));
    case "rename":
      return done(names.rename(operation.from, operation.to));
    case "symlink":
      return done(names.symlink(operation.target, operation));
    case "readlink":
      return done(withObject(operation, false, false, ({ fd }) => target(fd)));
    case "chmod":
      return done(names.chmod(operation, operation.mode));
    case "utimes":
      return done(names.utimes(operation, operation.accessed, operation.modified));
    case "call":
      return number(connectUnixStream(operation.path));
    case "connectSocket":
      return done(connectSocket(operation));
    case "listenAtSocket":
      return done(listenAtSocket(operation));
    case "endListener":
      return done(endListener(operation));
    case "mount":
      return done(performMount(operation.mount));
    case "statfs":
      return done(withObject(operation, true, false, ({ fd }) => capacity(fd)));
  }
}

function capacity(fd: number): DiskResult {
  const found = statfs(fd);
  if (typeof found === "number") return number(found);
  const { blockBytes, blocks, blocksFree, blocksAvailable, files, filesFree, nameMax } = found;
  const numbers = [blockBytes, blocks, blocksFree, blocksAvailable, files, filesFree, nameMax];
  return { errno: 0, value: 0, numbers: numbers.map(clamp) };
}

function number(result: number): DiskResult {
  return result < 0 ? failed(-result) : { errno: 0, value: result };
}

function failed(errno: number): DiskResult {
  return { errno, value: 0 };
}

/** With the value that a result has beside its errno. */
function done(result: { readonly errno: number } & Partial<DiskResult>): DiskResult {
  return hasValue(result) ? result : { value: 0, ...result };
}

function hasValue(result: { readonly errno: number } & Partial<DiskResult>): result is DiskResult {
  return result.value !== undefined;
}

/** What a symbolic link says; of anything else EINVAL, as readlink(2). */
function target(fd: number): DiskResult {
  const found = readlinkat(fd, "");
  // Of what is no link, an empty name says ENOENT.
  if (typeof found === "number") return failed(found === -Errno.ENOENT ? Errno.EINVAL : -found);
  return typeof found === "string" ? { errno: 0, value: 0, text: found } : failed(Errno.EILSEQ);
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
