// mount: what is asked of names (PROTOCOL.md section 19): attributes, folders, extended attributes, watches.

import { bool, list, type Message, message, rest, struct, u32, u64 } from "../../wire.ts";
import { type Timestamp, timestamp } from "../common.ts";
import { type Attributes, attributes, name, path } from "./fields.ts";

/** A request about one name. */
export interface AtRequest {
  readonly at: number;
  readonly path: Uint8Array;
}
/** The same, of what a symlink at the end leads to, or of the symlink. */
export interface FollowRequest extends AtRequest {
  readonly follow: boolean;
}
/** MountAttributes. */
export const MountStat: Message<FollowRequest> = message(0x0a0c, "MountStat", {
  at: u32,
  follow: bool,
  path,
});
export const MountAttributes: Message<Attributes> = message(0x8a0c, "MountAttributes", attributes);

/** Bits of MountSetAttr.valid: the fields that count, or the time of now in their place (MNT-13). */
export const MountValid = {
  MODE: 1,
  UID: 2,
  GID: 4,
  SIZE: 8,
  ACCESSED: 16,
  MODIFIED: 32,
  ACCESSED_NOW: 64,
  MODIFIED_NOW: 128,
} as const;
/** MountAttributes. */
export interface MountSetAttr extends FollowRequest {
  readonly valid: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly accessed: Timestamp;
  readonly modified: Timestamp;
}
export const MountSetAttr: Message<MountSetAttr> = message(0x0a0d, "MountSetAttr", {
  ...{ at: u32, follow: bool, valid: u32, mode: u32, uid: u32, gid: u32, size: u64 },
  ...{ accessed: timestamp, modified: timestamp, path },
});

/** From the beginning with cookie 0, 0; else behind the entry that came with it. At most so many entries. */
export interface MountReadDir {
  readonly handle: number;
  readonly cookieLow: number;
  readonly cookieHigh: number;
  readonly entries: number;
}
const readDir = { handle: u32, cookieLow: u32, cookieHigh: u32, entries: u32 };
/** MountNames. */
export const MountReadDir: Message<MountReadDir> = message(0x0a0e, "MountReadDir", readDir);
/** MountEntries. */
export const MountReadDirPlus: Message<MountReadDir> = message(0x0a0f, "MountReadDirPlus", readDir);

/** One name of a folder. */
export interface MountName {
  readonly cookieLow: number;
  readonly cookieHigh: number;
  /** A FileKind; 0 where it is not known. */
  readonly kind: number;
  readonly inodeLow: number;
  readonly inodeHigh: number;
  readonly name: Uint8Array;
}
/** None: the end. */
export interface MountNames {
  readonly entries: readonly MountName[];
}
export const MountNames: Message<MountNames> = message(0x8a0e, "MountNames", {
  entries: list(
    struct<MountName>({ cookieLow: u32, cookieHigh: u32, kind: u32, inodeLow: u32, inodeHigh: u32, name }),
  ),
});
/** One name of a folder, and what it names. */
export interface MountEntry extends Attributes {
  readonly cookieLow: number;
  readonly cookieHigh: number;
  readonly name: Uint8Array;
}
/** None: the end. */
export interface MountEntries {
  readonly entries: readonly MountEntry[];
}
export const MountEntries: Message<MountEntries> = message(0x8a0f, "MountEntries", {
  entries: list(struct<MountEntry>({ cookieLow: u32, cookieHigh: u32, ...attributes, name })),
});

/** MountAttributes: of the new folder, or of the new file. */
export interface MakeRequest extends AtRequest {
  readonly mode: number;
}
export const MountMkdir: Message<MakeRequest> = message(0x0a10, "MountMkdir", { at: u32, mode: u32, path });
export const MountMknod: Message<MakeRequest> = message(0x0a11, "MountMknod", { at: u32, mode: u32, path });
/** MountAttributes. */
export interface MountSymlink extends AtRequest {
  readonly target: Uint8Array;
}
export const MountSymlink: Message<MountSymlink> = message(0x0a12, "MountSymlink", {
  at: u32,
  target: path,
  path,
});
/** MountAttributes. */
export interface MountLink {
  readonly fromAt: number;
  readonly toAt: number;
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}
export const MountLink: Message<MountLink> = message(0x0a13, "MountLink", {
  fromAt: u32,
  toAt: u32,
  from: path,
  to: path,
});

/** Data: the target. */
export const MountReadlink: Message<AtRequest> = message(0x0a14, "MountReadlink", { at: u32, path });
/** Done. */
export const MountUnlink: Message<AtRequest> = message(0x0a15, "MountUnlink", { at: u32, path });
/** Done. */
export const MountRmdir: Message<AtRequest> = message(0x0a16, "MountRmdir", { at: u32, path });
/** Values of MountRename.flags beside 0. */
export const MountRenameFlags = { NO_REPLACE: 1, EXCHANGE: 2 } as const;
/** Done. */
export interface MountRename extends MountLink {
  readonly flags: number;
}
export const MountRename: Message<MountRename> = message(0x0a17, "MountRename", {
  ...{ fromAt: u32, toAt: u32, flags: u32, from: path, to: path },
});
/** StatfsReply. */
export const MountStatfs: Message<AtRequest> = message(0x0a18, "MountStatfs", { at: u32, path });

// ── Extended attributes ────────────────────────────────────────────────────────────────────────────────────────────

/** A request about one extended attribute. */
export interface XattrRequest extends FollowRequest {
  readonly name: Uint8Array;
}
/** Data: the value. */
export const MountGetXattr: Message<XattrRequest> = message(0x0a19, "MountGetXattr", {
  at: u32,
  follow: bool,
  name,
  path,
});
/** Values of MountSetXattr.flags beside 0. */
export const MountXattrFlags = { CREATE: 1, REPLACE: 2 } as const;
/** Done. */
export interface MountSetXattr extends XattrRequest {
  readonly flags: number;
  readonly value: Uint8Array;
}
export const MountSetXattr: Message<MountSetXattr> = message(0x0a1a, "MountSetXattr", {
  ...{ at: u32, follow: bool, flags: u32, name, path, value: rest },
});
/** MountXattrs. */
export const MountListXattr: Message<FollowRequest> = message(0x0a1b, "MountListXattr", {
  at: u32,
  follow: bool,
  path,
});
export interface MountXattrs {
  readonly names: readonly Uint8Array[];
}
export const MountXattrs: Message<MountXattrs> = message(0x8a1b, "MountXattrs", { names: list(name) });
/** Done. */
export const MountRemoveXattr: Message<XattrRequest> = message(0x0a1c, "MountRemoveXattr", {
  ...{ at: u32, follow: bool, name, path },
});

// ── Watches, and cancelling ────────────────────────────────────────────────────────────────────────────────────────

/** Bit of MountWatch.flags: of all folders below as well. */
export const MOUNT_WATCH_RECURSIVE = 1;
/** MountWatching. */
export interface MountWatch extends AtRequest {
  readonly flags: number;
}
export const MountWatch: Message<MountWatch> = message(0x0a1d, "MountWatch", { at: u32, flags: u32, path });
export interface MountWatching {
  readonly watch: number;
}
export const MountWatching: Message<MountWatching> = message(0x8a1d, "MountWatching", { watch: u32 });
/** Done. */
export const MountUnwatch: Message<MountWatching> = message(0x0a1e, "MountUnwatch", { watch: u32 });

/** Bits of MountEvent.events (MNT-21). */
export const MountEventBits = {
  CREATED: 1,
  REMOVED: 2,
  MODIFIED: 4,
  ATTRIBUTES: 8,
  MOVED_FROM: 16,
  MOVED_TO: 32,
  CLOSED: 64,
  FOLDER: 128,
  GONE: 256,
  OVERFLOW: 512,
} as const;
/** Request id 0. `cookie` joins MOVED_FROM and MOVED_TO; `path` is relative to what is watched. */
export interface MountEvent {
  readonly watch: number;
  readonly events: number;
  readonly cookie: number;
  readonly path: Uint8Array;
}
export const MountEvent: Message<MountEvent> = message(0x8a1f, "MountEvent", {
  ...{ watch: u32, events: u32, cookie: u32, path },
});
