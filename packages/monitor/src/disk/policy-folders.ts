// The folders of a policy in force: its roots, and the tree that the disk workers know them by. From its making to
// close(), which the policy calls when nobody is judged by it and no operation is under way below a root.

import type { OpenFolders } from "../policy/in-force.ts";
import type { DiskPool } from "./pool.ts";
import { closeRoots, type Root, type Roots, type SocketFolder } from "./roots.ts";

export class PolicyFolders implements OpenFolders {
  readonly tree: number;
  readonly #roots: Roots;
  readonly #disk: DiskPool;
  #closed = false;

  /**
   * Takes the roots over: the loader has opened them, since that may wait for a file system. `hides`: the policy hides
   * its rules from guests.
   */
  constructor(roots: Roots, disk: DiskPool, hides: boolean) {
    this.#roots = roots;
    this.#disk = disk;
    this.tree = disk.addTree(roots, hides);
  }

  root(index: number): Root {
    return this.#roots.roots[index]!;
  }

  socketFolder(index: number): SocketFolder {
    return this.#roots.sockets[index]!;
  }

  /**
   * Once, however often it is called: what a guest that is gone has left to be closed is done under its last policy,
   * which may be over already. The descriptors may be another's by then.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#disk.removeTree(this.tree);
    closeRoots(this.#roots);
  }
}
