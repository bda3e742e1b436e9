// Where the search for a place begins: at its root, or at a file or folder that the guest has open.
//
// What is held was judged when it was opened. In the tree of that time the judgement holds for as long as it is open:
// guests move no folder out of a root's reach (names.ts), and whoever does it on the host has given the guest what it
// has open. After a change of the policy a folder is judged anew, by the roots that are above it on the host now; a
// file has no way up, so it is not changed any more by what is judged ("reloaded").

import { Errno, type FileStat, fstat } from "@ringway/linux";
import {
  crossing,
  escaped,
  type Failed,
  failed,
  type Held,
  type Place,
  refused,
  served,
} from "./judgement.ts";
import { climb } from "./roots.ts";
import { type Guard, type Tree, type TreeRoot, treeOf } from "./tree.ts";

export interface Start {
  readonly tree: Tree;
  readonly root: TreeRoot;
  readonly guard: Guard;
  readonly folder: number;
}

/** `write`: something of it will be changed. */
export function begin(place: Place, write: boolean): Start | Failed {
  const tree = treeOf(place.tree);
  if (tree === undefined) return failed(Errno.ESTALE);
  const root = tree.roots[place.root]!;
  const { from } = place;
  if (from === undefined) return { tree, root, guard: root.guard, folder: root.fd };
  if (from.tree === place.tree) {
    return { tree, root: tree.roots[from.root]!, guard: from.guard, folder: from.fd };
  }
  if (from.isFolder) return judgedAnew(tree, root, from);
  if (!write) return { tree, root, guard: root.guard, folder: from.fd };
  return refused(
    Errno.EACCES,
    "reloaded",
    "was opened before the policy changed, and is not changed by its handle",
  );
}

/**
 * With as many names as it had when it was opened: of a file that has lost some since, the last may be where the guest
 * may change nothing.
 */
export function asOpened({ from, path }: Place, found: FileStat): FileStat {
  const links = from !== undefined && path === "." ? from.links : 0;
  return links > found.links ? { ...found, links } : found;
}

/** `named`: the root that the text of its path says. */
function judgedAnew(tree: Tree, named: TreeRoot, { fd }: Held): Start | Failed {
  let nearest: TreeRoot | undefined;
  let isNamed = false;
  climb(fd, new Set(), (identity) => {
    nearest ??= tree.byIdentity.get(identity);
    isNamed = identity === named.identity;
    return isNamed;
  });
  if (nearest === undefined) return escaped();
  const root = isNamed ? named : nearest;
  const found = fstat(fd);
  if (typeof found === "number") return failed(-found);
  if (found.mount !== root.mount && !root.crossMounts) return crossing();
  const guard = tree.guards.get(nearest.identity) ?? nearest.guard;
  return served({ root, tree }, fd, found) ?? { tree, root, guard, folder: fd };
}
