// Folders that are to be watched: a worker looks at each, one at a time, and then it is watched (watches.ts).
//
//   appeared ─▶ waits ── its turn, and room for what is told ──▶ LOOKED AT ─▶ watched ─▶ its names, a few at a time
//                                                                    └─▶ failed             └─ a folder: appeared
//
// A folder that appears is watched first, and then told with everything found in it. What was watched is sought by its
// guest path when a folder below it appears; where another is called so by then, or anything else keeps a folder from
// being watched, that is a failure of its watch. Bounded: folders that are watched or wait for that, by key.

import { Errno, mountMessages as m, PATH_MAX_BYTES } from "@ringway/control";
import type { Watched } from "../../../disk/mount/watch.ts";
import { WatchedEntriesReader } from "../../../disk/mount/watched-entries.ts";
import type { DiskResult } from "../../../disk/operations.ts";
import type { MountCore } from "./core.ts";
import { below } from "./events.ts";
import type { Target } from "./places.ts";
import type { WatchInstance } from "./watch-instance.ts";
import { ITSELF, type Watch, type WatchedFolders } from "./watched-folders.ts";

const { CREATED, FOLDER, OVERFLOW } = m.MountEventBits;

/** No request's id: none takes it back. So it is once the first folder of a MountWatch has been looked at. */
const NOBODY = -1;
/** Names that are taken before others get their turn. */
const PIECE = 32;

/** A folder that is to be watched. */
interface Look {
  readonly watch: Watch;
  readonly path: Uint8Array;
  /** Found in something that has appeared: what is in it is told. */
  readonly tell: boolean;
  /** Of the first look of a MountWatch: its handle is in use until then. */
  readonly target: Target | undefined;
}

/** What was found in a folder that is watched, and is not taken yet. */
interface Found {
  readonly look: Look;
  readonly entries: WatchedEntriesReader;
  readonly more: boolean;
}

/** Who is told what comes of it. */
export interface LooksOwner {
  /** All of its folders are watched, for now. */
  started(watch: Watch): void;
  /** One of its folders is not. */
  failed(watch: Watch, result: DiskResult): void;
  tell(watch: Watch, events: number, cookie: number, path: Uint8Array): void;
  /** It is over before it has started: nobody is to be told. */
  end(watch: Watch): void;
}

export class WatchLooks {
  readonly #core: MountCore;
  readonly #instance: WatchInstance;
  readonly #folders: WatchedFolders;
  readonly #owner: LooksOwner;
  readonly #looks: Look[] = [];
  #isLooking = false;
  #found: Found | undefined;

  constructor(core: MountCore, instance: WatchInstance, folders: WatchedFolders, owner: LooksOwner) {
    this.#core = core;
    this.#instance = instance;
    this.#folders = folders;
    this.#owner = owner;
  }

  /** What a MountWatch has named is its first folder, which the watch counts already. */
  begin(watch: Watch, target: Target): void {
    this.#looks.push({ watch, path: ITSELF, tell: false, target });
    this.lookOn();
  }

  /** A folder is there that is to be watched too. False: it cannot be, and that is told. */
  appeared(watch: Watch, path: Uint8Array, tell: boolean): boolean {
    if (path.length > PATH_MAX_BYTES) {
      this.#owner.failed(watch, { errno: Errno.ENAMETOOLONG, value: 0 });
      return true;
    }
    const tooMany = this.#core.stream.guest.budget.takeWatch();
    if (tooMany !== undefined) {
      this.#owner.failed(watch, { errno: Errno.ENOSPC, value: 0 });
      return false;
    }
    watch.looking++;
    this.#looks.push({ watch, path, tell, target: undefined });
    return true;
  }

  /** Nobody has told which folders went or came: all below are forgotten, and found again. */
  anew(watch: Watch): void {
    this.#folders.removeBelow(watch);
    for (const look of this.#looks.splice(0)) {
      if (look.watch !== watch) this.#looks.push(look);
      else {
        watch.looking--;
        this.#core.stream.guest.budget.giveWatch();
      }
    }
    if (this.#found?.look.watch === watch) {
      this.#found = undefined;
      watch.looking--;
    }
    watch.isAnew = true;
    this.appeared(watch, ITSELF, false);
  }

  /** Takes a MountWatch back that waits for its turn to be looked at. */
  cancel(requestId: number): boolean {
    const at = this.#looks.findIndex(({ watch, target }) => target && watch.requestId === requestId);
    const look = this.#looks[at];
    if (look === undefined) return false;
    this.#looks.splice(at, 1);
    this.#owner.end(look.watch);
    this.#looked(look, undefined);
    return true;
  }

  // ── Looking ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Looks at the next folder, where there is one, and room for what is told of it. */
  lookOn(): void {
    while (!this.#isLooking && this.#found === undefined && !this.#folders.hasDrops) {
      const look = this.#looks[0];
      // What it finds is told: not before there is room for what was told.
      if (look === undefined || (look.tell && this.#core.replies.length > 0)) return;
      this.#looks.shift();
      if (look.watch.isOver) this.#looked(look, undefined);
      else this.#look(look);
    }
  }

  #look(look: Look): void {
    const core = this.#core;
    const { watch, path, target, tell } = look;
    const { places } = core;
    const found = target === undefined ? places.named(watch.names, false, false) : places.anew(target);
    if ("errno" in found && target !== undefined) {
      const requestId = watch.requestId!;
      this.#owner.end(watch);
      core.fail(requestId, found);
      this.#looked(look, undefined);
      return;
    }
    if ("errno" in found || found.place === undefined) {
      this.#looked(look, { errno: Errno.EACCES, value: 0 });
      return;
    }
    this.#isLooking = true;
    const { place, handle } = found;
    const { identity, deep } = watch;
    const folder = path.length === 0 ? "." : path;
    const operation = {
      kind: "mount-watch",
      place,
      inotify: this.#instance.fd,
      identity,
      below: folder,
      deep,
      tell,
    } as const;
    core.perform(operation, {
      requestId: target === undefined ? NOBODY : watch.requestId!,
      shown: watch.shown,
      handles: [handle],
      settle: (result) => this.#looked(look, result),
      over: (result) => {
        this.#isLooking = false;
        // No worker had begun it: it was taken back, or the stream is over.
        if (result === undefined) this.#owner.end(watch);
        if (core.isOver || result === undefined) this.#looked(look, undefined);
        if (core.isOver) this.#instance.close();
        else this.lookOn();
      },
    });
  }

  /** Without a result: nobody wants to know any more. */
  #looked(look: Look, result: DiskResult | undefined): void {
    const { watch, target } = look;
    watch.looking--;
    if (target?.handle !== undefined) this.#core.used(target.handle);
    const watched = result?.watched;
    if (watch.isOver || watched === undefined) this.#core.stream.guest.budget.giveWatch();
    else this.#add(look, watched);
    if (watch.isOver) {
      if (watched !== undefined) this.#folders.drop(watched.watch);
      return;
    }
    if (result !== undefined && result.errno !== 0) this.#owner.failed(watch, result);
    else if (watch.looking === 0) this.#owner.started(watch);
  }

  // ── What was found ──────────────────────────────────────────────────────────────────────────────────────────────

  #add(look: Look, { watch: number, identity, entries, more }: Watched): void {
    const { watch, path } = look;
    if (path.length === 0) watch.identity = identity;
    this.#folders.add(watch, path, number);
    if (entries.length === 0 && !more) return;
    watch.looking++;
    this.#found = { look, entries: new WatchedEntriesReader(entries), more };
  }

  /** Some of what is behind: names that were found, watches that are nobody's. False: nothing is. */
  catchUp(): boolean {
    if (this.#found !== undefined) {
      if (this.#take(this.#found)) this.#foundAll(this.#found.look.watch);
      return true;
    }
    if (this.#isLooking || !this.#folders.hasDrops) return false;
    this.#folders.dropSome();
    return true;
  }

  /** True: that was all. */
  #take({ look: { watch, path, tell }, entries, more }: Found): boolean {
    for (let left = PIECE; left > 0; left--) {
      const found = watch.isOver ? undefined : entries.next();
      if (found === undefined) {
        if (more && tell && !watch.isOver) this.#owner.tell(watch, OVERFLOW, 0, ITSELF);
        return true;
      }
      const { name, isFolder } = found;
      const entry = below(path, name);
      if (tell) this.#owner.tell(watch, isFolder ? CREATED | FOLDER : CREATED, 0, entry);
      // Where one is too many they all are, and OVERFLOW stands for the rest.
      if (isFolder && !this.appeared(watch, entry, tell)) return true;
    }
    return false;
  }

  #foundAll(watch: Watch): void {
    this.#found = undefined;
    watch.looking--;
    if (!watch.isOver && watch.looking === 0) this.#owner.started(watch);
  }

  /** The stream is over, and so are all watches. */
  dispose(): void {
    this.#found = undefined;
    for (const look of this.#looks.splice(0)) this.#looked(look, undefined);
    if (!this.#isLooking) this.#instance.close();
  }
}
