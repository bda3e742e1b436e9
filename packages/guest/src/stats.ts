// What stat, readdir and statfs give, in the shapes of node:fs.

import { constants } from "node:fs";
import { FileKind, type StatReply, type Timestamp } from "@ringway/control";

const kindBits: Readonly<Record<number, number>> = {
  [FileKind.FILE]: constants.S_IFREG,
  [FileKind.DIRECTORY]: constants.S_IFDIR,
  [FileKind.SYMLINK]: constants.S_IFLNK,
};

class Kinded {
  readonly #kind: number;
  constructor(kind: number) {
    this.#kind = kind;
  }
  isFile(): boolean {
    return this.#kind === FileKind.FILE;
  }
  isDirectory(): boolean {
    return this.#kind === FileKind.DIRECTORY;
  }
  isSymbolicLink(): boolean {
    return this.#kind === FileKind.SYMLINK;
  }
  /** The host does not tell devices, pipes and sockets apart: none of these three is ever true. */
  isBlockDevice(): boolean {
    return false;
  }
  isCharacterDevice(): boolean {
    return false;
  }
  isFIFO(): boolean {
    return false;
  }
  isSocket(): boolean {
    return false;
  }
}

/** As fs.Stats. `dev`, `rdev` are 0: the host does not tell. The time of birth is that of the last change. */
export class GuestStats extends Kinded {
  readonly dev: number = 0;
  readonly rdev: number = 0;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly ino: number;
  readonly size: number;
  readonly blocks: number;
  readonly blksize: number = 4096;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly birthtimeMs: number;

  constructor(reply: StatReply) {
    super(reply.kind);
    this.mode = reply.mode | (kindBits[reply.kind] ?? 0);
    this.nlink = reply.links;
    this.uid = reply.uid;
    this.gid = reply.gid;
    this.ino = reply.inode;
    this.size = reply.size;
    this.blocks = reply.blocks;
    this.atimeMs = toMs(reply.accessed);
    this.mtimeMs = toMs(reply.modified);
    this.ctimeMs = toMs(reply.changed);
    this.birthtimeMs = this.ctimeMs;
  }

  get atime(): Date {
    return new Date(this.atimeMs);
  }
  get mtime(): Date {
    return new Date(this.mtimeMs);
  }
  get ctime(): Date {
    return new Date(this.ctimeMs);
  }
  get birthtime(): Date {
    return new Date(this.birthtimeMs);
  }
}

/** As fs.Dirent. */
export class GuestDirent extends Kinded {
  readonly name: string;
  readonly parentPath: string;

  constructor(name: string, parentPath: string, kind: number) {
    super(kind);
    this.name = name;
    this.parentPath = parentPath;
  }
}

/** As fs.StatsFs; `type` is 0. */
export interface GuestStatFs {
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

function toMs({ seconds, nanoseconds }: Timestamp): number {
  return seconds * 1000 + nanoseconds / 1e6;
}

/** A time as fs.utimes() takes it: seconds since 1970, or a Date. */
export function toTimestamp(time: number | string | Date): Timestamp {
  const ms = time instanceof Date ? time.getTime() : Number(time) * 1000;
  if (!Number.isFinite(ms)) throw new RangeError("a time must be a finite number of seconds, or a Date");
  const seconds = Math.floor(ms / 1000);
  const nanoseconds = Math.min(999_999_999, Math.round((ms - seconds * 1000) * 1e6));
  return { seconds, nanoseconds };
}
