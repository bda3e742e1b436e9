// Messages that more than one protocol uses (PROTOCOL.md section 8).

import { PATH_MAX_BYTES, TEXT_MAX_BYTES } from "../limits.ts";
import { type Field, i64, type Message, message, struct, text, u32, u64 } from "../wire.ts";

export const path: Field<string> = text(PATH_MAX_BYTES);
export const sentence: Field<string> = text(TEXT_MAX_BYTES);

/** Why a guest does not get what it asked for (ERR-2). */
export interface Refusal {
  /** A Linux errno, positive: one of Errno, or any other that the host's kernel gave. */
  readonly errno: number;
  /** The policy rule that says no; "" where none does: a limit, a mistake of the guest's, a failure of the host's. */
  readonly rule: string;
  /** A sentence for people. */
  readonly reason: string;
}
/** Reply to a request that failed. */
export const ErrorReply: Message<Refusal> = message(0x8001, "Error", {
  errno: u32,
  rule: sentence,
  reason: sentence,
});

/** Reply to a request that has nothing to tell but that it is done. */
export type Done = Record<never, never>;
export const Done: Message<Done> = message(0x8002, "Done", {});

/** What a name stands for (MSG-3). */
export const FileKind = { FILE: 1, DIRECTORY: 2, SYMLINK: 3, OTHER: 4 } as const;
export type FileKind = (typeof FileKind)[keyof typeof FileKind];

/**
 * All of a mode that a guest sees and gives; set-id and sticky bits are the host's own affair (MSG-3, FILE-2, FS-6).
 */
export const PERMISSION_BITS = 0o777;

/** A point in time since 1970-01-01T00:00:00Z. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}
export const timestamp: Field<Timestamp> = struct({ seconds: i64, nanoseconds: u32 });

/** What stat(2) tells (FS-3). `blocks` counts 512 bytes. */
export interface StatReply {
  /** A FileKind. */
  readonly kind: number;
  /** Of PERMISSION_BITS. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly inode: number;
  readonly size: number;
  readonly blocks: number;
  readonly accessed: Timestamp;
  readonly modified: Timestamp;
  readonly changed: Timestamp;
}
export const statFields: { readonly [K in keyof StatReply]: Field<StatReply[K]> } = {
  kind: u32,
  mode: u32,
  links: u32,
  uid: u32,
  gid: u32,
  inode: u64,
  size: u64,
  blocks: u64,
  accessed: timestamp,
  modified: timestamp,
  changed: timestamp,
};
export const StatReply: Message<StatReply> = message(0x8003, "StatReply", statFields);
