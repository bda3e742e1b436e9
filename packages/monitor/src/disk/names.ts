// Changes to names, and to what files and folders say of themselves. Only regular files, folders and symbolic links: a
// socket, a fifo or a device belongs to somebody on the host.
//
// A root of the policy, the folder of a socket, and a folder that has one inside, keep their names: what the policy's
// file says must still be there when it is read again. So guests never move one, and what was seen of it before a
// rename still holds in it.

import {
  closeFd,
  Errno,
  type FileStat,
  fchmod,
  fstat,
  linkat,
  mkdirat,
  OpenFlags,
  openat2,
  type PathLike,
  RENAME_EXCHANGE,
  renameat,
  setTimes,
  stat,
  symlinkat,
  unlinkat,
} from "@ringway/linux";
import { asOpened } from "./held.ts";
import { type Failed, failed, type Landing, makeBelow, type Place, refused } from "./judgement.ts";
import { withFolders, withName, withObject } from "./landing.ts";
import { nextEntries } from "./list.ts";
import { lookedUp } from "./lookups.ts";
import { kernelName, refusedKind, severalNames } from "./open.ts";
import { type Identity, identityOf, liesBelow, mayLieIn, type SocketFolder } from "./roots.ts";
import type { Time } from "./status.ts";
import type { TreeRoot } from "./tree.ts";

export interface Changed extends Failed {
  /** Names in a folder that was to be empty, and has no others than these: no guest can use them. */
  readonly unusable?: number;
}

const DONE: Changed = { errno: 0 };
const outcome = (result: number): Changed => (result < 0 ? failed(-result) : DONE);

/** With a name in a folder; a root's own name is the policy's. */
function change(place: Place, use: (landing: Landing) => Changed): Changed {
  return withName(place, true, (landing) => (landing.name === "." ? failed(Errno.EBUSY) : use(landing)));
}

export function unlink(place: Place, directory: boolean): Changed {
  return change(place, (landing) => {
    const found = stat(landing.folder, landing.name, false);
    if (typeof found === "number") return failed(-found);
    const wrong = special(found) ?? (directory ? aRoot(landing, found) : undefined);
    if (wrong !== undefined) return wrong;
    const result = outcome(unlinkat(landing.folder, kernelName(landing), directory));
    return result.errno === Errno.ENOTEMPTY ? { ...result, unusable: unusableNames(landing) } : result;
  });
}

/** `flags`: those of renameat2(2). */
export function rename(from: Place, to: Place, flags = 0): Changed {
  return change(from, (source) =>
    change(to, (target) => {
      if (source.root.rule !== target.root.rule) return failed(Errno.EXDEV);
      const moved = stat(source.folder, source.name, false);
      if (typeof moved === "number") return failed(-moved);
      const replaced = stat(target.folder, target.name, false);
      const wrong =
        special(moved) ??
        holdsRoot(source, moved) ??
        (typeof replaced === "number" ? undefined : (special(replaced) ?? aRoot(target, replaced))) ??
        // Exchanged, it is moved as well.
        (typeof replaced === "number" || flags !== RENAME_EXCHANGE ? undefined : holdsRoot(target, replaced));
      if (wrong !== undefined) return wrong;
      const [old, next] = [kernelName(source), kernelName(target)];
      return outcome(renameat(source.folder, old, target.folder, next, flags));
    }),
  );
}

/** Another name for a file, or for a symbolic link. */
export function link(from: Place, to: Place): Changed {
  return change(from, (source) =>
    change(to, (target) => {
      if (source.root.rule !== target.root.rule) return failed(Errno.EXDEV);
      const found = stat(source.folder, source.name, false);
      if (typeof found === "number") return failed(-found);
      if (found.kind === "directory") return failed(Errno.EPERM);
      const wrong = special(found);
      if (wrong !== undefined) return wrong;
      return outcome(linkat(source.folder, kernelName(source), target.folder, kernelName(target)));
    }),
  );
}

export function symlink(target: PathLike, place: Place): Changed {
  return change(place, (landing) =>
    outcome(makeBelow(landing.root, () => symlinkat(target, landing.folder, kernelName(landing)))),
  );
}

export function mkdir(place: Place, mode: number, parents: boolean): Changed {
  if (!parents) {
    return withName(place, true, (landing) =>
      landing.name === "."
        ? failed(Errno.EEXIST)
        : outcome(makeBelow(landing.root, () => mkdirat(landing.folder, kernelName(landing), mode))),
    );
  }
  return withFolders(place, mode, ({ fd }) => {
    const found = fstat(fd);
    if (typeof found === "number") return failed(-found);
    return found.kind === "directory" ? DONE : failed(Errno.EEXIST);
  });
}

/** Of a folder the set-id and sticky bits stay: they are no guest's to give, nor to take. */
export function chmod(place: Place, mode: number): Changed {
  return modify(place, (fd, { kind, mode: before }) =>
    outcome(fchmod(fd, kind === "directory" ? (before & 0o7000) | mode : mode)),
  );
}

export function utimes(place: Place, accessed: Time, modified: Time): Changed {
  return modify(place, (fd) => outcome(setTimes(fd, accessed, modified)));
}

/** With what a place names, where it may be changed. */
export function modify(
  place: Place,
  use: (fd: number, found: FileStat, landing: Landing) => Changed,
  follow = true,
): Changed {
  return withObject(place, follow, true, (landing) => {
    const now = fstat(landing.fd);
    if (typeof now === "number") return failed(-now);
    const found = asOpened(place, now);
    return special(found) ?? severalNames(landing, found) ?? use(landing.fd, found, landing);
  });
}

function special({ kind }: FileStat): Failed | undefined {
  return kind === "other" ? refusedKind("is neither a file nor a folder nor a link") : undefined;
}

function aRoot({ tree }: Landing, found: FileStat): Failed | undefined {
  if (found.kind !== "directory") return undefined;
  const identity = identityOf(found);
  const of = tree.guards.get(identity) ?? tree.sockets.find((folder) => folder.identity === identity);
  return of && refused(Errno.EACCES, of.rule, `is the folder of rule "${of.rule}"`);
}

/** May a root have the folder of a socket inside? */
function mayHold(
  { crossMounts, subvolumes, identity }: TreeRoot,
  { fd, identity: other }: SocketFolder,
): boolean {
  const device = (of: Identity): string => of.slice(0, of.lastIndexOf(":"));
  return fd >= 0 && (crossMounts || subvolumes || device(identity) === device(other));
}

/** The root, or the folder of a socket, that would move with a folder. */
function holdsRoot(landing: Landing, moved: FileStat): Failed | undefined {
  if (moved.kind !== "directory") return undefined;
  const { root, tree } = landing;
  const identity = identityOf(moved);
  // Of folders that have several of the roots below, each is climbed over once.
  const climbed: Set<string> = new Set();
  const inside =
    (root.holdsOthers
      ? tree.roots.find((other) => mayLieIn(root, other) && liesBelow(other.fd, identity, climbed))
      : undefined) ??
    tree.sockets.find((folder) => mayHold(root, folder) && liesBelow(folder.fd, identity, climbed));
  if (inside === undefined) return aRoot(landing, moved);
  return refused(Errno.EACCES, inside.rule, `would move the folder of rule "${inside.rule}"`);
}

/**
 * How many names keep a folder from being removed that no guest can name: of the first batch, which is enough to say
 * why.
 */
function unusableNames({ folder, name, root }: Landing): number {
  const fd = openat2(
    folder,
    name,
    OpenFlags.READ_ONLY | OpenFlags.DIRECTORY | OpenFlags.NO_FOLLOW,
    0,
    root.resolve,
  );
  if (fd < 0) return 0;
  const { entries = [], skipped = 0, folder: more = -1 } = nextEntries(fd, UNUSABLE_BYTES);
  if (more >= 0) closeFd(more);
  lookedUp(entries.length + skipped);
  return entries.length === 0 ? skipped : 0;
}

const UNUSABLE_BYTES = 16 * 1024;
