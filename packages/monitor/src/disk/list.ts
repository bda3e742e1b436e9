// Listing a folder in frames of bounded size: it stays open between them. Names that are not UTF-8, or longer than a
// guest could use, are counted and left out.

import { FileKind, fsMessages } from "@ringway/control";
import {
  closeFd,
  type DirectoryEntry,
  Errno,
  OpenFlags,
  openat2,
  readDirectoryBatch,
  stat,
} from "@ringway/linux";
import { type Failed, failed, notOpened, type Place, served } from "./judgement.ts";
import { withOpening } from "./landing.ts";
import { kernelName } from "./open.ts";
import { KINDS } from "./status.ts";

export interface Listing extends Failed {
  /** The payload of Entries. */
  readonly data?: Uint8Array;
  /** Descriptor of a folder that has more entries. */
  readonly folder?: number;
}

interface NextEntries extends Failed {
  readonly entries?: readonly fsMessages.Entry[];
  readonly skipped?: number;
  readonly folder?: number;
}

/** The longest name that a guest can be told of, and could use (FILE-1). */
const NAME_MAX_BYTES = 255;

/** Begins a listing: entries that fit `bytes` of an Entries frame, and the folder where there are more. */
export function list(place: Place, bytes: number): Listing {
  return withOpening<Listing>(place, true, false, (landing) => {
    const { READ_ONLY, DIRECTORY } = OpenFlags;
    const folder = openat2(
      landing.folder,
      kernelName(landing),
      READ_ONLY | DIRECTORY,
      0,
      landing.root.resolve,
    );
    if (folder === -Errno.ELOOP) return "link";
    if (folder < 0) return notOpened(folder);
    const wrong = served(landing, folder);
    if (wrong === undefined) return listMore(folder, bytes);
    closeFd(folder);
    return wrong;
  });
}

/** Goes on; closes the folder at the end, and where it fails. */
export function listMore(folder: number, bytes: number): Listing {
  const { errno, entries = [], skipped = 0, folder: more } = nextEntries(folder, bytes);
  if (errno !== 0) return failed(errno);
  // Encoded here: hundreds of objects would cost the reactor ten times as much as their bytes.
  const data = fsMessages.Entries.encode({ more: more !== undefined, skipped, entries });
  return more === undefined ? { errno: 0, data } : { errno: 0, data, folder: more };
}

/** As listMore(), before it is encoded. */
export function nextEntries(folder: number, bytes: number): NextEntries {
  const entries: { kind: number; name: string }[] = [];
  let skipped = 0;
  for (let left = bytes; ; ) {
    const batch = readDirectoryBatch(folder, left);
    // What is left is too little for the next record.
    if (batch === -Errno.EINVAL && left < bytes) return { errno: 0, entries, skipped, folder };
    if (typeof batch === "number" || batch.length === 0) {
      closeFd(folder);
      return typeof batch === "number" ? failed(-batch) : { errno: 0, entries, skipped };
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
  if (kind !== "unknown") return KINDS[kind];
  const found = stat(directory, name, false);
  return typeof found === "number" ? FileKind.OTHER : KINDS[found.kind];
}
