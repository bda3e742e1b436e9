// fs: names, not contents (PROTOCOL.md section 15). Each request is answered by the reply named beside it, or Error.

import { PATH_MAX_BYTES } from "../limits.ts";
import { bool, type Field, list, type Message, message, struct, text, u32, u64 } from "../wire.ts";
import { path, type Timestamp, timestamp } from "./common.ts";

/** A request about one path. */
export interface PathRequest {
  readonly path: string;
}

/** StatReply; follows a symlink at the end. */
export const Stat: Message<PathRequest> = message(0x0601, "Stat", { path });
/** StatReply; of the symlink itself. */
export const Lstat: Message<PathRequest> = message(0x0602, "Lstat", { path });
/** Entries, as many frames as it takes, the last with more = 0. */
export const ReadDir: Message<PathRequest> = message(0x0603, "ReadDir", { path });

/** One name of a folder. */
export interface Entry {
  /** A FileKind. */
  readonly kind: number;
  readonly name: string;
}
/** `skipped`: names left out of this frame because they are not UTF-8 (FS-5). */
export interface Entries {
  readonly more: boolean;
  readonly skipped: number;
  readonly entries: readonly Entry[];
}
const entries: Field<readonly Entry[]> = list(struct<Entry>({ kind: u32, name: text(255) }));
export const Entries: Message<Entries> = message(0x8603, "Entries", { more: bool, skipped: u32, entries });

/** Done. With `parents`, missing folders above are made too and one that is there already is no error. */
export interface Mkdir {
  readonly mode: number;
  readonly parents: boolean;
  readonly path: string;
}
export const Mkdir: Message<Mkdir> = message(0x0604, "Mkdir", { mode: u32, parents: bool, path });

/** Done. */
export const Unlink: Message<PathRequest> = message(0x0605, "Unlink", { path });
/** Done. */
export const Rmdir: Message<PathRequest> = message(0x0606, "Rmdir", { path });

/** Done. Replaces a file at `to`, as rename(2). EXDEV between two roots. */
export interface Rename {
  readonly from: string;
  readonly to: string;
}
export const Rename: Message<Rename> = message(0x0607, "Rename", { from: path, to: path });

/** Done. `target` is kept as text; it is judged when somebody follows it. */
export interface Symlink {
  readonly target: string;
  readonly path: string;
}
export const Symlink: Message<Symlink> = message(0x0608, "Symlink", { target: text(PATH_MAX_BYTES), path });

/** Target. */
export const Readlink: Message<PathRequest> = message(0x0609, "Readlink", { path });
/** Where a symlink leads, as it was written. */
export interface Target {
  readonly target: string;
}
export const Target: Message<Target> = message(0x8609, "Target", { target: text(PATH_MAX_BYTES) });

/** Done. `mode`: 0o777 at most; set-id and sticky bits are EPERM (FS-6). */
export interface Chmod {
  readonly mode: number;
  readonly path: string;
}
export const Chmod: Message<Chmod> = message(0x060a, "Chmod", { mode: u32, path });

/** Done. */
export interface Utimes {
  readonly accessed: Timestamp;
  readonly modified: Timestamp;
  readonly path: string;
}
export const Utimes: Message<Utimes> = message(0x060b, "Utimes", {
  accessed: timestamp,
  modified: timestamp,
  path,
});

/** StatfsReply: the file system that `path` lies on. */
export const Statfs: Message<PathRequest> = message(0x060c, "Statfs", { path });
/** As statfs(2); blocks have `blockBytes`. */
export interface StatfsReply {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly blocksFree: number;
  readonly blocksAvailable: number;
  readonly files: number;
  readonly filesFree: number;
  readonly nameMaxBytes: number;
}
export const StatfsReply: Message<StatfsReply> = message(0x860c, "StatfsReply", {
  blockBytes: u32,
  blocks: u64,
  blocksFree: u64,
  blocksAvailable: u64,
  files: u64,
  filesFree: u64,
  nameMaxBytes: u32,
});
