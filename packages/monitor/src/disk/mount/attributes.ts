// What a mount tells of a file (MNT-5), and changes of it (MNT-13).

import { Errno, mountMessages, PERMISSION_BITS } from "@ringway/control";
import {
  AT_FDCWD,
  chownOpen,
  closeFd,
  type FileStat,
  fchmod,
  fstat,
  OpenFlags,
  type Owner,
  openat2,
  type SetTime,
  setTimes,
  truncate,
} from "@ringway/linux";
import { failed, type Place } from "../judgement.ts";
import { withObject } from "../landing.ts";
import { type Changed, modify } from "../names.ts";
import { clamp, KINDS, type Time } from "../status.ts";
import type { TreeRoot } from "../tree.ts";

const { MountAttributes } = mountMessages;

/** Odd, so no two devices become one, and 0 stays 0; nobody else's, or a guest could go back to the host's numbers. */
let deviceKey = 1;
export function setDeviceKey(key: number): void {
  deviceKey = key;
}

/** A number for a file system that says nothing of the host's devices. */
function deviceNumber({ deviceMajor, deviceMinor }: FileStat): number {
  return Math.imul((deviceMajor << 20) ^ deviceMinor, deviceKey) >>> 0;
}

const time = ({ seconds, nanoseconds }: Time): Time => ({ seconds: clamp(seconds), nanoseconds });

export function attributesOf(found: FileStat): mountMessages.Attributes {
  const { mode, links, uid, gid, inodeLow, inodeHigh } = found;
  return {
    kind: KINDS[found.kind],
    mode: mode & PERMISSION_BITS,
    links,
    uid,
    gid,
    device: deviceNumber(found),
    inodeLow,
    inodeHigh,
    size: clamp(found.size),
    blocks: clamp(found.blocks),
    accessed: time(found.accessed),
    modified: time(found.modified),
    changed: time(found.changed),
    created: time(found.created),
  };
}

/** A reply that is encoded already: hundreds of objects would cost the reactor more than their bytes. */
export interface Told extends Changed {
  readonly data?: Uint8Array;
}

export function tell(found: FileStat | number): Told {
  if (typeof found === "number") return failed(-found);
  return { errno: 0, data: MountAttributes.encode(attributesOf(found)) };
}

export function stat(place: Place, follow: boolean): Told {
  return withObject(place, follow, false, ({ fd }) => tell(fstat(fd)));
}

/** What is to be set; -1 and "keep" where it stays. */
export interface Changes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly accessed: SetTime;
  readonly modified: SetTime;
}

/** In the order of MNT-13; the first that fails is told. */
export function setAttributes(place: Place, follow: boolean, changes: Changes): Told {
  const changed = modify(place, (fd, found, { root }) => setAll(fd, found, changes, root), follow);
  return changed.errno === 0 ? stat(place, follow) : changed;
}

function setAll(fd: number, found: FileStat, changes: Changes, { owner }: TreeRoot): Changed {
  const { mode, uid, gid, size, accessed, modified } = changes;
  const isFolder = found.kind === "directory";
  let result = 0;
  if (size >= 0) {
    if (isFolder) return failed(Errno.EISDIR);
    result = found.kind === "file" ? cut(fd, size) : -Errno.EINVAL;
  }
  result ||= give(fd, found, { uid, gid }, owner);
  if (mode >= 0) result ||= fchmod(fd, isFolder ? (found.mode & 0o7000) | mode : mode);
  if (accessed !== "keep" || modified !== "keep") result ||= setTimes(fd, accessed, modified);
  return failed(-result);
}

/**
 * To whom the rule says, and nobody else: whose a file is otherwise, is the host's affair. One with several names may
 * be a file of the host's from elsewhere.
 */
function give(fd: number, found: FileStat, { uid, gid }: Owner, owner: Owner | undefined): number {
  const stays = (uid < 0 || uid === found.uid) && (gid < 0 || gid === found.gid);
  if (stays) return 0;
  const isOwners =
    (uid < 0 || uid === found.uid || uid === owner?.uid) &&
    (gid < 0 || gid === found.gid || gid === owner?.gid);
  if (!isOwners || (found.kind === "file" && found.links > 1)) return -Errno.EPERM;
  return chownOpen(fd, uid, gid);
}

/** Also of what is opened as a name only, and never waiting for a lease. */
function cut(fd: number, size: number): number {
  const { WRITE_ONLY, NON_BLOCKING, NO_CONTROLLING_TERMINAL } = OpenFlags;
  const flags = WRITE_ONLY | NON_BLOCKING | NO_CONTROLLING_TERMINAL;
  const open = openat2(AT_FDCWD, `/proc/self/fd/${fd}`, flags, 0, 0);
  if (open < 0) return open;
  const result = truncate(open, size);
  closeFd(open);
  return result;
}
