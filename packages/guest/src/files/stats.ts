// What stat, readdir and statfs give, in the shapes of node:fs.

import { constants } from "node:fs";
import { FileKind, type StatReply, type Timestamp } from "@ringway/control";
import { invalidType } from "@ringway/linux";
import type { AbortOptions } from "../abort.ts";

export interface StatOptions extends AbortOptions {
  /** Numbers as bigint, and times in nanoseconds as well. */
  readonly bigint?: boolean | undefined;
}

/** Options of a call that answers in numbers. */
export type NumberStatOptions = StatOptions & { readonly bigint?: false | undefined };
/** Options of a call that answers in bigints. */
export type BigIntStatOptions = StatOptions & { readonly bigint: true };

/** As fs.utimes() takes it: seconds since 1970, also as text, or a Date. */
export type Time = number | string | Date;

const kindBits: Readonly<Record<number, number>> = {
  [FileKind.FILE]: constants.S_IFREG,
  [FileKind.DIRECTORY]: constants.S_IFDIR,
  [FileKind.SYMLINK]: constants.S_IFLNK,
};

/** Of which kind a file is: what GuestStats, GuestBigIntStats and GuestDirent tell alike. */
export class Kinded {
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
  /** The host does not tell devices, pipes and sockets apart: none of these four is ever true. */
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

/**
 * As fs.Stats: `size` in bytes, `blocks` of 512 bytes, times in milliseconds since 1970 and as Dates. `dev`, `rdev`
 * are 0: the host does not tell. The time of birth is that of the last change.
 */
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
  readonly atime: Date;
  readonly mtime: Date;
  readonly ctime: Date;
  readonly birthtime: Date;

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
    this.atime = dateOf(this.atimeMs);
    this.mtime = dateOf(this.mtimeMs);
    this.ctime = dateOf(this.ctimeMs);
    this.birthtime = dateOf(this.birthtimeMs);
  }
}

/** As fs.BigIntStats: GuestStats to the nanosecond. */
export class GuestBigIntStats extends Kinded {
  readonly dev: bigint = 0n;
  readonly rdev: bigint = 0n;
  readonly mode: bigint;
  readonly nlink: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly blocks: bigint;
  readonly blksize: bigint = 4096n;
  readonly atimeMs: bigint;
  readonly mtimeMs: bigint;
  readonly ctimeMs: bigint;
  readonly birthtimeMs: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthtimeNs: bigint;
  readonly atime: Date;
  readonly mtime: Date;
  readonly ctime: Date;
  readonly birthtime: Date;

  constructor(reply: StatReply) {
    super(reply.kind);
    this.mode = BigInt(reply.mode | (kindBits[reply.kind] ?? 0));
    this.nlink = BigInt(reply.links);
    this.uid = BigInt(reply.uid);
    this.gid = BigInt(reply.gid);
    this.ino = BigInt(reply.inode);
    this.size = BigInt(reply.size);
    this.blocks = BigInt(reply.blocks);
    this.atimeNs = toNs(reply.accessed);
    this.mtimeNs = toNs(reply.modified);
    this.ctimeNs = toNs(reply.changed);
    this.birthtimeNs = this.ctimeNs;
    this.atimeMs = this.atimeNs / NS_PER_MS;
    this.mtimeMs = this.mtimeNs / NS_PER_MS;
    this.ctimeMs = this.ctimeNs / NS_PER_MS;
    this.birthtimeMs = this.ctimeMs;
    this.atime = dateOf(Number(this.atimeMs));
    this.mtime = dateOf(Number(this.mtimeMs));
    this.ctime = dateOf(Number(this.ctimeMs));
    this.birthtime = dateOf(Number(this.birthtimeMs));
  }
}

/** As fs.Dirent. */
export class GuestDirent<Name extends string | Buffer = string> extends Kinded {
  readonly name: Name;
  readonly parentPath: string;

  constructor(name: Name, parentPath: string, kind: number) {
    super(kind);
    this.name = name;
    this.parentPath = parentPath;
  }

  /** As in Node 20: another name of `parentPath`. */
  get path(): string {
    return this.parentPath;
  }
}

/** The entry under another form of its name. */
export function named<Name extends string | Buffer>(entry: GuestDirent, name: Name): GuestDirent<Name> {
  const { FILE, DIRECTORY, SYMLINK, OTHER } = FileKind;
  const kind = entry.isFile()
    ? FILE
    : entry.isDirectory()
      ? DIRECTORY
      : entry.isSymbolicLink()
        ? SYMLINK
        : OTHER;
  return new GuestDirent(name, entry.parentPath, kind);
}

/** As fs.StatsFs: a file system of the host's. */
export interface GuestStatFs<N extends number | bigint = number> {
  /** 0: the host does not tell. */
  readonly type: N;
  /** Bytes of a block. */
  readonly bsize: N;
  /** All blocks. */
  readonly blocks: N;
  /** Those that are free. */
  readonly bfree: N;
  /** Those that are free for others than root. */
  readonly bavail: N;
  /** All inodes. */
  readonly files: N;
  /** Those that are free. */
  readonly ffree: N;
}

const NS_PER_MS = 1_000_000n;

function toMs({ seconds, nanoseconds }: Timestamp): number {
  return seconds * 1000 + nanoseconds / 1e6;
}

function toNs({ seconds, nanoseconds }: Timestamp): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
}

/** Rounded, as node:fs does: the fraction of a millisecond may be short of what was set by a bit. */
function dateOf(ms: number): Date {
  return new Date(Math.round(ms));
}

/** As fs.utimes() takes times; a number below 0 means now. */
export function toTimestamp(time: Time, name: string): Timestamp {
  const ms = toMilliseconds(time);
  if (ms === undefined || !Number.isFinite(ms))
    throw invalidType(name, "an instance of Date or a finite time in seconds", time);
  const seconds = Math.floor(ms / 1000);
  const nanoseconds = Math.min(999_999_999, Math.round((ms - seconds * 1000) * 1e6));
  return { seconds, nanoseconds };
}

function toMilliseconds(time: unknown): number | undefined {
  if (time instanceof Date) return time.getTime();
  if (typeof time === "number") return time < 0 ? Date.now() : time * 1000;
  return typeof time === "string" && time.trim() !== "" ? Number(time) * 1000 : undefined;
}
