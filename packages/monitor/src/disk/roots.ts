// The roots of a policy: what each rule's folder is at the moment that the policy comes into force, and how the roots
// lie to each other on the host. Plain data, given to every disk worker (tree.ts).
//
// A root is held by its descriptor: whoever renames or replaces its path later changes nothing until the policy is
// loaded again.
//
// Roots may lie in each other on the host, whatever they are called in the guest's tree. The deepest root decides: a
// read-only folder within a read-write one stays as it is, also where a guest comes to it by the outer one's name. Who
// writes below a root that may have others inside is led there folder by folder, each compared with the roots
// (landing.ts); who reads, or writes below a root that has none, is led there by the kernel in one step. "May": what
// two mounts show of one file system is not seen by climbing, and counts as inside. No root is compared with each other
// one: a policy may have thousands.

import {
  closeFd,
  Errno,
  errnoMessage,
  type FileStat,
  fstat,
  OpenFlags,
  type Owner,
  openat2,
  openDirectory,
} from "@ringway/linux";
import { splitPath } from "../policy/paths.ts";
import type { FilesRule, SocketsRule } from "../policy/types.ts";
import {
  deviceNodeSystems,
  deviceOf,
  hasSubvolumes,
  kernelFileSystem,
  systemReadsAtOnce,
} from "./file-systems.ts";
import { lookedUp } from "./lookups.ts";

/** Device and inode: what a folder is, by whatever name it is reached. */
export type Identity = string;

export const identityOf = (found: FileStat): Identity => `${deviceOf(found)}:${found.inode}`;

export interface Root {
  /** The rule's id. */
  readonly rule: string;
  /** Its path in the guest's tree. */
  readonly guest: readonly string[];
  readonly access: "ro" | "rw";
  readonly crossMounts: boolean;
  readonly xattrs: readonly string[];
  /** Whose that is what guests make; none: the monitor's user's. */
  readonly owner: Owner | undefined;
  /** The folder, opened as a name only; -errno where it cannot be had, and why. */
  readonly fd: number;
  readonly reason: string;
  /** The kernel's own file system that it lies on, which is why it cannot be had; else "". */
  readonly system: string;
  readonly identity: Identity;
  readonly mount: number;
  /** Its file system may show parts of itself under several devices, or in several mounts. */
  readonly subvolumes: boolean;
  /** What is cached of its files may be read without a worker, of those for which fileReadsAtOnce() says so as well. */
  readonly readsAtOnce: boolean;
  /** Another root may lie inside this one. */
  readonly holdsOthers: boolean;
  /** A root that is read-only has files of this file system: one that has two names may have one of them there. */
  readonly sharesReadOnly: boolean;
}

/** The folder that holds the socket of a rule, held as a root is. */
export interface SocketFolder {
  /** The rule's id. */
  readonly rule: string;
  /** Of the socket in the folder. */
  readonly name: string;
  /** As a root's. */
  readonly fd: number;
  readonly reason: string;
  readonly system: string;
  readonly identity: Identity;
}

export interface Roots {
  readonly roots: readonly Root[];
  readonly sockets: readonly SocketFolder[];
  /** Devices of file systems that hold device nodes. */
  readonly nodeSystems: readonly string[];
}

/** May wait for file systems. `at` is told each path before it is looked at. */
export function openRoots(
  files: readonly FilesRule[],
  at: (path: string) => void,
  sockets: readonly SocketsRule[] = [],
): Roots {
  const nodeSystems = files.length + sockets.length === 0 ? [] : deviceNodeSystems();
  const opened = files.map((rule) => {
    at(rule.host);
    return openRoot(rule, nodeSystems);
  });
  const folders = sockets.map((rule): SocketFolder => {
    at(rule.folder);
    const { fd, reason, system, identity } = openFolder(rule.folder, nodeSystems);
    return { rule: rule.id, name: rule.name, fd, reason, system, identity };
  });
  const held = holdings(opened);
  const readOnly = opened.filter(({ fd, access }) => fd >= 0 && access === "ro");
  const readOnlyDevices = new Set(readOnly.map(device));
  const readOnlyCrosses = readOnly.some(({ crossMounts }) => crossMounts);
  const roots = opened.map(
    (root): Root => ({
      ...root,
      holdsOthers: root.fd >= 0 && held(root),
      sharesReadOnly:
        readOnlyCrosses || (root.crossMounts && readOnly.length > 0) || readOnlyDevices.has(device(root)),
    }),
  );
  return { roots, sockets: folders, nodeSystems };
}

export function closeRoots({ roots, sockets }: Roots): void {
  for (const { fd } of [...roots, ...sockets]) if (fd >= 0) closeFd(fd);
}

type OpenedRoot = Omit<Root, "holdsOthers" | "sharesReadOnly">;

function openRoot(rule: FilesRule, nodeSystems: readonly string[]): OpenedRoot {
  const path = splitPath(rule.guest);
  if ("problem" in path) throw new TypeError(path.problem);
  const { id, access, crossMounts, xattrs, owner } = rule;
  const folder = openFolder(rule.host, nodeSystems);
  const kind =
    folder.fd < 0
      ? { subvolumes: false, readsAtOnce: false }
      : { subvolumes: hasSubvolumes(folder.fd), readsAtOnce: systemReadsAtOnce(folder.fd) };
  return { rule: id, guest: path.components, access, crossMounts, xattrs, owner, ...kind, ...folder };
}

/** A folder of files, opened as a name only; or why a guest cannot have it. */
function openFolder(
  host: string,
  nodeSystems: readonly string[],
): Pick<Root, "fd" | "reason" | "system" | "identity" | "mount"> {
  const base = { system: "", identity: "", mount: 0 };
  const fd = openDirectory(host);
  if (fd < 0) return { ...base, fd, reason: errnoMessage(-fd) };
  const found = fstat(fd);
  const system = typeof found === "number" ? found : kernelFileSystem(fd, found, nodeSystems);
  if (typeof found !== "number" && system === "") {
    return { ...base, fd, reason: "", identity: identityOf(found), mount: found.mount };
  }
  closeFd(fd);
  if (typeof system === "number") return { ...base, fd: system, reason: errnoMessage(-system) };
  return { ...base, fd: -Errno.EACCES, system, reason: `it lies on ${system}, which no guest may reach` };
}

const device = ({ identity }: OpenedRoot): string => identity.slice(0, identity.lastIndexOf(":"));

/** Do they lie so that one could have the other inside: on one mount, or where two mounts may show the same? */
export function mayLieIn(outer: OpenedRoot, inner: OpenedRoot): boolean {
  if (outer.fd < 0 || inner.fd < 0 || outer.identity === inner.identity) return false;
  if (outer.crossMounts || outer.mount === inner.mount) return true;
  return device(outer) === device(inner) || (outer.subvolumes && inner.subvolumes);
}

/** Tells of a root whether another may lie inside. */
function holdings(opened: readonly OpenedRoot[]): (root: OpenedRoot) => boolean {
  /** `mount:identity` of folders that have a root below, as seen from its mount. */
  const above: Set<string> = new Set();
  /** With a root that could not be climbed from. */
  const unknown: Set<number> = new Set();
  const mounts: Map<string, Set<number>> = new Map();
  const seenOn = (what: string, mount: number): void => {
    const seen = mounts.get(what);
    if (seen === undefined) mounts.set(what, new Set([mount]));
    else seen.add(mount);
  };
  const identities: Set<Identity> = new Set();
  for (const root of opened) {
    if (root.fd < 0) continue;
    identities.add(root.identity);
    seenOn(device(root), root.mount);
    if (root.subvolumes) seenOn(SUBVOLUMES, root.mount);
    const { folders, toTop } = foldersFrom(root.fd);
    for (const folder of folders) if (folder !== root.identity) above.add(`${root.mount}:${folder}`);
    if (!toTop) unknown.add(root.mount);
  }
  /** Mount 0: the kernel does not tell. */
  const several = (what: string): boolean => {
    const seen = mounts.get(what);
    return seen !== undefined && (seen.size > 1 || seen.has(0));
  };
  return (root) =>
    identities.size > 1 &&
    (root.crossMounts ||
      above.has(`${root.mount}:${root.identity}`) ||
      unknown.has(root.mount) ||
      several(device(root)) ||
      (root.subvolumes && several(SUBVOLUMES)));
}

const SUBVOLUMES = "subvolumes";

/** A folder and those above it, to the top; `toTop` is false where that could not be climbed to. */
export function foldersFrom(fd: number): {
  readonly folders: ReadonlySet<Identity>;
  readonly toTop: boolean;
} {
  const folders: Set<Identity> = new Set();
  const toTop = climb(fd, new Set(), (folder) => {
    folders.add(folder);
    return false;
  });
  return { folders, toTop: toTop === "top" };
}

/**
 * Is that folder above this one, or the one itself? Where it cannot be climbed to the top, it may be. `climbed`:
 * folders that it has been climbed over before, in vain.
 */
export function liesBelow(fd: number, folder: Identity, climbed: Set<string> = new Set()): boolean {
  return climb(fd, climbed, (identity) => identity === folder) !== "top";
}

/** Tells of each folder from this one up, until `found` says so, or at one of those in `climbed`, to which it adds. */
export function climb(
  fd: number,
  climbed: Set<string>,
  found: (folder: Identity) => boolean,
): "top" | "found" | "unknown" {
  let at = fd;
  try {
    for (;;) {
      lookedUp(1);
      const seen = fstat(at);
      if (typeof seen === "number") return "unknown";
      const identity = identityOf(seen);
      if (found(identity)) return "found";
      // Above the top is the top.
      const place = `${identity}:${seen.mount}`;
      if (climbed.has(place)) return "top";
      climbed.add(place);
      const up = openat2(at, "..", OpenFlags.PATH | OpenFlags.DIRECTORY, 0, 0);
      if (at !== fd) closeFd(at);
      at = fd;
      if (up < 0) return "unknown";
      at = up;
    }
  } finally {
    if (at !== fd) closeFd(at);
  }
}
