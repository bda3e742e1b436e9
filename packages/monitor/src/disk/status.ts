// What a guest is told of a file.

import { FileKind, fsMessages, PERMISSION_BITS, type StatReply } from "@ringway/control";
import type { FileStat, FileSystemStat } from "@ringway/linux";

/** A time since 1970: nanoseconds are never negative. */
export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** What the wire can carry (FRM-5). A file of 2^53 bytes needs no disk: a file system may have one with a hole. */
export function clamp(value: number): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(value, Number.MAX_SAFE_INTEGER));
}

function clampTime({ seconds, nanoseconds }: Time): Time {
  return { seconds: clamp(seconds), nanoseconds };
}

/** StatfsReply, encoded. */
export function capacityOf(found: FileSystemStat): Uint8Array {
  const { blockBytes, blocks, blocksFree, blocksAvailable, files, filesFree, nameMax: nameMaxBytes } = found;
  const sizes = { blocks, blocksFree, blocksAvailable, files, filesFree };
  for (const [name, value] of Object.entries(sizes)) sizes[name as keyof typeof sizes] = clamp(value);
  return fsMessages.StatfsReply.encode({
    ...sizes,
    blockBytes: Math.min(blockBytes, 0xffffffff),
    nameMaxBytes,
  });
}

export const KINDS: Readonly<Record<FileStat["kind"], number>> = {
  file: FileKind.FILE,
  directory: FileKind.DIRECTORY,
  symlink: FileKind.SYMLINK,
  other: FileKind.OTHER,
};

export function statReply(found: FileStat): StatReply {
  const { mode, links, uid, gid, inode } = found;
  return {
    kind: KINDS[found.kind],
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
