// Where a guest's path lands on the host: found here, judged here, and what the operation then works on is a descriptor of that
// very place. Nothing that was looked at is looked up again by its path, so whoever renames what meanwhile can at most make an
// operation land elsewhere within the same judgement.
//
// The guest sees one tree: roots at their guest paths, symbolic links as it would resolve them itself: an absolute one begins at
// the guest's own "/". Three things hold for each operation:
//
//   1. It lands below a root: nothing leaves them all ("beneath"), no mount is crossed unless the root's rule says so, and none of
//      the kernel's own file systems is reached ("mounts").
//   2. What changes something is allowed by the rule of the path that the guest named (the reactor has seen to that), by the rule
//      whose root it lands below, and by the deepest root on the way there on the host, known by device and inode: the guard.
//   3. No root of the host's, and no folder that has one inside, is moved or removed (operations.ts).
//
// A path without symbolic links lands below the root that its text says, so the kernel takes it there in one step
// (RESOLVE_BENEATH, NO_SYMLINKS, NO_XDEV), unless its rule says crossMounts, or something is to be changed below a root that may
// have others inside (roots.ts).
// All else is walked, one component at a time:
//
//   a name that leads to a root of the guest's tree ─▶ that root, by its descriptor
//   else openat2(folder, name, O_PATH | O_NOFOLLOW) ─▶ a folder: compared with the roots, then entered
//                                                   ─▶ a symbolic link: its text is read from the descriptor and walked
//                                                   ─▶ anything else: only at the end of the path
//   ".." ─▶ back to the folder that was come from; above a root, to the guest's folder above it
//
// Folders above the roots are names in the guest's tree alone. A walk has at most NAMES_MAX names and LINKS_MAX links.

import {
  closeFd,
  Errno,
  type FileStat,
  fstat,
  OpenFlags,
  openat2,
  type PathLike,
  readlinkat,
} from "@ringway/linux";
import { kernelFileSystem } from "./file-systems.ts";
import { identityOf } from "./roots.ts";
import { type Guard, type Tree, type TreeNode, type TreeRoot, treeOf } from "./tree.ts";

/** What a guest named: a path below the root that its text says. */
export interface Place {
  readonly tree: number;
  /** Index of the root. */
  readonly root: number;
  /** From the root, "." for the root itself; no component is "..". */
  readonly path: string;
  /** It ended in a slash: what it names must be a folder. */
  readonly asFolder: boolean;
}

/** Why the policy, and not the file system, says no: a rule and the end of a sentence that begins with the path. */
export interface Refusal {
  readonly errno: number;
  readonly rule: string;
  readonly why: string;
}

export interface Failed {
  readonly errno: number;
  readonly refusal?: Refusal;
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

type Use<R> = (landing: Landing) => R;

/** Linux's own bound (MAXSYMLINKS), and one for all names on the way: a path has 2048 at most. */
const LINKS_MAX = 40;
const NAMES_MAX = 4096;

const { PATH, NO_FOLLOW, DIRECTORY } = OpenFlags;

export const failed = (errno: number): Failed => ({ errno });

export function refused(errno: number, rule: string, why: string): Failed {
  return { errno, refusal: { errno, rule, why } };
}

const escaped = (): Failed => refused(Errno.EXDEV, "beneath", "leads out of its root");
const crossing = (): Failed =>
  refused(Errno.EXDEV, "mounts", "leads onto another mount, and its rule does not say crossMounts");

/** May anything below here be changed? */
function mayChange({ root, guard }: Pick<Landing, "root" | "guard">): Failed | undefined {
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

export function notOpened(result: number): Failed {
  return result === -Errno.EXDEV ? crossing() : failed(-result);
}

/**
 * Uses the thing that a place names: landing.fd. `follow`: also where a symbolic link at the end leads; `write`: it, or its
 * contents, will be changed.
 */
export function withObject<R>(place: Place, follow: boolean, write: boolean, use: Use<R>): R | Failed {
  const tree = treeOf(place.tree);
  const root = tree.roots[place.root]!;
  if (!mustWalk(root, write)) {
    const flags = PATH | (follow || place.asFolder ? 0 : NO_FOLLOW) | (place.asFolder ? DIRECTORY : 0);
    const fd = openat2(root.fd, place.path, flags, 0, root.resolve);
    if (fd >= 0) {
      const landing = {
        root,
        tree,
        guard: root.guard,
        folder: root.fd,
        name: place.path,
        fd,
        asFolder: place.asFolder,
      };
      try {
        return (write ? mayChange(landing) : undefined) ?? use(landing);
      } finally {
        closeFd(fd);
      }
    }
    if (fd !== -Errno.ELOOP) return notOpened(fd);
  }
  const end = follow || place.asFolder ? "follow" : "open";
  return walk(tree, place, end, write, (landing) => (landing.fd < 0 ? failed(Errno.ENOENT) : use(landing)));
}

/** Uses the folder that holds the last name of a place, and that name, which need not be there, and is not followed. */
export function withName<R>(place: Place, write: boolean, use: Use<R>): R | Failed {
  const tree = treeOf(place.tree);
  const root = tree.roots[place.root]!;
  const { asFolder } = place;
  if (!mustWalk(root, write)) {
    const cut = place.path.lastIndexOf("/");
    const folder = openat2(
      root.fd,
      cut < 0 ? "." : place.path.slice(0, cut),
      PATH | DIRECTORY,
      0,
      root.resolve,
    );
    if (folder >= 0) {
      const name = place.path.slice(cut + 1);
      const landing = { root, tree, guard: root.guard, folder, name, fd: -1, asFolder };
      try {
        return (write ? mayChange(landing) : undefined) ?? use(landing);
      } finally {
        closeFd(folder);
      }
    }
    if (folder !== -Errno.ELOOP) return notOpened(folder);
  }
  return walk(tree, place, "name", write, use);
}

/**
 * Uses a place whose last name may be made, and is followed where it is a symbolic link: by the kernel's guard from the root, or
 * after a walk from the last folder. `use` says "link" where a symbolic link was in its way after all.
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
    const landing = {
      root,
      tree,
      guard: root.guard,
      folder: root.fd,
      name: place.path,
      fd: -1,
      asFolder: place.asFolder,
    };
    const refusal = write ? mayChange(landing) : undefined;
    if (refusal !== undefined) return refusal;
    const result = use(landing);
    if (result !== "link") return result;
  }
  // A name that becomes a link between the walk and the opening is walked again, a few times.
  for (let attempt = 0; attempt < 4; attempt++) {
    const result = walk(tree, place, follow ? "follow" : "name", write, use);
    if (result !== "link") return result;
  }
  return failed(Errno.ELOOP);
}

function mustWalk(root: TreeRoot, write: boolean): boolean {
  return root.crossMounts || (write && root.access === "rw" && root.inside.length > 0);
}

/** What to do with the last name: nothing; open what has it; or that, and go where it leads if it is a symbolic link. */
type End = "name" | "open" | "follow";

function walk<R>(tree: Tree, place: Place, end: End, write: boolean, use: Use<R>): R | Failed {
  const way = new Way(tree, place, end);
  try {
    const landing = way.find();
    if ("errno" in landing) return landing;
    return (write ? mayChange(landing) : undefined) ?? use(landing);
  } finally {
    way.close();
  }
}

/** A folder on the way: of the host's below a root, or above the roots, in the guest's tree alone. */
interface Folder {
  /** -1 above the roots. */
  readonly fd: number;
  readonly root: TreeRoot | undefined;
  readonly guard: Guard;
  readonly mount: number;
  /** Of the guest's tree, while roots may be at, or below, this path. */
  readonly node: TreeNode | undefined;
  /** Components of its guest path. */
  readonly depth: number;
}

const NOBODY: Guard = { writable: false, rule: "default" };

class Way {
  readonly #tree: Tree;
  readonly #last: End;
  /** Folders from one that is in the guest's tree to where the walk is. */
  #folders: Folder[] = [];
  /** The guest path of the last one. */
  #guest: PathLike[] = [];
  /** Names to come; the next one is the last. */
  readonly #names: PathLike[];
  #asFolder: boolean;
  #links = 0;
  /** The thing at the end, where it is no folder. */
  #end = -1;

  constructor(tree: Tree, place: Place, last: End) {
    this.#tree = tree;
    this.#last = last;
    this.#asFolder = place.asFolder;
    this.#names = place.path === "." ? [] : place.path.split("/").reverse();
    // By the root's guest path, as a guest would come there.
    this.#fromTop(tree.roots[place.root]!.guest);
  }

  close(): void {
    if (this.#end >= 0) closeFd(this.#end);
    for (const folder of this.#folders) leave(folder);
  }

  find(): Landing | Failed {
    for (let names = 0; names < NAMES_MAX; names++) {
      const name = this.#names.pop();
      if (name === undefined) return this.#folderItself();
      const found = this.#step(name);
      if (found !== undefined) return found;
    }
    return failed(Errno.ELOOP);
  }

  get #at(): Folder {
    return this.#folders.at(-1)!;
  }

  /** One name further; something only at the end of the walk. */
  #step(name: PathLike): Landing | Failed | undefined {
    if (name === "..") return this.#up();
    const root = this.#enterRoot(name);
    if (root !== undefined) return root === "entered" ? undefined : root;
    const at = this.#at;
    if (at.root === undefined) {
      const node = typeof name === "string" ? at.node?.children.get(name) : undefined;
      if (node === undefined) return escaped();
      this.#enter(name, { ...at, node, depth: at.depth + 1 });
      return undefined;
    }
    const last = this.#names.length === 0;
    if (last && this.#last === "name") return this.#landing(at, at.root, name, -1);

    const fd = openat2(at.fd, name, PATH | NO_FOLLOW, 0, at.root.resolve);
    if (fd === -Errno.ENOENT && last) return this.#landing(at, at.root, name, -1);
    if (fd < 0) return notOpened(fd);
    const seen = fstat(fd);
    const wrong = typeof seen === "number" ? failed(-seen) : this.#crossed(at, at.root, fd, seen);
    if (wrong !== undefined || typeof seen === "number") {
      closeFd(fd);
      return wrong;
    }
    if (seen.kind === "directory") {
      const guard = this.#tree.guards.get(identityOf(seen)) ?? at.guard;
      const node = typeof name === "string" ? at.node?.children.get(name) : undefined;
      this.#enter(name, { fd, root: at.root, guard, mount: seen.mount, node, depth: at.depth + 1 });
      return undefined;
    }
    if (seen.kind === "symlink" && !(last && this.#last === "open")) return this.#followLink(fd, last);
    this.#end = fd;
    return last && !this.#asFolder ? this.#landing(at, at.root, name, fd) : failed(Errno.ENOTDIR);
  }

  #landing(at: Folder, root: TreeRoot, name: PathLike, fd: number): Landing {
    return { root, tree: this.#tree, guard: at.guard, folder: at.fd, name, fd, asFolder: this.#asFolder };
  }

  #folderItself(): Landing | Failed {
    const at = this.#at;
    return at.root === undefined ? escaped() : this.#landing(at, at.root, ".", at.fd);
  }

  #crossed(at: Folder, root: TreeRoot, fd: number, seen: FileStat): Failed | undefined {
    if (seen.mount === at.mount && seen.mount !== 0) return undefined;
    return served({ root, tree: this.#tree }, fd, seen);
  }

  #enter(name: PathLike, folder: Folder): void {
    this.#folders.push(folder);
    this.#guest.push(name);
  }

  /** To the deepest root that the next names lead to in the guest's tree, whatever lies there on the host. */
  #enterRoot(name: PathLike): "entered" | Failed | undefined {
    let node = this.#at.node;
    let found: { node: TreeNode; root: TreeRoot; names: number } | undefined;
    let next: PathLike | undefined = name;
    for (let names = 1; node !== undefined && typeof next === "string"; names++) {
      node = node.children.get(next);
      if (node?.root !== undefined) found = { node, root: node.root, names };
      next = this.#names.at(-names);
    }
    if (found === undefined) return undefined;
    const ahead = this.#names.splice(this.#names.length - (found.names - 1)).reverse();
    this.#guest.push(name, ...ahead);
    this.#folders.push(rootFolder(found.root, found.node, this.#guest.length));
    return found.root.fd < 0 ? failed(-found.root.fd) : "entered";
  }

  #up(): undefined {
    const { depth } = this.#at;
    if (depth === 0) return;
    // A root that several names led to was not come to from the folder above it.
    if (this.#folders.at(-2)?.depth === depth - 1) {
      leave(this.#folders.pop()!);
      this.#guest.pop();
    } else this.#fromTop(this.#guest.slice(0, -1));
  }

  /** Goes on at the top of the guest's tree: by these names, then those to come. */
  #fromTop(names: readonly PathLike[]): void {
    for (const folder of this.#folders) leave(folder);
    const { top } = this.#tree;
    this.#guest = [];
    this.#folders = [
      top.root === undefined
        ? { fd: -1, root: undefined, guard: NOBODY, mount: 0, node: top, depth: 0 }
        : rootFolder(top.root, top, 0),
    ];
    for (let i = names.length - 1; i >= 0; i--) this.#names.push(names[i]!);
  }

  #followLink(fd: number, last: boolean): Failed | undefined {
    const target = readlinkat(fd, "");
    closeFd(fd);
    if (typeof target === "number") return failed(-target);
    if (++this.#links > LINKS_MAX) return failed(Errno.ELOOP);
    const { names, absolute, asFolder } = splitTarget(target);
    if (last && asFolder) this.#asFolder = true;
    if (absolute) this.#fromTop([]);
    for (let i = names.length - 1; i >= 0; i--) this.#names.push(names[i]!);
    return undefined;
  }
}

function rootFolder(root: TreeRoot, node: TreeNode, depth: number): Folder {
  return { fd: root.fd, root, guard: root.guard, mount: root.mount, node, depth };
}

/** Roots stay open; so does nothing else. */
function leave({ fd, root }: Folder): void {
  if (fd >= 0 && fd !== root?.fd) closeFd(fd);
}

const SLASH = 0x2f;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The names of a link's target. One that is not UTF-8 stays as bytes: no guest can have made it, but it leads somewhere. */
function splitTarget(target: PathLike): { names: PathLike[]; absolute: boolean; asFolder: boolean } {
  const parts: PathLike[] = typeof target === "string" ? target.split("/") : splitBytes(target);
  const end = parts.at(-1)!;
  return {
    names: parts.filter((part) => part.length > 0 && part !== "."),
    absolute: parts.length > 1 && parts[0]!.length === 0,
    asFolder: end.length === 0 || end === "." || end === "..",
  };
}

function splitBytes(target: Uint8Array): PathLike[] {
  const parts: PathLike[] = [];
  for (let start = 0; start <= target.length; ) {
    const slash = target.indexOf(SLASH, start);
    const end = slash < 0 ? target.length : slash;
    const bytes = target.slice(start, end);
    try {
      parts.push(decoder.decode(bytes));
    } catch {
      parts.push(bytes);
    }
    start = end + 1;
  }
  return parts;
}
