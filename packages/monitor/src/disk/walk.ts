// A walk from one folder to the next, for landing.ts: by names, links and "..", below the roots and above them.
//
//   a name that leads to a root of the guest's tree ─▶ that root, by its descriptor
//   else openat2(folder, name, O_PATH | O_NOFOLLOW) ─▶ a folder: compared with the roots, then entered
//                                                   ─▶ a symbolic link: its text is read from the descriptor and walked
//                                                   ─▶ nothing, and it is to be made: mkdirat there, and once more
//                                                   ─▶ anything else: only at the end of the path
//   ".." ─▶ back to the folder that was come from; above a root, to the guest's folder above it
//
// Folders above the roots are names in the guest's tree alone. A walk has at most NAMES_MAX names and LINKS_MAX links.
//
// Invariant: of the folders on the way, the last FOLDERS_OPEN are open, and one more thing, which is being looked at. A
// ".." beyond these begins again at the top, by the names of the folders that it leads to: they count as names of the
// walk, and are judged anew, whatever has become of them.

import {
  closeFd,
  Errno,
  type FileStat,
  fstat,
  mkdirat,
  OpenFlags,
  openat2,
  type PathLike,
  readlinkat,
} from "@ringway/linux";
import type { Start } from "./held.ts";
import {
  escaped,
  type Failed,
  failed,
  type Landing,
  makeBelow,
  mayChange,
  notOpened,
  type Place,
  refused,
  served,
} from "./judgement.ts";
import { lookedUp } from "./lookups.ts";
import { namesOf, partsOf } from "./paths.ts";
import { identityOf } from "./roots.ts";
import { type Guard, nodeAt, type Tree, type TreeNode, type TreeRoot } from "./tree.ts";

/** Linux's own bound (MAXSYMLINKS), and one for all names on the way: a path has 2048 at most. */
const LINKS_MAX = 40;
const NAMES_MAX = 4096;
/**
 * The one that the walk is in, and the one above: a link's text seldom goes further up. They come from RESERVE
 * (descriptors.ts).
 */
const FOLDERS_OPEN = 2;

const { PATH, NO_FOLLOW } = OpenFlags;

/**
 * What to do with the last name: nothing; open what has it; or that, and go where it leads if it is a symbolic link.
 */
export type End = "name" | "open" | "follow";

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
  /** The guest has it open: it stays so. */
  readonly isHeld?: boolean;
}

const NOBODY: Guard = { writable: false, rule: "default" };

export class Way {
  readonly #tree: Tree;
  readonly #last: End;
  /** Folders from one that is in the guest's tree to where the walk is. */
  #folders: Folder[] = [];
  /** The guest path of the last one. */
  #guest: PathLike[] = [];
  /** Names to come; the next one is the last. */
  readonly #names: PathLike[];
  /**
   * Of them, how many the guest itself named; the others, which are walked before, are from links and folders of the
   * way.
   */
  #own = 0;
  /** Folders that the guest named and that are not there are made, with this mode; -1: they are not. */
  readonly #makeMode: number;
  #asFolder: boolean;
  #links = 0;
  /** The thing at the end, where it is no folder. */
  #end = -1;

  constructor(tree: Tree, place: Place, last: End, makeMode = -1) {
    this.#tree = tree;
    this.#last = last;
    this.#makeMode = makeMode;
    this.#asFolder = place.asFolder;
    this.#names = namesOf(place.path).reverse();
    this.#own = this.#names.length;
    // By the root's guest path, as a guest would come there.
    if (place.from === undefined) this.#fromTop(tree.roots[place.root]!.guest);
  }

  /** Begins in a folder that the guest has open. */
  beginIn({ folder: fd, root, guard }: Start, guest: readonly PathLike[]): Failed | undefined {
    const found = fstat(fd);
    if (typeof found === "number") return failed(-found);
    const node = nodeAt(this.#tree, guest);
    this.#guest = [...guest];
    this.#folders = [{ fd, root, guard, mount: found.mount, node, depth: guest.length, isHeld: true }];
    return undefined;
  }

  close(): void {
    if (this.#end >= 0) closeFd(this.#end);
    for (const folder of this.#folders) leave(folder);
  }

  find(): Landing | Failed {
    let names = 0;
    try {
      for (; names < NAMES_MAX; names++) {
        const name = this.#names.pop();
        if (name === undefined) return this.#folderItself();
        const found = this.#step(name);
        if (found !== undefined) return found;
      }
      return failed(Errno.ELOOP);
    } finally {
      lookedUp(names);
      // What was found needs no more.
      this.#keep(1);
    }
  }

  /** Folders that are open: the last ones. */
  #keep(most: number): void {
    while (this.#folders.length > most) leave(this.#folders.shift()!);
  }

  #at(): Folder {
    return this.#folders.at(-1)!;
  }

  /** One name further; something only at the end of the walk. */
  #step(name: PathLike): Landing | Failed | undefined {
    const own = this.#names.length < this.#own;
    if (own) this.#own = this.#names.length;
    if (name === "..") return this.#up();
    const root = this.#enterRoot(name);
    if (root !== undefined) return root === "entered" ? undefined : root;
    const at = this.#at();
    if (at.root === undefined) {
      const node = typeof name === "string" ? at.node?.children.get(name) : undefined;
      if (node === undefined) return escaped();
      this.#enter(name, { ...at, node, depth: at.depth + 1 });
      return undefined;
    }
    const last = this.#names.length === 0;
    if (last && this.#last === "name") return this.#landing(at, at.root, name, -1);

    const fd = own && this.#makeMode >= 0 ? this.#make(at, at.root, name) : look(at.fd, name, at.root);
    if (typeof fd !== "number") return fd;
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

  /** Looks for a name that the guest gave, and makes a folder of it where there is nothing. */
  #make(at: Folder, root: TreeRoot, name: PathLike): number | Failed {
    const refusal = mayChange({ root, guard: at.guard });
    if (refusal !== undefined) return refusal;
    const fd = look(at.fd, name, root);
    if (fd !== -Errno.ENOENT) return fd;
    const made = makeBelow(root, () => mkdirat(at.fd, name, this.#makeMode));
    // Somebody else was quicker: what that made is looked at as anything.
    return made < 0 && made !== -Errno.EEXIST ? made : look(at.fd, name, root);
  }

  #landing(at: Folder, root: TreeRoot, name: PathLike, fd: number): Landing {
    return { root, tree: this.#tree, guard: at.guard, folder: at.fd, name, fd, asFolder: this.#asFolder };
  }

  #folderItself(): Landing | Failed {
    const at = this.#at();
    return at.root === undefined ? escaped() : this.#landing(at, at.root, ".", at.fd);
  }

  #crossed(at: Folder, root: TreeRoot, fd: number, seen: FileStat): Failed | undefined {
    if (seen.mount === at.mount && seen.mount !== 0) return undefined;
    return served({ root, tree: this.#tree }, fd, seen);
  }

  #enter(name: PathLike, folder: Folder): void {
    this.#folders.push(folder);
    this.#guest.push(name);
    this.#keep(FOLDERS_OPEN);
  }

  /** To the deepest root that the next names lead to in the guest's tree, whatever lies there on the host. */
  #enterRoot(name: PathLike): "entered" | Failed | undefined {
    let node = this.#at().node;
    let found: { node: TreeNode; root: TreeRoot; names: number } | undefined;
    let next: PathLike | undefined = name;
    for (let names = 1; node !== undefined && typeof next === "string"; names++) {
      node = node.children.get(next);
      if (node?.root !== undefined) found = { node, root: node.root, names };
      next = this.#names.at(-names);
    }
    if (found === undefined) return undefined;
    const ahead = this.#names.splice(this.#names.length - (found.names - 1)).reverse();
    this.#own = Math.min(this.#own, this.#names.length);
    this.#guest.push(name, ...ahead);
    this.#folders.push(rootFolder(found.root, found.node, this.#guest.length));
    this.#keep(FOLDERS_OPEN);
    return found.root.fd < 0 ? this.#missing(found.root) : "entered";
  }

  /** Its folder cannot be had: a guest that learns nothing of rules has come to no folder at all. */
  #missing({ fd, rule, reason }: TreeRoot): Failed {
    if (!this.#tree.hides) return failed(-fd);
    return refused(Errno.EXDEV, rule, `leads to the folder of rule "${rule}": ${reason}`);
  }

  #up(): undefined {
    const { depth } = this.#at();
    if (depth === 0) return;
    // The one above may not be open any more, and a root that several names led to was not come to from there.
    if (this.#folders.at(-2)?.depth === depth - 1) {
      leave(this.#folders.pop()!);
      this.#guest.pop();
      return;
    }
    // All the way that is asked for at once, where every folder on it was entered by its own name.
    let target = depth - 1;
    for (const entered = this.#depthInTree(); target > entered && this.#names.at(-1) === ".."; target--) {
      this.#names.pop();
    }
    this.#fromTop(this.#guest.slice(0, target));
  }

  /** Of the last folder on the way that is, or lies above, a root in the guest's tree. */
  #depthInTree(): number {
    let node = this.#tree.top;
    for (const [depth, name] of this.#guest.entries()) {
      const next = typeof name === "string" ? node.children.get(name) : undefined;
      if (next === undefined) return depth;
      node = next;
    }
    return this.#guest.length;
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

const look = (folder: number, name: PathLike, root: TreeRoot): number =>
  openat2(folder, name, PATH | NO_FOLLOW, 0, root.resolve);

function rootFolder(root: TreeRoot, node: TreeNode, depth: number): Folder {
  return { fd: root.fd, root, guard: root.guard, mount: root.mount, node, depth };
}

/** Roots stay open, and what the guest has open; nothing else does. */
function leave({ fd, root, isHeld }: Folder): void {
  if (fd >= 0 && fd !== root?.fd && !isHeld) closeFd(fd);
}

/**
 * The names of a link's target. One that is not UTF-8 stays as bytes: no guest can have made it, but it leads
 * somewhere.
 */
function splitTarget(target: PathLike): { names: PathLike[]; absolute: boolean; asFolder: boolean } {
  const parts = partsOf(target);
  const end = parts.at(-1)!;
  return {
    names: parts.filter((part) => part.length > 0 && part !== "."),
    absolute: parts.length > 1 && parts[0]!.length === 0,
    asFolder: end.length === 0 || end === "." || end === "..",
  };
}
