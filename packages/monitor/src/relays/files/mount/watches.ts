// Watches of a mount (MNT-20, MNT-21): one inotify instance, which the host's kernel fills for whoever changes what.
//
// A watch of all below has one of inotify's for each folder. A folder that appears is watched first, and then told with
// everything found in it. What was watched is sought by its guest path when a folder below it appears; where another is
// called so by then, or anything else keeps a folder from being watched, that is OVERFLOW.
//
// Events stay in the kernel while replies wait for room in the ring: past its queue it says OVERFLOW itself, and then
// all folders are looked for again. Folders are looked at one at a time, and what was found in one is taken some names
// at a time, as are events, and what is watched no more. Bounded: folders that are watched, by key.
//
//   epoll: ready ─▶ not watched ─▶ read, as the ring has room ─▶ empty: watched again
//
// Of one batch of the kernel's, and of one folder, EVENT_BYTES_MAX wait for room here; what is past that is OVERFLOW of
// its watch, once.

import {
  Errno,
  type Frame,
  mountMessages as m,
  PATH_MAX_BYTES,
  Protocol,
  type Refusal,
} from "@ringway/control";
import {
  createInotify,
  EPOLLIN,
  errnoOf,
  readWatchEvents,
  removeWatch,
  WatchBits,
  type WatchEvent,
} from "@ringway/linux";
import type { Watched } from "../../../disk/mount/watch.ts";
import { WatchedEntriesReader } from "../../../disk/mount/watched-entries.ts";
import type { DiskResult } from "../../../disk/operations.ts";
import type { GuestName } from "../../../policy/paths.ts";
import { refusal } from "../../../policy/refusal.ts";
import { Counter } from "../../../reactor/counters.ts";
import { closeOnDisk, explainFailure } from "../access.ts";
import type { MountCore } from "./core.ts";
import { below, keyOf, wireEvents } from "./events.ts";
import { decide, type Target } from "./places.ts";

const { CREATED, FOLDER, GONE, OVERFLOW } = m.MountEventBits;

const NO_ROOM: Refusal = refusal(Errno.ENOSPC, "as many folders are watched as a guest may");
/** MountWatch may be asked so often at once: each event is told to each of them. */
const WATCHES_MAX = 64;
/** A folder that appears has up to 4096 entries, and each of them a path. */
const EVENT_BYTES_MAX = 1024 * 1024;
/** No request's id: none takes it back. So it is once the first folder of a MountWatch has been looked at. */
const NOBODY = -1;
const ITSELF = new Uint8Array(0);
const ROOT = keyOf(ITSELF);
/** The host watches no other folder. */
const IS_SHORT: ReadonlySet<number> = new Set([Errno.ENOSPC, Errno.EMFILE, Errno.ENFILE, Errno.ENOMEM]);
/** Names or events that are taken, or watches that are dropped, before others get their turn. */
const PIECE = 32;

interface Watch {
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

/** What one of inotify's numbers is, for whom. */
interface Use {
  readonly watch: Watch;
  readonly path: Uint8Array;
}

export class MountWatches {
  readonly #core: MountCore;
  #inotify = -1;
  #slot = -1;
  /** There may be events: it is not watched meanwhile. */
  #isReady = false;
  readonly #watches: Map<number, Watch> = new Map();
  readonly #uses: Map<number, Use[]> = new Map();
  readonly #looks: Look[] = [];
  #isLooking = false;
  #found: Found | undefined;
  /** Of the kernel's batch, those that are not taken yet; the last came first. */
  #events: WatchEvent[] = [];
  /** Of inotify's numbers, those that may be nobody's. */
  readonly #toDrop: number[] = [];
  #starting = 0;
  #next = 1;
  #tree: number;

  constructor(core: MountCore) {
    this.#core = core;
    this.#tree = core.stream.guest.policy.folders.tree;
  }

  serve({ type, requestId, payload }: Frame): boolean {
    switch (type) {
      case m.MountWatch.type:
        this.#watch(requestId, m.MountWatch.decode(payload));
        return true;
      case m.MountUnwatch.type: {
        const { watch: id } = m.MountUnwatch.decode(payload);
        const watch = this.#watches.get(id);
        if (watch === undefined || watch.requestId !== undefined) {
          this.#core.fail(requestId, refusal(Errno.EBADF, `${id} is no watch`));
          return true;
        }
        this.#end(watch);
        this.#core.done(requestId);
        return true;
      }
      default:
        return false;
    }
  }

  #watch(requestId: number, { at, flags, path }: m.MountWatch): void {
    const core = this.#core;
    if (flags > m.MOUNT_WATCH_RECURSIVE) {
      core.fail(requestId, refusal(Errno.EINVAL, `flags ${flags}`));
      return;
    }
    const target = core.find(requestId, at, path, false);
    if (target === undefined) return;
    if (target.place === undefined) {
      core.fail(requestId, refusal(Errno.EOPNOTSUPP, `${target.shown} is a folder of the policy's`));
      return;
    }
    const tooMany = this.#watches.size >= WATCHES_MAX ? this.#tooMany() : undefined;
    const wrong = tooMany ?? this.#begin() ?? core.stream.guest.budget.takeWatch();
    if (wrong !== undefined) {
      core.fail(requestId, wrong);
      return;
    }
    const { names, shown } = target;
    const watch: Watch = {
      ...{ id: this.#next++, names, shown, deep: flags === m.MOUNT_WATCH_RECURSIVE, identity: "" },
      ...{
        folders: new Map<string, number>(),
        looking: 1,
        requestId,
        isOver: false,
        isAnew: false,
        overflowAt: -1,
      },
    };
    this.#watches.set(watch.id, watch);
    this.#starting++;
    // Under way until all is watched.
    core.underWay++;
    if (target.handle !== undefined) target.handle.uses++;
    this.#looks.push({ watch, path: ITSELF, tell: false, target });
    this.lookOn();
  }

  #tooMany(): Refusal {
    this.#core.host.counters.add(Counter.quotaWatches);
    return NO_ROOM;
  }

  /** Makes the instance. */
  #begin(): Refusal | undefined {
    if (this.#inotify >= 0) return undefined;
    const { stream, host } = this.#core;
    const { budget } = stream.guest;
    const tooMany = budget.takeWatcher();
    if (tooMany !== undefined) return tooMany;
    const fd = createInotify();
    if (fd < 0) {
      budget.giveWatcher();
      budget.giveFile();
      return refusal(fd === -Errno.EMFILE ? Errno.ENOSPC : -fd, "the host has no more watches to give");
    }
    try {
      this.#slot = host.reactor.watch(fd, EPOLLIN, { onEvents: () => this.#ready() });
    } catch (error) {
      budget.giveWatcher();
      closeOnDisk(host, stream, fd);
      return refusal(errnoOf(error, Errno.ENOMEM), "the host has no more watches to give");
    }
    this.#inotify = fd;
    return undefined;
  }

  #ready(): void {
    this.#isReady = true;
    this.#core.host.reactor.modify(this.#inotify, 0, this.#slot);
    this.#core.stream.perform(() => this.#core.stream.run());
  }

  /** Takes a MountWatch back that waits for its turn to be looked at. */
  cancel(requestId: number): boolean {
    const at = this.#looks.findIndex(({ watch, target }) => target && watch.requestId === requestId);
    const look = this.#looks[at];
    if (look === undefined) return false;
    this.#looks.splice(at, 1);
    this.#end(look.watch);
    this.#looked(look, undefined);
    return true;
  }

  // ── Looking at folders ──────────────────────────────────────────────────────────────────────────────────────────

  /** Looks at the next folder, where there is one, and room for what is told of it. */
  lookOn(): void {
    while (!this.#isLooking && this.#found === undefined && this.#toDrop.length === 0) {
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
      this.#end(watch);
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
      inotify: this.#inotify,
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
        if (result === undefined) this.#end(watch);
        if (core.isOver || result === undefined) this.#looked(look, undefined);
        if (core.isOver) this.#close();
        else this.lookOn();
      },
    });
  }

  /** Without a result: nobody wants to know any more. */
  #looked(look: Look, result: DiskResult | undefined): void {
    const { watch, target } = look;
    const { budget } = this.#core.stream.guest;
    watch.looking--;
    if (target?.handle !== undefined) this.#core.used(target.handle);
    const watched = result?.watched;
    if (watch.isOver || watched === undefined) budget.giveWatch();
    else this.#add(look, watched);
    if (watch.isOver) {
      if (watched !== undefined) this.#drop(watched.watch);
      return;
    }
    if (result !== undefined && result.errno !== 0) this.#failed(watch, result);
    else if (watch.looking === 0) this.#started(watch);
  }

  #failed(watch: Watch, result: DiskResult): void {
    const core = this.#core;
    const { requestId } = watch;
    const { errno } = result;
    if (requestId === undefined) {
      this.#tell(watch, OVERFLOW, 0, ITSELF);
      // What changes there would not be told of, ever.
      if (!IS_SHORT.has(errno)) return;
      this.#tell(watch, GONE, 0, ITSELF);
      this.#end(watch);
      return;
    }
    this.#end(watch);
    if (errno === Errno.ENOSPC) core.fail(requestId, NO_ROOM);
    else core.fail(requestId, explainFailure(core.stream.guest, Protocol.MOUNT, watch.shown, result));
  }

  #started(watch: Watch): void {
    const { requestId } = watch;
    if (watch.isAnew) this.#tell(watch, OVERFLOW, 0, ITSELF);
    watch.isAnew = false;
    if (requestId === undefined) return;
    this.#answered(watch);
    this.#core.reply(m.MountWatching, requestId, { watch: watch.id });
  }

  #answered(watch: Watch): void {
    watch.requestId = undefined;
    this.#starting--;
    this.#core.underWay--;
  }

  #add(look: Look, { watch: number, identity, entries, more }: Watched): void {
    const { watch, path } = look;
    if (path.length === 0) watch.identity = identity;
    const key = keyOf(path);
    // It may be watched already.
    if (watch.folders.get(key) === number) this.#core.stream.guest.budget.giveWatch();
    else {
      this.#remove(watch, key);
      watch.folders.set(key, number);
      const uses = this.#uses.get(number);
      if (uses === undefined) this.#uses.set(number, [{ watch, path }]);
      else uses.push({ watch, path });
    }
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
    if (this.#isLooking || this.#toDrop.length === 0) return false;
    for (const number of this.#toDrop.splice(-PIECE)) {
      if (!this.#uses.has(number)) removeWatch(this.#inotify, number);
    }
    return true;
  }

  /** True: that was all. */
  #take({ look: { watch, path, tell }, entries, more }: Found): boolean {
    for (let left = PIECE; left > 0; left--) {
      const found = watch.isOver ? undefined : entries.next();
      if (found === undefined) {
        if (more && tell && !watch.isOver) this.#tell(watch, OVERFLOW, 0, ITSELF);
        return true;
      }
      const { name, isFolder } = found;
      const entry = below(path, name);
      if (tell) this.#tell(watch, isFolder ? CREATED | FOLDER : CREATED, 0, entry);
      // Where one is too many they all are, and OVERFLOW stands for the rest.
      if (isFolder && !this.#appeared(watch, entry, tell)) return true;
    }
    return false;
  }

  #foundAll(watch: Watch): void {
    this.#found = undefined;
    watch.looking--;
    if (!watch.isOver && watch.looking === 0) this.#started(watch);
  }

  /** A folder is there that is to be watched too. False: it cannot be, and that is told. */
  #appeared(watch: Watch, path: Uint8Array, tell: boolean): boolean {
    if (path.length > PATH_MAX_BYTES) {
      this.#failed(watch, { errno: Errno.ENAMETOOLONG, value: 0 });
      return true;
    }
    const tooMany = this.#core.stream.guest.budget.takeWatch();
    if (tooMany !== undefined) {
      this.#failed(watch, { errno: Errno.ENOSPC, value: 0 });
      return false;
    }
    watch.looking++;
    this.#looks.push({ watch, path, tell, target: undefined });
    return true;
  }

  // ── Events ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes some events, where there may be any and nothing waits for room. True: there were some. */
  pump(): boolean {
    this.#judgeAnew();
    if (this.catchUp()) return true;
    this.lookOn();
    // Those of a watch that is just begun come after its answer.
    if (!this.#isReady || this.#starting > 0) return false;
    if (this.#events.length === 0) {
      const events = readWatchEvents(this.#inotify);
      if (typeof events === "number") throw new Error(`reading inotify failed: ${events}`);
      // The last is the first that came.
      this.#events = events.reverse();
    }
    if (this.#events.length === 0) {
      this.#isReady = false;
      this.#core.host.reactor.modify(this.#inotify, EPOLLIN, this.#slot);
      return false;
    }
    for (const event of this.#events.splice(-PIECE).reverse()) this.#event(event);
    return true;
  }

  #event({ watch: number, bits, cookie, name }: WatchEvent): void {
    if ((bits & WatchBits.OVERFLOW) !== 0) {
      for (const watch of [...this.#watches.values()]) {
        this.#tell(watch, OVERFLOW, 0, ITSELF);
        if (watch.deep) this.#lookAnew(watch);
      }
      return;
    }
    for (const { watch, path } of [...(this.#uses.get(number) ?? [])]) {
      if ((bits & WatchBits.IGNORED) !== 0) this.#ignored(watch, path);
      // Of a folder below itself its own folder tells.
      else if (name.length > 0 || path.length === 0) this.#changed(watch, below(path, name), bits, cookie);
    }
    if ((bits & WatchBits.IGNORED) !== 0) this.#uses.delete(number);
  }

  /** Nobody has told which folders went or came: all below are forgotten, and found again. */
  #lookAnew(watch: Watch): void {
    for (const key of [...watch.folders.keys()]) if (key !== ROOT) this.#remove(watch, key);
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
    this.#appeared(watch, ITSELF, false);
  }

  #changed(watch: Watch, path: Uint8Array, bits: number, cookie: number): void {
    const events = wireEvents(bits);
    if (events === 0) return;
    this.#tell(watch, events, cookie, path);
    if (!watch.deep || (bits & WatchBits.IS_FOLDER) === 0 || path.length === 0) return;
    if ((bits & (WatchBits.MOVED_FROM | WatchBits.REMOVED)) !== 0) this.#leave(watch, path);
    if ((bits & (WatchBits.CREATED | WatchBits.MOVED_TO)) !== 0) this.#appeared(watch, path, true);
  }

  /** The kernel has ended one of its watches: what it was on is gone. */
  #ignored(watch: Watch, path: Uint8Array): void {
    if (watch.folders.delete(keyOf(path))) this.#core.stream.guest.budget.giveWatch();
    if (path.length > 0) return;
    this.#tell(watch, GONE, 0, ITSELF);
    this.#end(watch);
  }

  /** A folder is called otherwise now: it and those below are not told of by their old paths. */
  #leave(watch: Watch, path: Uint8Array): void {
    const folder = keyOf(path);
    // Of one that is not watched, nothing below is: as of one that was removed, whose own end came before.
    if (!watch.folders.has(folder)) return;
    const prefix = `${folder}/`;
    for (const key of [...watch.folders.keys()]) {
      if (key === folder || key.startsWith(prefix)) this.#remove(watch, key);
    }
  }

  #tell(watch: Watch, events: number, cookie: number, path: Uint8Array): void {
    const core = this.#core;
    const isTooMuch = core.eventBytes > EVENT_BYTES_MAX && (events & (GONE | OVERFLOW)) === 0;
    if (isTooMuch && watch.overflowAt === core.flushes) return;
    const isTold = !isTooMuch && path.length <= PATH_MAX_BYTES;
    const told = isTold ? { events, cookie, path } : { events: OVERFLOW, cookie: 0, path: ITSELF };
    if (told.events === OVERFLOW) watch.overflowAt = core.flushes;
    core.event({ watch: watch.id, ...told });
  }

  // ── Ends ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** After a change of the policy, what it does not allow is watched no more. */
  #judgeAnew(): void {
    const { matcher, folders } = this.#core.stream.guest.policy;
    // One that is just begun is judged as soon as it is watched: before that no event is told of any.
    if (folders.tree === this.#tree || this.#starting > 0) return;
    this.#tree = folders.tree;
    for (const watch of [...this.#watches.values()]) {
      if (decide(matcher, watch.names, false).allowed) continue;
      this.#tell(watch, GONE, 0, ITSELF);
      this.#end(watch);
    }
  }

  #end(watch: Watch): void {
    if (watch.isOver) return;
    watch.isOver = true;
    if (watch.requestId !== undefined) this.#answered(watch);
    this.#watches.delete(watch.id);
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
      this.#drop(number);
    }
  }

  /**
   * Nobody is told of it any more, for now. Ended later: a folder that is looked at may have the same number, and a
   * watch of all below has thousands.
   */
  #drop(number: number): void {
    if (!this.#core.isOver) this.#toDrop.push(number);
  }

  /** The stream is over. */
  dispose(): void {
    for (const watch of [...this.#watches.values()]) this.#end(watch);
    this.#found = undefined;
    for (const look of this.#looks.splice(0)) this.#looked(look, undefined);
    if (!this.#isLooking) this.#close();
  }

  /** A worker closes it, and all of its watches with it: that may take a while. */
  #close(): void {
    if (this.#inotify < 0) return;
    const { host, stream } = this.#core;
    const fd = this.#inotify;
    this.#inotify = -1;
    host.reactor.forget(fd, this.#slot);
    stream.guest.budget.giveWatcher();
    closeOnDisk(host, stream, fd);
  }
}
