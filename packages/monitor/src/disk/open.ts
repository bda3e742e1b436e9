// Opening regular files, and nothing else: opening a fifo or a device may mean something to others, a folder is for
// ReadDir.
//
// What a name leads to is looked at before (opened as a name only) and after, because the name may have changed hands.
// So a file is cut to nothing only after it has been looked at: TRUNCATE does not go to the kernel. NON_BLOCKING, so
// that neither a fifo nor a lease could hold a worker.
//
// A file that has two names may have one of them below a root that the same guest may only read, and a write would
// change it there: below roots that share a file system with such a root, what is changed has one name ("links"), and
// has had no more since it was opened (held.ts).

import {
  closeFd,
  Errno,
  type FileStat,
  fstat,
  OpenFlags,
  openat2,
  type PathLike,
  truncate,
} from "@ringway/linux";
import { fileReadsAtOnce, systemReadsAtOnce } from "./file-systems.ts";
import {
  type Failed,
  failed,
  type Landing,
  makeBelow,
  notOpened,
  type Place,
  refused,
  served,
} from "./judgement.ts";
import { withName, withOpening } from "./landing.ts";
import type { Guard, TreeRoot } from "./tree.ts";

export interface OpenedFile {
  readonly fd: number;
  readonly found: FileStat;
  /** How many names it had before it was opened, or has now: the more of them. */
  readonly links: number;
  /** The index of the root that it landed below, and who decides over it. */
  readonly root: number;
  readonly guard: Guard;
  /** What is cached of it may be read without a worker (file-systems.ts). */
  readonly readsAtOnce: boolean;
}

const { CREATE, EXCLUSIVE, NON_BLOCKING, NO_CONTROLLING_TERMINAL, NO_FOLLOW, PATH } = OpenFlags;
const { READ_WRITE, TRUNCATE, WRITE_ONLY } = OpenFlags;

/** With `exact` the guard is right, also where nothing is to be changed. NO_FOLLOW: a link at the end is ELOOP. */
export function open(place: Place, flags: number, mode: number, exact?: boolean): OpenedFile | Failed {
  const write = (flags & (WRITE_ONLY | READ_WRITE)) !== 0;
  // As open(2): whatever has that name, it is not to be made.
  const asFolder = place.asFolder && place.path !== ".";
  if (asFolder && (flags & CREATE) !== 0) return withName(place, write, () => failed(Errno.EISDIR));
  const follow = (flags & (EXCLUSIVE | NO_FOLLOW)) === 0;
  return withOpening(place, follow, write, (landing) => openAt(landing, flags, mode, write), exact);
}

function openAt(landing: Landing, flags: number, mode: number, write: boolean): OpenedFile | Failed | "link" {
  const { folder, root } = landing;
  const name = kernelName(landing);
  let links = 0;
  if ((flags & EXCLUSIVE) === 0) {
    const seen = landing.fd >= 0 ? landing.fd : openat2(folder, name, PATH, 0, root.resolve);
    if (seen === -Errno.ELOOP) return "link";
    // Where nothing is seen, opening says why, or makes it.
    if (seen >= 0) {
      const wrong = unfit(landing, seen, write);
      if (seen !== landing.fd) closeFd(seen);
      if ("errno" in wrong) return wrong;
      links = wrong.links;
    }
  }
  const how = (flags & ~TRUNCATE) | NON_BLOCKING | NO_CONTROLLING_TERMINAL;
  const opening = (): number => openat2(folder, name, how, mode, root.resolve);
  const fd = (flags & CREATE) === 0 ? opening() : makeBelow(root, opening);
  if (fd === -Errno.ELOOP) return "link";
  if (fd < 0) return fd === -Errno.ENXIO ? failed(Errno.EACCES) : notOpened(fd);
  let found = unfit(landing, fd, write);
  if (!("errno" in found) && (flags & TRUNCATE) !== 0) {
    const cut = truncate(fd, 0);
    const after = cut < 0 ? cut : fstat(fd);
    found = typeof after === "number" ? failed(-after) : after;
  }
  if (!("errno" in found)) {
    const { guard } = landing;
    const readsAtOnce = mayReadAtOnce(root, fd, flags);
    return { fd, found, links: Math.max(links, found.links), root: root.index, guard, readsAtOnce };
  }
  closeFd(fd);
  return found;
}

/** Its root's file system was looked at when the policy came into force; another, just now (served()). */
function mayReadAtOnce(root: TreeRoot, fd: number, flags: number): boolean {
  const systemDoes = root.crossMounts ? systemReadsAtOnce(fd) : root.readsAtOnce;
  return systemDoes && fileReadsAtOnce(fd, flags);
}

/** What a descriptor is; or why a guest may not open it. */
export function unfit(landing: Landing, fd: number, write: boolean): FileStat | Failed {
  const found = fstat(fd);
  if (typeof found === "number") return failed(-found);
  const wrong = served(landing, fd, found);
  if (wrong !== undefined) return wrong;
  if (found.kind === "directory") return failed(Errno.EISDIR);
  if (found.kind !== "file") return refusedKind("is no regular file");
  return (write ? severalNames(landing, found) : undefined) ?? found;
}

export function refusedKind(why: string): Failed {
  return refused(Errno.EACCES, "kind", why);
}

/** May what this is be changed, although it may have a name below a root that is read-only? */
export function severalNames({ root }: Landing, { kind, links }: FileStat): Failed | undefined {
  if (kind !== "file" || links <= 1 || !root.sharesReadOnly) return undefined;
  const why = `has ${links} names, and one of them may lie below a folder that is read-only`;
  return refused(Errno.EACCES, "links", why);
}

/** A name for the kernel: with the slash that the guest's path ended in, for the kernel to judge. */
export function kernelName({ name, asFolder }: Landing): PathLike {
  if (!asFolder || name === ".") return name;
  return typeof name === "string" ? `${name}/` : Buffer.concat([name, Buffer.from("/")]);
}
