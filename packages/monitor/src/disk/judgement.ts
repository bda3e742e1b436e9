// What the policy says of a place on the host, once it is found: refused, and by which rule. Where that is sought is in
// landing.ts and walk.ts.

import type { Refusal } from "@ringway/control";
import { Errno, type FileStat, fstat, makeAs, type PathLike } from "@ringway/linux";
import { kernelFileSystem } from "./file-systems.ts";
import type { Guard, Tree, TreeRoot } from "./tree.ts";

/** What a guest named: a path below the root that its text says, or from something that it has open. */
export interface Place {
  readonly tree: number;
  /** Index of the root. */
  readonly root: number;
  /** From the root, or from `from`; "." for that itself; no component is "..". */
  readonly path: PathLike;
  /** It ended in a slash: what it names must be a folder. */
  readonly asFolder: boolean;
  readonly from?: Held | undefined;
}

/** A file or folder that a guest has open, and how it was judged then (held.ts). */
export interface Held {
  readonly fd: number;
  readonly isFolder: boolean;
  /** The tree that it was judged by, and in it the index of the root that it landed below. */
  readonly tree: number;
  readonly root: number;
  /** Who decides over it: of a folder, over what is in it. */
  readonly guard: Guard;
  /** Its guest path. */
  readonly guest: readonly PathLike[];
  /** How many names it had then (asOpened()). */
  readonly links: number;
}

export interface Failed {
  readonly errno: number;
  /**
   * Where the policy, and not the file system, says no. The reason is the end of a sentence that begins with the path.
   */
  readonly denied?: Refusal;
}

/** A name in a folder below a root, and what it names where that was opened. */
export interface Landing {
  readonly root: TreeRoot;
  readonly tree: Tree;
  /** Who decides over the folder. */
  readonly guard: Guard;
  /** Opened as a name only. */
  readonly folder: number;
  /** A path from there, without symbolic links where the kernel takes it; "." for the folder itself. */
  readonly name: PathLike;
  /** What it names, opened as a name only; -1 where that was not asked for, or is not there. */
  readonly fd: number;
  readonly asFolder: boolean;
}

export const failed = (errno: number): Failed => ({ errno });

export function refused(errno: number, rule: string, reason: string): Failed {
  return { errno, denied: { errno, rule, reason } };
}

export const escaped = (): Failed => refused(Errno.EXDEV, "beneath", "leads out of the policy's folders");
export const crossing = (): Failed =>
  refused(Errno.EXDEV, "mounts", "leads onto another mount, and its rule does not say crossMounts");

/** May anything below here be changed? */
export function mayChange({ root, guard }: Pick<Landing, "root" | "guard">): Failed | undefined {
  const by = root.access === "ro" ? root.rule : guard.writable ? undefined : guard.rule;
  return by === undefined
    ? undefined
    : refused(Errno.EROFS, by, `lands in a folder that rule "${by}" keeps read-only`);
}

/** Is it a place for files? Asked only where mounts may be crossed: else the root has been looked at. */
export function served(
  { root, tree }: Pick<Landing, "root" | "tree">,
  fd: number,
  found?: FileStat,
): Failed | undefined {
  if (!root.crossMounts) return undefined;
  const seen = found ?? fstat(fd);
  if (typeof seen === "number") return failed(-seen);
  const system = kernelFileSystem(fd, seen, tree.nodeSystems);
  if (typeof system === "number") return failed(-system);
  return system === ""
    ? undefined
    : refused(Errno.EXDEV, "mounts", `leads onto ${system}, which no guest may reach`);
}

/** Makes a name below a root, as whose its rule says: what `make` returns. */
export function makeBelow({ owner }: TreeRoot, make: () => number): number {
  return owner === undefined ? make() : makeAs(owner, make);
}

export function notOpened(result: number): Failed {
  return result === -Errno.EXDEV ? crossing() : failed(-result);
}
