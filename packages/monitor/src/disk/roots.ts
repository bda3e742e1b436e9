// The roots of a policy: what each rule's folder is at the moment that the policy comes into force, and how the roots lie to
// each other on the host. Plain data, given to every disk worker (tree.ts).
//
// A root is held by its descriptor: whoever renames or replaces its path later changes nothing until the policy is loaded again.
//
// Roots may lie in each other on the host, whatever they are called in the guest's tree. The deepest root decides: a read-only
// folder within a read-write one stays as it is, also where a guest comes to it by the outer one's name. Who writes below a root
// that may have others inside is led there folder by folder, each compared with the roots (landing.ts); who reads, or writes
// below a root that has none, is led there by the kernel in one step. "May": what two mounts show of one file system is not
// seen by climbing, and counts as inside.

import {
  closeFd,
  Errno,
  errnoMessage,
  type FileStat,
  fstat,
  OpenFlags,
  openat2,
  openDirectory,
} from "@ringway/linux";
import { splitPath } from "../policy/paths.ts";
import type { FilesRule } from "../policy/types.ts";
import { deviceNodeSystems, deviceOf, hasSubvolumes, kernelFileSystem } from "./file-systems.ts";

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
  /** The folder, opened as a name only; -errno where it cannot be had, and why. */
  readonly fd: number;
  readonly reason: string;
  /** The kernel's own file system that it lies on, which is why it cannot be had; else "". */
  readonly system: string;
  readonly identity: Identity;
  readonly mount: number;
  /** Indices of the roots that may lie inside this one. */
  readonly inside: readonly number[];
  /** Another root that is read-only has files of this file system: one that has two names may have one of them there. */
  readonly sharesReadOnly: boolean;
}

export interface Roots {
  readonly roots: readonly Root[];
  /** Devices of file systems that hold device nodes. */
  readonly nodeSystems: readonly string[];
}

/** May wait for file systems. `at` is told each path before it is looked at. */
export function openRoots(rules: readonly FilesRule[], at: (path: string) => void): Roots {
  const nodeSystems = rules.length === 0 ? [] : deviceNodeSystems();
  const opened = rules.map((rule) => {
    at(rule.host);
    return openRoot(rule, nodeSystems);
  });
  const roots = opened.map((root, index): Root => {
    const others = opened.flatMap((other, at) => (at === index || other.fd < 0 || root.fd < 0 ? [] : [at]));
    return {
      ...root,
      inside: others.filter((at) => mayContain(root, opened[at]!)),
      sharesReadOnly: others.some((at) => opened[at]!.access === "ro" && mayShareFiles(root, opened[at]!)),
    };
  });
  return { roots, nodeSystems };
}

export function closeRoots({ roots }: Roots): void {
  for (const { fd } of roots) if (fd >= 0) closeFd(fd);
}

type OpenedRoot = Omit<Root, "inside" | "sharesReadOnly"> & { readonly subvolumes: boolean };

function openRoot(rule: FilesRule, nodeSystems: readonly string[]): OpenedRoot {
  const path = splitPath(rule.guest);
  if ("problem" in path) throw new TypeError(path.problem);
  const { id, access, crossMounts } = rule;
  const base = {
    rule: id,
    system: "",
    guest: path.components,
    access,
    crossMounts,
    identity: "",
    mount: 0,
    subvolumes: false,
  };
  const fd = openDirectory(rule.host);
  if (fd < 0) return { ...base, fd, reason: errnoMessage(-fd) };
  const found = fstat(fd);
  const system = typeof found === "number" ? found : kernelFileSystem(fd, found, nodeSystems);
  if (typeof found !== "number" && system === "") {
    const subvolumes = hasSubvolumes(fd);
    return { ...base, fd, reason: "", identity: identityOf(found), mount: found.mount, subvolumes };
  }
  closeFd(fd);
  if (typeof system === "number") return { ...base, fd: system, reason: errnoMessage(-system) };
  return { ...base, fd: -Errno.EACCES, system, reason: `it lies on ${system}, which no guest may reach` };
}

const device = ({ identity }: OpenedRoot): string => identity.slice(0, identity.lastIndexOf(":"));

function mayShareFiles(a: OpenedRoot, b: OpenedRoot): boolean {
  return a.crossMounts || b.crossMounts || device(a) === device(b);
}

function mayContain(outer: OpenedRoot, inner: OpenedRoot): boolean {
  if (outer.identity === inner.identity) return false;
  if (outer.crossMounts) return true;
  if (outer.mount !== inner.mount || outer.mount === 0)
    return device(outer) === device(inner) || (outer.subvolumes && inner.subvolumes);
  return liesBelow(inner.fd, outer.identity);
}

/** Is that folder above this one, or the one itself? Climbs to the top; where it cannot, it may be. */
export function liesBelow(fd: number, folder: Identity): boolean {
  let at = fd;
  let before = "";
  try {
    for (;;) {
      const found = fstat(at);
      if (typeof found === "number") return true;
      const identity = `${identityOf(found)}:${found.mount}`;
      if (identityOf(found) === folder) return true;
      if (identity === before) return false;
      before = identity;
      const up = openat2(at, "..", OpenFlags.PATH | OpenFlags.DIRECTORY, 0, 0);
      if (at !== fd) closeFd(at);
      at = fd;
      if (up < 0) return true;
      at = up;
    }
  } finally {
    if (at !== fd) closeFd(at);
  }
}
