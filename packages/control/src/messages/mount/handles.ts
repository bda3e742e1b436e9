// mount: what is asked of handles (PROTOCOL.md section 19), and the bodies of Open and Opened. Each request is answered
// by the reply named beside it, or Error, in any order.

import { type Body, body, bool, type Message, message, rest, u32, u64 } from "../../wire.ts";
import { type Attributes, attributes, path } from "./fields.ts";

/** Body of Open: the folder that becomes the mount's root, absolute. */
export interface MountRequest {
  readonly path: Uint8Array;
}
export const MountRequest: Body<MountRequest> = body({ path });
/** Body of Opened: how many handles and requests at once, and the root as it is. */
export interface MountReply extends Attributes {
  readonly handles: number;
  readonly requests: number;
}
export const MountReply: Body<MountReply> = body({ handles: u32, requests: u32, ...attributes });

// ── Handles ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Bits of MountOpen.flags; any other bit is EINVAL (MNT-7). */
export const MountFlags = {
  READ: 1,
  WRITE: 2,
  CREATE: 4,
  EXCLUSIVE: 8,
  TRUNCATE: 32,
  NO_FOLLOW: 64,
  FOLDER: 128,
} as const;
/** MountHandle. */
export interface MountOpen {
  readonly at: number;
  readonly flags: number;
  readonly mode: number;
  readonly path: Uint8Array;
}
export const MountOpen: Message<MountOpen> = message(0x0a01, "MountOpen", {
  at: u32,
  flags: u32,
  mode: u32,
  path,
});
export interface MountHandle extends Attributes {
  readonly handle: number;
}
export const MountHandle: Message<MountHandle> = message(0x8a01, "MountHandle", {
  handle: u32,
  ...attributes,
});

/** A request about a handle alone. */
export interface HandleRequest {
  readonly handle: number;
}
/** Done, after every request with this handle before it. */
export const MountRelease: Message<HandleRequest> = message(0x0a02, "MountRelease", { handle: u32 });

/** Data; fewer bytes only at the end of the file. */
export interface MountRead {
  readonly handle: number;
  readonly offset: number;
  readonly bytes: number;
}
export const MountRead: Message<MountRead> = message(0x0a03, "MountRead", {
  handle: u32,
  offset: u64,
  bytes: u32,
});

/** Bit of MountWrite.flags: at the end of the file; offset is 0. */
export const MOUNT_WRITE_APPEND = 1;
/** Written. */
export interface MountWrite {
  readonly handle: number;
  readonly flags: number;
  readonly offset: number;
  readonly data: Uint8Array;
}
export const MountWrite: Message<MountWrite> = message(0x0a04, "MountWrite", {
  ...{ handle: u32, flags: u32, offset: u64, data: rest },
});

/** Done. What close(2) would tell. */
export const MountFlush: Message<HandleRequest> = message(0x0a05, "MountFlush", { handle: u32 });
/** Done. */
export interface MountFsync {
  readonly handle: number;
  readonly dataOnly: boolean;
}
export const MountFsync: Message<MountFsync> = message(0x0a06, "MountFsync", { handle: u32, dataOnly: bool });

/** Modes of MountFallocate, those of fallocate(2). */
export const MountFallocateMode = {
  ALLOCATE: 0,
  ALLOCATE_KEEP_SIZE: 1,
  PUNCH_HOLE: 3,
  ZERO: 16,
  ZERO_KEEP_SIZE: 17,
} as const;
/** Done. */
export interface MountFallocate {
  readonly handle: number;
  readonly mode: number;
  readonly offset: number;
  readonly bytes: number;
}
export const MountFallocate: Message<MountFallocate> = message(0x0a07, "MountFallocate", {
  ...{ handle: u32, mode: u32, offset: u64, bytes: u64 },
});

/** Written; none only at the end of `from`. */
export interface MountCopyRange {
  readonly from: number;
  readonly to: number;
  readonly fromOffset: number;
  readonly toOffset: number;
  readonly bytes: number;
}
export const MountCopyRange: Message<MountCopyRange> = message(0x0a08, "MountCopyRange", {
  ...{ from: u32, to: u32, fromOffset: u64, toOffset: u64, bytes: u64 },
});

/** What MountSeek looks for. */
export const MountWhence = { DATA: 3, HOLE: 4 } as const;
/** Position. */
export interface MountSeek {
  readonly handle: number;
  readonly whence: number;
  readonly offset: number;
}
export const MountSeek: Message<MountSeek> = message(0x0a09, "MountSeek", {
  handle: u32,
  whence: u32,
  offset: u64,
});

export const MountLockKind = { NONE: 0, SHARED: 1, EXCLUSIVE: 2 } as const;
/** A range of bytes; of 0 bytes: to the end, however far. */
export interface MountTestLock {
  readonly handle: number;
  /** A MountLockKind. */
  readonly kind: number;
  readonly start: number;
  readonly bytes: number;
}
/** Done; with `wait`, when no other lock is in the way. Kind NONE unlocks. */
export interface MountLock extends MountTestLock {
  readonly wait: boolean;
}
export const MountLock: Message<MountLock> = message(0x0a0a, "MountLock", {
  ...{ handle: u32, kind: u32, wait: bool, start: u64, bytes: u64 },
});
/** MountLockFound. */
export const MountTestLock: Message<MountTestLock> = message(0x0a0b, "MountTestLock", {
  ...{ handle: u32, kind: u32, start: u64, bytes: u64 },
});
/** A lock that would be in the way; of kind NONE: none. */
export type MountLockFound = Omit<MountTestLock, "handle">;
export const MountLockFound: Message<MountLockFound> = message(0x8a0b, "MountLockFound", {
  ...{ kind: u32, start: u64, bytes: u64 },
});

/** Done. The request with this id, where it still waits, is answered with ECANCELED. */
export interface MountCancel {
  readonly id: number;
}
export const MountCancel: Message<MountCancel> = message(0x0a20, "MountCancel", { id: u32 });
