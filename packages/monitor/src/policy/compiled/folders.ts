// Guest folders to the first rule that covers a path: a tree of names, walked as deep as the path goes.

import { type GuestName, splitPath } from "../paths.ts";
import type { FilesRule } from "../types.ts";

export class FolderTree {
  #rule: number | undefined;
  readonly #below: Map<string, FolderTree> = new Map();
  /** Of #below, once they were asked for. */
  #names: readonly string[] | undefined;

  /** In the order of the rules. */
  add(components: readonly string[], rule: number): void {
    let folder: FolderTree = this;
    for (const component of components) {
      let next = folder.#below.get(component);
      if (next === undefined) {
        next = new FolderTree();
        folder.#below.set(component, next);
        folder.#names = undefined;
      }
      folder = next;
    }
    folder.#rule ??= rule;
  }

  /** Names that lead to rules from a path that none of them covers; none where nothing leads on from there. */
  below(components: readonly GuestName[]): readonly string[] {
    let folder: FolderTree | undefined = this;
    for (const component of components) {
      folder = typeof component === "string" ? folder.#below.get(component) : undefined;
      if (folder === undefined) return [];
    }
    folder.#names ??= [...folder.#below.keys()];
    return folder.#names;
  }

  /** Of its names, those at or below which a rule that `isHad` is the first to cover a path. */
  leadingTo(isHad: (rule: number) => boolean): FolderTree {
    return this.#leadingTo(isHad, undefined) ?? new FolderTree();
  }

  #leadingTo(isHad: (rule: number) => boolean, above: number | undefined): FolderTree | undefined {
    const best = above === undefined || (this.#rule !== undefined && this.#rule < above) ? this.#rule : above;
    const tree = new FolderTree();
    tree.#rule = this.#rule;
    for (const [name, folder] of this.#below) {
      const next = folder.#leadingTo(isHad, best);
      if (next !== undefined) tree.#below.set(name, next);
    }
    return tree.#below.size > 0 || (best !== undefined && isHad(best)) ? tree : undefined;
  }

  /** The lowest rule whose folder is the path, or above it. */
  find(components: readonly GuestName[]): number | undefined {
    let best = this.#rule;
    let folder: FolderTree | undefined = this;
    for (const component of components) {
      folder = typeof component === "string" ? folder.#below.get(component) : undefined;
      if (folder === undefined) break;
      if (folder.#rule !== undefined && (best === undefined || folder.#rule < best)) best = folder.#rule;
    }
    return best;
  }
}

/** Of all rules. */
export function foldersOf(files: readonly FilesRule[]): FolderTree {
  const tree = new FolderTree();
  for (const [index, { guest }] of files.entries()) {
    const path = splitPath(guest);
    if ("problem" in path) throw new TypeError(path.problem);
    tree.add(path.components, index);
  }
  return tree;
}
