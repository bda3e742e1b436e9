// Where a guest's path lands on the host: found here, judged here, and what the operation then works on is a descriptor
// of that very place. Nothing is done by a path that was judged before, so whoever renames what meanwhile can at most
// make an operation land elsewhere within the same judgement.
//
// The guest sees one tree: roots at their guest paths, symbolic links as it would resolve them itself: an absolute one
// begins at the guest's own "/". Three things hold for each operation:
//
//   1. It lands below a root: nothing leaves them all ("beneath"), no mount is crossed unless the root's rule says so,
//      and none of the kernel's own file systems is reached ("mounts").
//   2. What changes something is allowed by the rule of the path that the guest named (the reactor has seen to that),
//      by the rule whose root it lands below, and by the deepest root on the way there on the host, known by device and
//      inode: the guard.
//   3. No root of the host's, and no folder that has one inside, is moved or removed (names.ts).
//
// A path without symbolic links lands below the root that its text says, so the kernel takes it there in one step
// (RESOLVE_BENEATH, NO_SYMLINKS, NO_XDEV), unless its rule says crossMounts, or something is to be changed below a root
// that may have others inside (roots.ts), or folders are to be made on the way. All else is walked, one component at a
// time (walk.ts).

import { closeFd, Errno, OpenFlags, openat2 } from "@ringway/linux";
import { begin, type Start } from "./held.ts";
import { type Failed, failed, type Landing, mayChange, notOpened, type Place } from "./judgement.ts";
import { lookedUpAtOnce } from "./lookups.ts";
import { cutLast } from "./paths.ts";
import type { TreeRoot } from "./tree.ts";
import { type End, Way } from "./walk.ts";

const { PATH, NO_FOLLOW, DIRECTORY } = OpenFlags;

type Use<R> = (landing: Landing) => R;

/**
 * Uses the thing that a place names: landing.fd. `follow`: also where a symbolic link at the end leads; `write`: it, or
 * its contents, will be changed.
 */
export function withObject<R>(place: Place, follow: boolean, write: boolean, use: Use<R>): R | Failed {
  const start = begin(place, write);
  if ("errno" in start) return start;
  const { root, folder } = start;
  const { path: name, asFolder, from } = place;
  if (from !== undefined && name === ".") {
    if (asFolder && !from.isFolder) return failed(Errno.ENOTDIR);
    return judged({ ...start, name, fd: from.fd, asFolder }, write, use);
  }
  if (!mustWalk(root, write)) {
    const flags = PATH | (follow || asFolder ? 0 : NO_FOLLOW) | (asFolder ? DIRECTORY : 0);
    lookedUpAtOnce(name);
    const fd = openat2(folder, name, flags, 0, root.resolve);
    if (fd >= 0) {
      try {
        return judged({ ...start, name, fd, asFolder }, write, use);
      } finally {
        closeFd(fd);
      }
    }
    if (fd !== -Errno.ELOOP) return notOpened(fd);
  }
  const end: End = follow || place.asFolder ? "follow" : "open";
  return walk(place, start, end, write, thatIsThere(use));
}

/**
 * Uses the folder that a place names, or whatever is in its stead; it, and those on the way to it, are made where they
 * are not there.
 */
export function withFolders<R>(place: Place, mode: number, use: Use<R>): R | Failed {
  const start = begin(place, true);
  return "errno" in start ? start : walk(place, start, "follow", false, thatIsThere(use), mode);
}

function thatIsThere<R>(use: Use<R>): Use<R | Failed> {
  return (landing) => (landing.fd < 0 ? failed(Errno.ENOENT) : use(landing));
}

/** Uses the folder that holds the last name of a place, and that name, which need not be there, and is not followed. */
export function withName<R>(place: Place, write: boolean, use: Use<R>): R | Failed {
  const start = begin(place, write);
  if ("errno" in start) return start;
  const { root } = start;
  const { asFolder } = place;
  if (!mustWalk(root, write)) {
    lookedUpAtOnce(place.path);
    const [above, name] = cutLast(place.path);
    const folder = openat2(start.folder, above, PATH | DIRECTORY, 0, root.resolve);
    if (folder >= 0) {
      try {
        return judged({ ...start, folder, name, fd: -1, asFolder }, write, use);
      } finally {
        closeFd(folder);
      }
    }
    if (folder !== -Errno.ELOOP) return notOpened(folder);
  }
  return walk(place, start, "name", write, use);
}

/**
 * Uses a place whose last name may be made, and is followed where it is a symbolic link: by the kernel's guard from the
 * root, or after a walk from the last folder. `use` says "link" where a symbolic link was in its way after all.
 * `exact`: the guard is that of the very folder, also where nothing is to be changed.
 */
export function withOpening<R>(
  place: Place,
  follow: boolean,
  write: boolean,
  use: Use<R | "link">,
  exact: boolean = write,
): R | Failed {
  const start = begin(place, write);
  if ("errno" in start) return start;
  const { root } = start;
  if (!mustWalk(root, exact)) {
    const landing = { ...start, name: place.path, fd: -1, asFolder: place.asFolder };
    const refusal = write ? mayChange(landing) : undefined;
    if (refusal !== undefined) return refusal;
    lookedUpAtOnce(place.path);
    const result = use(landing);
    if (result !== "link") return result;
  }
  // A name that becomes a link between the walk and the opening is walked again, a few times.
  for (let attempt = 0; attempt < 4; attempt++) {
    const result = walk(place, start, follow ? "follow" : "name", write, use);
    if (result !== "link") return result;
  }
  return failed(Errno.ELOOP);
}

function judged<R>(landing: Landing, write: boolean, use: Use<R>): R | Failed {
  return (write ? mayChange(landing) : undefined) ?? use(landing);
}

function mustWalk(root: TreeRoot, write: boolean): boolean {
  return root.crossMounts || (write && root.access === "rw" && root.holdsOthers);
}

function walk<R>(
  place: Place,
  start: Start,
  end: End,
  write: boolean,
  use: Use<R>,
  makeMode = -1,
): R | Failed {
  const way = new Way(start.tree, place, end, makeMode);
  try {
    const wrong = place.from === undefined ? undefined : way.beginIn(start, place.from.guest);
    if (wrong !== undefined) return wrong;
    const landing = way.find();
    if ("errno" in landing) return landing;
    return judged(landing, write, use);
  } finally {
    way.close();
  }
}
