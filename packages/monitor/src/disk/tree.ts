// The guest's tree, as a disk worker sees it: where in it the roots of a policy lie, and which folders of the host are
// roots. Made from Roots once for each policy, on each worker; `tree` in an operation is the number that the reactor
// gave it.

import { type PathLike, ResolveFlags } from "@ringway/linux";
import type { Identity, Root, Roots, SocketFolder } from "./roots.ts";

/** A place in the guest's tree that is a root, or lies above one. */
export interface TreeNode {
  readonly children: ReadonlyMap<string, TreeNode>;
  readonly root: TreeRoot | undefined;
}

/** Who decides what may be changed, and whether it may. */
export interface Guard {
  readonly writable: boolean;
  readonly rule: string;
}

export interface TreeRoot extends Root {
  /** Among the tree's. */
  readonly index: number;
  /** For one component, or a path without symbolic links: the kernel's own guard. */
  readonly resolve: number;
  /** That of all rules for this very folder: one that is read-only keeps it so for all. */
  readonly guard: Guard;
}

export interface Tree {
  readonly roots: readonly TreeRoot[];
  readonly top: TreeNode;
  readonly guards: ReadonlyMap<Identity, Guard>;
  /** Those whose folders could be had; of several on one folder, any. */
  readonly byIdentity: ReadonlyMap<Identity, TreeRoot>;
  readonly nodeSystems: readonly string[];
  /** The guest is to learn nothing of rules: neither of those whose folders cannot be had. */
  readonly hides: boolean;
  readonly sockets: readonly SocketFolder[];
}

const trees: Map<number, Tree> = new Map();

export function addTree(id: number, roots: Roots, hides: boolean): void {
  trees.set(id, compile(roots, hides));
}

export function removeTree(id: number): void {
  trees.delete(id);
}

/** Undefined: its policy is gone, or was never there. */
export function treeOf(id: number): Tree | undefined {
  return trees.get(id);
}

function compile({ roots, nodeSystems, sockets }: Roots, hides: boolean): Tree {
  const guards = new Map<Identity, Guard>();
  for (const { fd, identity, access, rule } of roots) {
    if (fd < 0 || guards.get(identity)?.writable === false) continue;
    guards.set(identity, { writable: access === "rw", rule });
  }
  const compiled = roots.map((root, index): TreeRoot => {
    const guard = guards.get(root.identity) ?? { writable: false, rule: root.rule };
    const mounts = root.crossMounts ? 0 : ResolveFlags.NO_CROSS_DEVICE;
    const { BENEATH, NO_SYMLINKS, NO_MAGIC_LINKS } = ResolveFlags;
    return { ...root, index, guard, resolve: BENEATH | NO_SYMLINKS | NO_MAGIC_LINKS | mounts };
  });
  const there = compiled.filter(({ fd }) => fd >= 0);
  const byIdentity = new Map(there.map((root) => [root.identity, root]));
  // One that lies within another's tree keeps its place: what that other has there is not the rule's.
  const isPlaced = (root: TreeRoot): boolean =>
    !hides || root.fd >= 0 || compiled.some((other) => other.fd >= 0 && liesWithin(root, other));
  const top = branch(compiled.filter(isPlaced), 0);
  return { roots: compiled, top, guards, byIdentity, nodeSystems, sockets, hides };
}

/** The place in the guest's tree that a path leads to, while roots may be at or below it. */
export function nodeAt({ top }: Tree, guest: readonly PathLike[]): TreeNode | undefined {
  let node: TreeNode | undefined = top;
  for (const name of guest) {
    node = typeof name === "string" ? node?.children.get(name) : undefined;
  }
  return node;
}

/** In the guest's tree. */
function liesWithin({ guest }: TreeRoot, outer: TreeRoot): boolean {
  return guest.length > outer.guest.length && outer.guest.every((name, depth) => guest[depth] === name);
}

/** The nodes below a path that all these roots have in common. */
function branch(roots: readonly TreeRoot[], depth: number): TreeNode {
  const byName = new Map<string, TreeRoot[]>();
  for (const root of roots) {
    const name = root.guest[depth];
    if (name === undefined) continue;
    const same = byName.get(name);
    if (same === undefined) byName.set(name, [root]);
    else same.push(root);
  }
  const children = new Map([...byName].map(([name, same]) => [name, branch(same, depth + 1)]));
  return { children, root: roots.find(({ guest }) => guest.length === depth) };
}
