// Guest folders to the first rule that covers a path: a tree of names, walked as deep as the path goes.

export class FolderTree {
  #rule: number | undefined;
  readonly #below: Map<string, FolderTree> = new Map();

  /** In the order of the rules. */
  add(components: readonly string[], rule: number): void {
    let folder: FolderTree = this;
    for (const component of components) {
      let next = folder.#below.get(component);
      if (next === undefined) {
        next = new FolderTree();
        folder.#below.set(component, next);
      }
      folder = next;
    }
    folder.#rule ??= rule;
  }

  /** The lowest rule whose folder is the path, or above it. */
  find(components: readonly string[]): number | undefined {
    let best = this.#rule;
    let folder: FolderTree | undefined = this;
    for (const component of components) {
      folder = folder.#below.get(component);
      if (folder === undefined) break;
      if (folder.#rule !== undefined && (best === undefined || folder.#rule < best)) best = folder.#rule;
    }
    return best;
  }
}
