// What the folders of `files` may not be, looked at on the disk, when a policy is loaded. A root that holds what the monitor itself
// lives by would let a guest write its own policy, read another guest's memory or take the socket away: it is refused, whatever the
// access, as far as a path reaches from the root (not beyond a mount, unless the rule says crossMounts).

import { lstatSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import { closeFd, fstat, openDirectory } from "@ringway/linux";
import { deviceOf } from "../disk/file-systems.ts";
import { closeRoots, liesBelow, openRoots, type Root } from "../disk/roots.ts";
import { PolicyError } from "./errors.ts";
import { quoted } from "./text.ts";
import type { Policy } from "./types.ts";

/** A file or socket that no root may hold; it need not be there yet. */
export interface KeptPlace {
  /** "the attach socket": with its article. */
  readonly what: string;
  readonly path: string;
}

export interface RootProblem {
  /** Of policy.files. */
  readonly index: number;
  readonly message: string;
}

/** Throws PolicyError for a policy that was made elsewhere: it has no lines to point at. */
export function requireRoots(policy: Policy, kept: readonly KeptPlace[], at: (path: string) => void): void {
  const problems = rootProblems(policy, kept, at).map(({ index, message }) => ({
    line: 1,
    column: 1,
    path: `files[${index}].host`,
    message,
  }));
  if (problems.length > 0) throw new PolicyError("policy", problems);
}

/**
 * What is wrong with folders that are there; `kept` beside the files that the policy itself names. May wait for file systems: `at` is
 * told each path before it is looked at.
 */
export function rootProblems(
  policy: Policy,
  kept: readonly KeptPlace[],
  at: (path: string) => void,
): RootProblem[] {
  if (policy.files.length === 0) return [];
  const places = [...kept, ...policy.vms.flatMap(placesOfVm)];
  const opened = openRoots(policy.files, at);
  try {
    return opened.roots.flatMap((root, index) => {
      const { host } = policy.files[index]!;
      const message =
        unreachable(root, host) ?? twoAccesses(opened.roots, index) ?? holds(root, host, places, at);
      return message === undefined ? [] : [{ index, message }];
    });
  } finally {
    closeRoots(opened);
  }
}

/** A VM's own files. A memory that came as a descriptor has no path. */
export function placesOfVm(vm: {
  readonly name: string;
  readonly memory: string | number;
  readonly doorbell: string;
}): KeptPlace[] {
  const doorbell = { what: `the doorbell of VM ${vm.name}`, path: vm.doorbell };
  if (typeof vm.memory === "number") return [doorbell];
  return [{ what: `the memory of VM ${vm.name}`, path: vm.memory }, doorbell];
}

function unreachable({ system }: Root, host: string): string | undefined {
  return system === ""
    ? undefined
    : `expected a folder of files; ${quoted(host)} lies on ${system}, which no guest may reach`;
}

function twoAccesses(roots: readonly Root[], index: number): string | undefined {
  const { fd, identity, access } = roots[index]!;
  if (fd < 0) return undefined;
  const earlier = roots.findIndex((other) => other.identity === identity && other.access !== access);
  if (earlier < 0 || earlier > index) return undefined;
  return `is the folder of files[${earlier}] too, which is ${roots[earlier]!.access}: one folder cannot be both`;
}

function holds(
  root: Root,
  host: string,
  places: readonly KeptPlace[],
  at: (path: string) => void,
): string | undefined {
  const held =
    root.fd < 0
      ? undefined
      : places.find(({ path }) => {
          at(path);
          return namesOf(path).some((name) => reaches(root, dirname(name)));
        });
  return held && `${quoted(host)} holds ${held.what} (${held.path}), which no guest may reach`;
}

/** The path, and where it leads to if it is a symbolic link. */
function namesOf(path: string): string[] {
  try {
    return lstatSync(path).isSymbolicLink() ? [path, realpathSync(path)] : [path];
  } catch {
    return [path];
  }
}

/** Is a folder, or the one above it that is there, in the root or below it? */
function reaches(root: Root, folder: string): boolean {
  const fd = openDirectory(folder);
  if (fd < 0) return folder !== dirname(folder) && reaches(root, dirname(folder));
  try {
    const found = fstat(fd);
    if (typeof found === "number") return true;
    const sameSystem = root.identity.startsWith(`${deviceOf(found)}:`);
    return (root.crossMounts || sameSystem) && liesBelow(fd, root.identity);
  } finally {
    closeFd(fd);
  }
}
