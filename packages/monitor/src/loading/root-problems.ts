// What the folders of `files`, and the sockets of `sockets`, may not be, looked at on the disk when a policy is loaded.
// A root that holds what the monitor itself lives by would let a guest write its own policy, read another guest's
// memory or take the socket away: it is refused, whatever the access, as far as a path reaches from the root (not
// beyond a mount, unless the rule says crossMounts). So is a socket that is one of these.

import { lstatSync, realpathSync } from "node:fs";
import { basename, dirname } from "node:path";
import { closeFd, fstat, mayMakeAs, openDirectory, requireObject, requireText } from "@ringway/linux";
import { deviceOf } from "../disk/file-systems.ts";
import {
  closeRoots,
  foldersFrom,
  type Identity,
  identityOf,
  openRoots,
  type Root,
  type SocketFolder,
} from "../disk/roots.ts";
import { PolicyError } from "../policy/errors.ts";
import { quoted } from "../policy/text.ts";
import type { Policy } from "../policy/types.ts";

/** A file or socket that no root may hold; it need not be there yet. */
export interface KeptPlace {
  /** "the attach socket": with its article. */
  readonly what: string;
  readonly path: string;
}

/** Throws TypeError with Node's code for what is no such place. */
export function requirePlace(value: unknown, name: string): void {
  requireObject(value, name, "an object { what, path }");
  const { what, path } = value as Record<string, unknown>;
  requireText(what, `${name}.what`);
  requireText(path, `${name}.path`);
}

export interface RootProblem {
  /** Whose rule it is, and its place there. */
  readonly list: "files" | "sockets";
  readonly index: number;
  readonly message: string;
}

/** Throws PolicyError for a policy that was made elsewhere: it has no lines to point at. */
export function requireRoots(policy: Policy, kept: readonly KeptPlace[], at: (path: string) => void): void {
  const problems = rootProblems(policy, kept, at).map(({ list, index, message }) => ({
    line: 1,
    column: 1,
    path: `${list}[${index}].host`,
    message,
  }));
  if (problems.length > 0) throw new PolicyError("policy", problems);
}

/**
 * What is wrong with folders that are there; `kept` beside the files that the policy itself names. May wait for file
 * systems: `at` is told each path before it is looked at.
 */
export function rootProblems(
  policy: Pick<Policy, "files" | "sockets" | "vms">,
  kept: readonly KeptPlace[],
  at: (path: string) => void,
): RootProblem[] {
  if (policy.files.length + policy.sockets.length === 0) return [];
  const opened = openRoots(policy.files, at, policy.sockets);
  try {
    const twice = foldersOfTwoAccesses(opened.roots);
    const places = [...kept, ...policy.vms.flatMap(placesOfVm)];
    const held = heldPlaces(places, at);
    const ofFiles = opened.roots.flatMap((root, index): RootProblem[] => {
      const { host } = policy.files[index]!;
      const message =
        unreachable(root, "a folder of files", host) ??
        mayNotMake(root) ??
        twice.get(index) ??
        holds(root, host, held);
      return message === undefined ? [] : [{ list: "files", index, message }];
    });
    const own = policy.sockets.length === 0 ? new Map() : ownPlaces(places, at);
    const ofSockets = opened.sockets.flatMap((folder, index): RootProblem[] => {
      const { folder: host } = policy.sockets[index]!;
      const message = unreachable(folder, "a socket in a folder of files", host) ?? isOwn(folder, own);
      return message === undefined ? [] : [{ list: "sockets", index, message }];
    });
    return [...ofFiles, ...ofSockets];
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

function unreachable({ system }: Pick<Root, "system">, expected: string, host: string): string | undefined {
  return system === ""
    ? undefined
    : `expected ${expected}; ${quoted(host)} lies on ${system}, which no guest may reach`;
}

function mayNotMake({ owner }: Root): string | undefined {
  if (owner === undefined || mayMakeAs(owner)) return undefined;
  return `has owner ${owner.uid}:${owner.gid}, and this process may make no files of theirs: that takes root`;
}

/** By the index of the later rule. */
function foldersOfTwoAccesses(roots: readonly Root[]): ReadonlyMap<number, string> {
  const problems: Map<number, string> = new Map();
  /** The first rule with either access for each folder. */
  const first: Map<string, number> = new Map();
  for (const [index, { fd, identity, access }] of roots.entries()) {
    if (fd < 0) continue;
    const other = access === "ro" ? "rw" : "ro";
    const earlier = first.get(`${other}:${identity}`);
    if (earlier !== undefined) {
      problems.set(
        index,
        `is the folder of ${roots[earlier]!.rule} too, which is ${other}: one folder cannot be both`,
      );
    }
    if (!first.has(`${access}:${identity}`)) first.set(`${access}:${identity}`, index);
  }
  return problems;
}

/** What lies in or below a folder: the first of the places. */
interface Held {
  /** By the folder's identity: without crossing to another file system, and all. */
  readonly near: ReadonlyMap<Identity, KeptPlace>;
  readonly any: ReadonlyMap<Identity, KeptPlace>;
  /** May lie below any folder: of its device ("": not known), or of those that cross mounts. */
  readonly anywhere: readonly { readonly place: KeptPlace; readonly device: string }[];
}

function heldPlaces(places: readonly KeptPlace[], at: (path: string) => void): Held {
  const near: Map<Identity, KeptPlace> = new Map();
  const any: Map<Identity, KeptPlace> = new Map();
  const anywhere: { place: KeptPlace; device: string }[] = [];
  for (const place of places) {
    at(place.path);
    for (const name of namesOf(place.path)) {
      const found = foldersOf(dirname(name));
      if (found === undefined) continue;
      const { device, folders, toTop } = found;
      if (!toTop) anywhere.push({ place, device });
      for (const folder of folders) {
        if (!any.has(folder)) any.set(folder, place);
        if (folder.startsWith(`${device}:`) && !near.has(folder)) near.set(folder, place);
      }
    }
  }
  return { near, any, anywhere };
}

function holds(root: Root, host: string, { near, any, anywhere }: Held): string | undefined {
  if (root.fd < 0) return undefined;
  const held =
    (root.crossMounts ? any : near).get(root.identity) ??
    anywhere.find(({ device }) => root.crossMounts || device === "" || root.identity.startsWith(`${device}:`))
      ?.place;
  return (
    held &&
    `${quoted(host)} holds ${held.what} (${held.path}), which no guest may reach: put one of the two elsewhere`
  );
}

const placeIn = (folder: Identity, name: string): string => `${folder}/${name}`;

/** By placeIn(), under all their names. */
function ownPlaces(places: readonly KeptPlace[], at: (path: string) => void): ReadonlyMap<string, KeptPlace> {
  const own: Map<string, KeptPlace> = new Map();
  for (const place of places) {
    at(place.path);
    for (const name of namesOf(place.path)) {
      const folder = openDirectory(dirname(name));
      if (folder < 0) continue;
      const found = fstat(folder);
      if (typeof found !== "number") own.set(placeIn(identityOf(found), basename(name)), place);
      closeFd(folder);
    }
  }
  return own;
}

function isOwn(folder: SocketFolder, own: ReadonlyMap<string, KeptPlace>): string | undefined {
  const place = folder.fd < 0 ? undefined : own.get(placeIn(folder.identity, folder.name));
  return place && `is ${place.what} (${place.path}), which no guest may reach`;
}

/** The path, and where it leads to if it is a symbolic link. */
function namesOf(path: string): string[] {
  try {
    return lstatSync(path, { bigint: true }).isSymbolicLink() ? [path, realpathSync(path)] : [path];
  } catch {
    return [path];
  }
}

/** A folder, or the one above it that is there, and all above that; undefined where there is none. */
function foldersOf(
  folder: string,
): (ReturnType<typeof foldersFrom> & { readonly device: string }) | undefined {
  const fd = openDirectory(folder);
  if (fd < 0) return folder === dirname(folder) ? undefined : foldersOf(dirname(folder));
  try {
    const found = fstat(fd);
    const device = typeof found === "number" ? "" : deviceOf(found);
    return { device, ...foldersFrom(fd) };
  } finally {
    closeFd(fd);
  }
}
