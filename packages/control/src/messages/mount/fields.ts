// mount: what several of its messages are made of (PROTOCOL.md section 19).
//
// Paths, names and targets are bytes. `at` and `path`: relative to a folder's handle, or to the mount's root (0); an
// empty path is what `at` stands for (MNT-2).

import { NAME_MAX_BYTES, PATH_MAX_BYTES } from "../../limits.ts";
import { bytes, type Field, u32, u64 } from "../../wire.ts";
import { type Timestamp, timestamp } from "../common.ts";

export const path: Field<Uint8Array> = bytes(PATH_MAX_BYTES);
export const name: Field<Uint8Array> = bytes(NAME_MAX_BYTES);

/** What statx(2) tells (MNT-5). Device and both inode words together tell files apart, and say nothing else. */
export interface Attributes {
  /** A FileKind; 0 where an entry's is not known. */
  readonly kind: number;
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly device: number;
  readonly inodeLow: number;
  readonly inodeHigh: number;
  readonly size: number;
  readonly blocks: number;
  readonly accessed: Timestamp;
  readonly modified: Timestamp;
  readonly changed: Timestamp;
  /** All 0 where the host does not know it. */
  readonly created: Timestamp;
}
export const attributes: { readonly [K in keyof Attributes]: Field<Attributes[K]> } = {
  ...{ kind: u32, mode: u32, links: u32, uid: u32, gid: u32, device: u32, inodeLow: u32, inodeHigh: u32 },
  ...{
    size: u64,
    blocks: u64,
    accessed: timestamp,
    modified: timestamp,
    changed: timestamp,
    created: timestamp,
  },
};
