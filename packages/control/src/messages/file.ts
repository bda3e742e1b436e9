// file and file-stream (PROTOCOL.md sections 13 and 14).

import { type Body, body, i64, type Message, message, rest, u32, u64 } from "../wire.ts";
import { path, type StatReply, sentence, statFields } from "./common.ts";

/** Bits of `flags`; any other bit is EINVAL (FILE-2). */
export const FileFlags = { READ: 1, WRITE: 2, CREATE: 4, EXCLUSIVE: 8, APPEND: 16, TRUNCATE: 32 } as const;
/** All of them together. */
export const FILE_FLAGS_ALL = 63;

/** Body of Open for file. `mode` is for a file that this creates. */
export interface FileOpen {
  readonly flags: number;
  readonly mode: number;
  readonly path: string;
}
export const FileOpen: Body<FileOpen> = body({ flags: u32, mode: u32, path });
/** Body of Opened for file. */
export const FileOpened: Body<StatReply> = body(statFields);

/** At most `bytes` from the file position; answered by Data, empty at the end of the file. */
export interface Read {
  readonly bytes: number;
}
export const Read: Message<Read> = message(0x0401, "Read", { bytes: u32 });
/** Bytes of a file, at most IO_MAX_BYTES. */
export interface Data {
  readonly data: Uint8Array;
}
export const Data: Message<Data> = message(0x8401, "Data", { data: rest });

/** At the file position, or at the end where the file was opened with APPEND; answered by Written. */
export const Write: Message<Data> = message(0x0402, "Write", { data: rest });
/** How many bytes are in the file now, of those that were to be written. */
export interface Written {
  readonly bytes: number;
}
export const Written: Message<Written> = message(0x8402, "Written", { bytes: u32 });

/** Answered by Data; the file position stays. */
export interface ReadAt {
  readonly offset: number;
  readonly bytes: number;
}
export const ReadAt: Message<ReadAt> = message(0x0403, "ReadAt", { offset: u64, bytes: u32 });

/** Answered by Written; the file position stays. */
export interface WriteAt {
  readonly offset: number;
  readonly data: Uint8Array;
}
export const WriteAt: Message<WriteAt> = message(0x0404, "WriteAt", { offset: u64, data: rest });

export const Whence = { START: 0, CURRENT: 1, END: 2 } as const;
/** Answered by Position. */
export interface Seek {
  readonly whence: number;
  readonly offset: number;
}
export const Seek: Message<Seek> = message(0x0405, "Seek", { whence: u32, offset: i64 });
/** Where the file position stands now, in bytes. */
export interface Position {
  readonly offset: number;
}
export const Position: Message<Position> = message(0x8405, "Position", { offset: u64 });

/** Answered by StatReply. */
export type FileStat = Record<never, never>;
export const FileStat: Message<FileStat> = message(0x0406, "FileStat", {});

/** Answered by Done. */
export interface Truncate {
  readonly bytes: number;
}
export const Truncate: Message<Truncate> = message(0x0407, "Truncate", { bytes: u64 });

/** fsync, or fdatasync where dataOnly is 1. Answered by Done. */
export interface Sync {
  readonly dataOnly: number;
}
export const Sync: Message<Sync> = message(0x0408, "Sync", { dataOnly: u32 });

/** Answered by Done, after every request before it. */
export type Close = Record<never, never>;
export const Close: Message<Close> = message(0x0409, "Close", {});

/** Which way a file-stream carries bytes, as the guest sees it. */
export const FileDirection = { READ: 1, WRITE: 2 } as const;

/**
 * Body of Open for file-stream (FST-1). `flags` as for file (READ or WRITE follows from the direction and must agree);
 * at most `length` bytes from `offset`; 2^53 - 1 means to the end, and no limit.
 */
export interface FileStreamOpen {
  readonly direction: number;
  readonly flags: number;
  readonly mode: number;
  readonly offset: number;
  readonly length: number;
  readonly path: string;
}
export const FileStreamOpen: Body<FileStreamOpen> = body({
  direction: u32,
  flags: u32,
  mode: u32,
  offset: u64,
  length: u64,
  path,
});

/** Body of Opened for file-stream: how many bytes a read will carry (0 for a write), and the file as it is. */
export interface FileStreamOpened extends StatReply {
  readonly length: number;
}
export const FileStreamOpened: Body<FileStreamOpened> = body({ length: u64, ...statFields });

/** Last frame of a write: all of it is in the file. */
export interface WriteDone {
  readonly bytes: number;
}
export const WriteDone: Message<WriteDone> = message(0x8501, "WriteDone", { bytes: u64 });

/** Last frame of a write that failed after `bytes` bytes. */
export interface WriteFailed {
  readonly bytes: number;
  readonly errno: number;
  readonly rule: string;
  readonly reason: string;
}
export const WriteFailed: Message<WriteFailed> = message(0x8502, "WriteFailed", {
  bytes: u64,
  errno: u32,
  rule: sentence,
  reason: sentence,
});
