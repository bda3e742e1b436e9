// Which folders a mount's watches are about, and which of inotify's numbers each has (watches.ts). A watch of all below
// has a number for each folder; two watches of one folder share its number.
//
// Invariant: each folder of a watch is one of the key's watches (Budget), from its number's add() until its remove().
//
//   add() ──▶ told of by its number ── nobody's any more ──▶ TO DROP ── dropSome() ──▶ ended
//                                                               └── add(): somebody's again

import type { GuestName } from "../../../policy/paths.ts";
import type { MountCore } from "./core.ts";
import { keyOf } from "./events.ts";
import type { WatchInstance } from "./watch-instance.ts";

/** The path, within a watch, of what is watched. */
export const ITSELF: Uint8Array = new Uint8Array(0);
const ROOT = keyOf(ITSELF);
/** Watches that are dropped before others get their turn. */
const PIECE = 32;

export interface Watch {
  readonly id: number;
  readonly names: readonly GuestName[];
  readonly shown: string;
  readonly deep: boolean;
  /** Of what is watched; "" until it is. */
  identity: string;
  /** By path, keyOf(): inotify's numbers. */
  readonly folders: Map<string, number>;
  /** Folders of it that are to be looked at. */
  looking: number;
  /** The request that is answered when all are; undefined once it is. */
  requestId: number | undefined;
  isOver: boolean;
  /** All below is looked for again: what changes there meanwhile is told by nobody, so OVERFLOW follows. */
  isAnew: boolean;
  /** MountCore.flushes when OVERFLOW was told last. */
  overflowAt: number;
}

/** What one of inotify's numbers is, for whom. */
export interface Use {
  readonly watch: Watch;
  readonly path: Uint8Array;
}

export class WatchedFolders {
  readonly #core: MountCore;
  readonly #instance: WatchInstance;
  readonly #uses: Map<number, Use[]> = new Map();
  /** Of inotify's numbers, those that may be nobody's. */
  readonly #toDrop: number[] = [];

  constructor(core: MountCore, instance: WatchInstance) {
    this.#core = core;
    this.#instance = instance;
  }

  /** Who is to be told of an event of this number. */
  usesOf(number: number): readonly Use[] {
    return [...(this.#uses.get(number) ?? [])];
  }

  /** A folder that was taken from the budget is watched, under this number. */
  add(watch: Watch, path: Uint8Array, number: number): void {
    const key = keyOf(path);
    // It may be watched already.
    if (watch.folders.get(key) === number) {
      this.#core.stream.guest.budget.giveWatch();
      return;
    }
    this.#remove(watch, key);
    watch.folders.set(key, number);
    const uses = this.#uses.get(number);
    if (uses === undefined) this.#uses.set(number, [{ watch, path }]);
    else uses.push({ watch, path });
  }

  /** The kernel has ended its watch of this folder, and tells nothing more of the number. */
  ignored(watch: Watch, path: Uint8Array): void {
    if (watch.folders.delete(keyOf(path))) this.#core.stream.guest.budget.giveWatch();
  }

  /** After ignored() for all uses of the number. */
  forget(number: number): void {
    this.#uses.delete(number);
  }

  /** A folder is called otherwise now: it and those below are not told of by their old paths. */
  leave(watch: Watch, path: Uint8Array): void {
    const folder = keyOf(path);
    // Of one that is not watched, nothing below is: as of one that was removed, whose own end came before.
    if (!watch.folders.has(folder)) return;
    const prefix = `${folder}/`;
    for (const key of [...watch.folders.keys()]) {
      if (key === folder || key.startsWith(prefix)) this.#remove(watch, key);
    }
  }

  removeBelow(watch: Watch): void {
    for (const key of [...watch.folders.keys()]) if (key !== ROOT) this.#remove(watch, key);
  }

  removeAll(watch: Watch): void {
    for (const key of [...watch.folders.keys()]) this.#remove(watch, key);
  }

  #remove(watch: Watch, key: string): void {
    const number = watch.folders.get(key);
    if (number === undefined) return;
    watch.folders.delete(key);
    this.#core.stream.guest.budget.giveWatch();
    const left = (this.#uses.get(number) ?? []).filter(
      (use) => use.watch !== watch || keyOf(use.path) !== key,
    );
    if (left.length > 0) this.#uses.set(number, left);
    else {
      this.#uses.delete(number);
      this.drop(number);
    }
  }

  /**
   * Nobody is told of it any more, for now. Ended later: a folder that is looked at may have the same number, and a
   * watch of all below has thousands.
   */
  drop(number: number): void {
    if (!this.#core.isOver) this.#toDrop.push(number);
  }

  get hasDrops(): boolean {
    return this.#toDrop.length > 0;
  }

  /** Ends some of those that are nobody's. Not while a folder is looked at. */
  dropSome(): void {
    for (const number of this.#toDrop.splice(-PIECE)) {
      if (!this.#uses.has(number)) this.#instance.remove(number);
    }
  }
}
