// What is in a directory, by its descriptor: names and kinds, a batch at a time.

import { Errno } from "../errno.ts";
import { isX64, outcome, type PathLike, pathFrom, type Scratch, scratch, syscall } from "../libc.ts";
import type { FileKind } from "./stat.ts";

const SYS_GETDENTS64 = isX64 ? 217 : 61;
const getdents64Call = syscall(["int", "uintptr_t", "size_t"]);

export interface DirectoryEntry {
  /** As text where it is UTF-8, as bytes where it is not. */
  readonly name: PathLike;
  /** "unknown" where the file system does not say: stat() does. */
  readonly kind: FileKind | "unknown";
}

// struct linux_dirent64: ino u64 0 | off i64 8 | record bytes u16 16 | type u8 18 | name, and a NUL, 19
const direntBytes = 32 * 1024;
let dirents: Scratch | undefined;
const kindByType: Readonly<Record<number, FileKind | "unknown">> = {
  0: "unknown",
  4: "directory",
  8: "file",
  10: "symlink",
};

/**
 * The next entries of an open directory, without "." and "..", in the file system's order: none at the end, -errno
 * where it fails. At most what fits `maxBytes` of the kernel's records (up to 32 KiB; a record has 24 bytes and the
 * name). seek(fd, 0, SEEK_SET) starts again.
 */
export function readDirectoryBatch(fd: number, maxBytes: number = direntBytes): DirectoryEntry[] | number {
  dirents ??= scratch(direntBytes);
  const { address, bytes, view } = dirents;
  for (;;) {
    const end = outcome(getdents64Call(SYS_GETDENTS64, fd, address, Math.min(maxBytes, direntBytes)));
    if (end < 0) return end;
    const entries: DirectoryEntry[] = [];
    for (let at = 0; at < end; at += view.getUint16(at + 16, true)) {
      const start = at + 19;
      const name = pathFrom(bytes, start, bytes.indexOf(0, start));
      if (name === "." || name === "..") continue;
      entries.push({ name, kind: kindByType[bytes[at + 18]!] ?? "other" });
    }
    // A batch of nothing but "." and ".." is not the end.
    if (entries.length > 0 || end === 0) return entries;
  }
}

/** An entry as the kernel has it: for whoever goes on from any of them. */
export interface DirectoryRecord {
  readonly name: Uint8Array;
  readonly kind: FileKind | "unknown";
  readonly inodeLow: number;
  readonly inodeHigh: number;
  /** What brings seekCookie() behind it. */
  readonly cookieLow: number;
  readonly cookieHigh: number;
}

const DOT = 0x2e;

/** As readDirectoryBatch(), with what goes on from each. */
export function readDirectoryRecords(fd: number, maxBytes: number): DirectoryRecord[] | number {
  dirents ??= scratch(direntBytes);
  const { address, bytes, view } = dirents;
  for (;;) {
    const end = outcome(getdents64Call(SYS_GETDENTS64, fd, address, Math.min(maxBytes, direntBytes)));
    if (end < 0) return end;
    const records: DirectoryRecord[] = [];
    for (let at = 0; at < end; at += view.getUint16(at + 16, true)) {
      const start = at + 19;
      const name = bytes.slice(start, bytes.indexOf(0, start));
      if (name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT))) continue;
      records.push({
        name,
        kind: kindByType[bytes[at + 18]!] ?? "other",
        inodeLow: view.getUint32(at, true),
        inodeHigh: view.getUint32(at + 4, true),
        cookieLow: view.getUint32(at + 8, true),
        cookieHigh: view.getUint32(at + 12, true),
      });
    }
    if (records.length > 0 || end === 0) return records;
  }
}

/**
 * All entries of an open directory from where it stands, or -errno; -EOVERFLOW where there are more than `maxEntries`.
 */
export function readDirectory(
  fd: number,
  maxEntries: number = Number.POSITIVE_INFINITY,
): DirectoryEntry[] | number {
  const all: DirectoryEntry[] = [];
  for (;;) {
    const batch = readDirectoryBatch(fd);
    if (typeof batch === "number") return batch;
    if (batch.length === 0) return all;
    for (const entry of batch) all.push(entry);
    if (all.length > maxEntries) return -Errno.EOVERFLOW;
  }
}
