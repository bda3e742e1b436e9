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
import { type Failed, failed, type Landing, mayChange, notOpened, type Place } from "./judgement.ts";
import { lookedUpAtOnce } from "./lookups.ts";
import { type Tree, type TreeRoot, treeOf } from "./tree.ts";
import { type End, Way } from "./walk.ts";

const { PATH, NO_FOLLOW, DIRECTORY } = OpenFlags;

type Use<R> = (landing: Landing) => R;

/**
 * Uses the thing that a place names: landing.fd. `follow`: also where a symbolic link at the end leads; `write`: it, or
 * its contents, will be changed.
 */
export function withObject<R>(place: Place, follow: boolean, write: boolean, use: Use<R>): R | Failed {
  const tree = treeOf(place.tree);
  const root = tree.roots[place.root]!;
  if (!mustWalk(root, write)) {
    const flags = PATH | (follow || place.asFolder ? 0 : NO_FOLLOW) | (place.asFolder ? DIRECTORY : 0);
    lookedUpAtOnce(place.path);
    const fd = openat2(root.fd, place.path, flags, 0, root.resolve);
    if (fd >= 0) {
      try {
        return judged(landingIn(tree, place, root.fd, place.path, fd), write, use);
      } finally {
        closeFd(fd);
      }
    }
    if (fd !== -Errno.ELOOP) return notOpened(fd);
  }
  const end: End = follow || place.asFolder ? "follow" : "open";
  return walk(new Way(tree, place, end), write, thatIsThere(use));
}

/**
 * Uses the folder that a place names, or whatever is in its stead; it, and those on the way to it, are made where they
 * are not there.
 */
export function withFolders<R>(place: Place, mode: number, use: Use<R>): R | Failed {
  return walk(new Way(treeOf(place.tree), place, "follow", mode), false, thatIsThere(use));
}

function thatIsThere<R>(use: Use<R>): Use<R | Failed> {
  return (landing) => (landing.fd < 0 ? failed(Errno.ENOENT) : use(landing));
}

/** Uses the folder that holds the last name of a place, and that name, which need not be there, and is not followed. */
export function withName<R>(place: Place, write: boolean, use: Use<R>): R | Failed {
  const tree = treeOf(place.tree);
  const root = tree.roots[place.root]!;
  if (!mustWalk(root, write)) {
    lookedUpAtOnce(place.path);
    const cut = place.path.lastIndexOf("/");
    const folder = openat2(
      root.fd,
      cut < 0 ? "." : place.path.slice(0, cut),
      PATH | DIRECTORY,
      0,
      root.resolve,
    );
    if (folder >= 0) {
      try {
        return judged(landingIn(tree, place, folder, place.path.slice(cut + 1), -1), write, use);
      } finally {
        closeFd(folder);
      }
    }
    if (folder !== -Errno.ELOOP) return notOpened(folder);
  }
  return walk(new Way(tree, place, "name"), write, use);
}

/**
 * Uses a place whose last name may be made, and is followed where it is a symbolic link: by the kernel's guard from the
 * root, or after a walk from the last folder. `use` says "link" where a symbolic link was in its way after all.
 */
export function withOpening<R>(
  place: Place,
  follow: boolean,
  write: boolean,
  use: Use<R | "link">,
): R | Failed {
  const tree = treeOf(place.tree);
  const root = tree.roots[place.root]!;
  if (!mustWalk(root, write)) {
    const landing = landingIn(tree, place, root.fd, place.path, -1);
    const refusal = write ? mayChange(landing) : undefined;
    if (refusal !== undefined) return refusal;
    lookedUpAtOnce(place.path);
    const result = use(landing);
    if (result !== "link") return result;
  }
  // A name that becomes a link between the walk and the opening is walked again, a few times.
  for (let attempt = 0; attempt < 4; attempt++) {
    const result = walk(new Way(tree, place, follow ? "follow" : "name"), write, use);
    if (result !== "link") return result;
  }
  return failed(Errno.ELOOP);
}

/** Where the kernel takes a place in one step: below the root that its text says. */
function landingIn(tree: Tree, place: Place, folder: number, name: string, fd: number): Landing {
  const root = tree.roots[place.root]!;
  return { root, tree, guard: root.guard, folder, name, fd, asFolder: place.asFolder };
}

function judged<R>(landing: Landing, write: boolean, use: Use<R>): R | Failed {
  return (write ? mayChange(landing) : undefined) ?? use(landing);
}

function mustWalk(root: TreeRoot, write: boolean): boolean {
  return root.crossMounts || (write && root.access === "rw" && root.holdsOthers);
}

function walk<R>(way: Way, write: boolean, use: Use<R>): R | Failed {
  try {
    const landing = way.find();
    if ("errno" in landing) return landing;
    return judged(landing, write, use);
  } finally {
    way.close();
  }
}
