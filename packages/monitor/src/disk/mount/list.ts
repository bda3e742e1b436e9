// A folder in pieces of a frame, from any entry on (MNT-14). Names are bytes, of whatever coding.
//
// The folder stands where the last batch ended, so one that is read in order is never looked for: only what a frame had
// no room for, or what a guest goes back to, costs a seek.

import { mountMessages } from "@ringway/control";
import {
  closeFd,
  type DirectoryRecord,
  Errno,
  type FileStat,
  fstat,
  OpenFlags,
  openat2,
  readDirectoryRecords,
  seekCookie,
  stat,
} from "@ringway/linux";
import { begin, type Start } from "../held.ts";
import { type Failed, failed, type Place, served } from "../judgement.ts";
import { withObject } from "../landing.ts";
import { lookedUp } from "../lookups.ts";
import { KINDS } from "../status.ts";
import { nodeAt, type TreeNode } from "../tree.ts";
import { attributesOf, type Told } from "./attributes.ts";

/** Of an entry beside its name: in MountNames, and in MountEntries. */
const NAME_BYTES = 24;
const ENTRY_BYTES = 108;
/** The kernel's record of the shortest name, and of the longest. */
const RECORD_BYTES_MIN = 24;
const RECORD_BYTES_MAX = 280;

export interface Listing {
  readonly cookieLow: number;
  readonly cookieHigh: number;
  /** At the most. */
  readonly entries: number;
  /** Room for them. */
  readonly bytes: number;
  /** With what they name. */
  readonly plus: boolean;
}

/** Of the folder that a place is held by. */
export function list(place: Place, { cookieLow, cookieHigh, entries, bytes, plus }: Listing): Told {
  const start = begin(place, false);
  if ("errno" in start) return start;
  const { fd, guest } = place.from!;
  const sought = seekCookie(fd, cookieLow, cookieHigh);
  if (sought < 0) return failed(-sought);
  const own = plus ? ENTRY_BYTES : NAME_BYTES;
  // What the kernel gives for so many bytes of ours.
  const room = Math.floor((Math.min(bytes, entries * (own + 255)) * RECORD_BYTES_MIN) / (own + 1));
  for (;;) {
    const batch = readDirectoryRecords(fd, Math.max(room, RECORD_BYTES_MAX));
    if (typeof batch === "number") return failed(-batch);
    const taken = fitting(batch, entries, bytes, own);
    lookedUp(plus ? taken.length : taken.length / 8);
    if (!plus) {
      const names = taken.map(({ kind, ...entry }) => ({
        ...entry,
        kind: kind === "unknown" ? 0 : KINDS[kind],
      }));
      return { errno: 0, data: mountMessages.MountNames.encode({ entries: names }) };
    }
    const found = described(start, fd, nodeAt(start.tree, guest), taken);
    if (found.length > 0 || batch.length === 0) {
      return { errno: 0, data: mountMessages.MountEntries.encode({ entries: found }) };
    }
    // All that was taken is gone by now. What was read behind it was not looked at yet.
    const last = taken.at(-1);
    if (taken.length === batch.length || last === undefined) continue;
    const back = seekCookie(fd, last.cookieLow, last.cookieHigh);
    if (back < 0) return failed(-back);
  }
}

function fitting(batch: DirectoryRecord[], entries: number, bytes: number, own: number): DirectoryRecord[] {
  const taken: DirectoryRecord[] = [];
  let left = bytes;
  for (const record of batch) {
    left -= own + record.name.length;
    if (left < 0 || taken.length === entries) break;
    taken.push(record);
  }
  return taken;
}

const NO_TIME = { seconds: 0, nanoseconds: 0 };
/** What a guest may not know of, but for its name. */
export const UNKNOWN: mountMessages.Attributes = {
  ...{ kind: 0, mode: 0, links: 0, uid: 0, gid: 0, device: 0, inodeLow: 0, inodeHigh: 0, size: 0, blocks: 0 },
  ...{ accessed: NO_TIME, modified: NO_TIME, changed: NO_TIME, created: NO_TIME },
};

function described(
  start: Start,
  folder: number,
  node: TreeNode | undefined,
  records: readonly DirectoryRecord[],
): mountMessages.MountEntry[] {
  const own = fstat(folder);
  const mount = typeof own === "number" ? 0 : own.mount;
  const entries: mountMessages.MountEntry[] = [];
  for (const { name, cookieLow, cookieHigh } of records) {
    // A root of the guest's tree is that, whatever lies there on the host.
    const root = node?.children.get(Buffer.from(name).toString())?.root;
    const found = root === undefined ? stat(folder, name, false) : fstat(root.fd);
    if (typeof found === "number" && found === -Errno.ENOENT) continue;
    const known =
      typeof found !== "number" &&
      (root !== undefined || found.mount === mount || crossed(start, folder, name, found));
    const attributes = known ? attributesOf(found as FileStat) : UNKNOWN;
    entries.push({ ...attributes, cookieLow, cookieHigh, name });
  }
  return entries;
}

/** May it be reached, although another mount is there? */
function crossed({ root, tree }: Start, folder: number, name: Uint8Array, found: FileStat): boolean {
  if (!root.crossMounts) return false;
  const { PATH, NO_FOLLOW } = OpenFlags;
  const fd = openat2(folder, name, PATH | NO_FOLLOW, 0, root.resolve);
  if (fd < 0) return false;
  const wrong = served({ root, tree }, fd, found);
  closeFd(fd);
  return wrong === undefined;
}

/** What each of them is; nothing where that cannot be had. */
export function describe(places: readonly Place[]): readonly (mountMessages.Attributes | undefined)[] {
  return places.map((place) => {
    const found = withObject<Failed | FileStat | number>(place, true, false, ({ fd }) => fstat(fd));
    return typeof found === "number" || "errno" in found ? undefined : attributesOf(found);
  });
}
