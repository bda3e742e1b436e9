// Watches of a mount (MNT-20, MNT-21): who asks for them, and what each is told, in order.
//
//   MountWatch ─▶ STARTING ── all its folders are watched ─▶ TOLD of events ── MountUnwatch, GONE ──▶ over
//                     └── a folder is not: the request fails ──────────────────────────────────────────▲
//
// The kernel's inotify has the events (watch-instance.ts); which folders they are of is in watched-folders.ts, and how
// folders come to be watched in watch-looks.ts. Of a folder that is not watched after all, OVERFLOW is told.
//
// Events stay in the kernel while replies wait for room in the ring: past its queue it says OVERFLOW itself, and then
// all folders are looked for again. Events are taken some at a time, as are names that were found.
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
import { WatchBits, type WatchEvent } from "@ringway/linux";
import type { DiskResult } from "../../../disk/operations.ts";
import { refusal } from "../../../policy/refusal.ts";
import { Counter } from "../../../reactor/counters.ts";
import { explainFailure } from "../access.ts";
import type { MountCore } from "./core.ts";
import { below, wireEvents } from "./events.ts";
import { decide } from "./places.ts";
import { WatchInstance } from "./watch-instance.ts";
import { type LooksOwner, WatchLooks } from "./watch-looks.ts";
import { ITSELF, type Watch, WatchedFolders } from "./watched-folders.ts";

const { GONE, OVERFLOW } = m.MountEventBits;

const NO_ROOM: Refusal = refusal(Errno.ENOSPC, "as many folders are watched as a guest may");
/** MountWatch may be asked so often at once: each event is told to each of them. */
const WATCHES_MAX = 64;
/** A folder that appears has up to 4096 entries, and each of them a path. */
const EVENT_BYTES_MAX = 1024 * 1024;
/** The host watches no other folder. */
const IS_SHORT: ReadonlySet<number> = new Set([Errno.ENOSPC, Errno.EMFILE, Errno.ENFILE, Errno.ENOMEM]);

export class MountWatches implements LooksOwner {
  readonly #core: MountCore;
  readonly #instance: WatchInstance;
  readonly #folders: WatchedFolders;
  readonly #looks: WatchLooks;
  readonly #watches: Map<number, Watch> = new Map();
  #starting = 0;
  #next = 1;
  #tree: number;

  constructor(core: MountCore) {
    this.#core = core;
    this.#instance = new WatchInstance(core);
    this.#folders = new WatchedFolders(core, this.#instance);
    this.#looks = new WatchLooks(core, this.#instance, this.#folders, this);
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
        this.end(watch);
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
    const wrong = tooMany ?? this.#instance.begin() ?? core.stream.guest.budget.takeWatch();
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
    this.#looks.begin(watch, target);
  }

  #tooMany(): Refusal {
    const { host, stream } = this.#core;
    host.counters.add(Counter.quotaWatches);
    stream.guest.account.tally.hit(Counter.quotaWatches);
    return NO_ROOM;
  }

  /** Takes a MountWatch back that waits for its turn to be looked at. */
  cancel(requestId: number): boolean {
    return this.#looks.cancel(requestId);
  }

  /** Some of what is behind (WatchLooks). False: nothing is. */
  catchUp(): boolean {
    return this.#looks.catchUp();
  }

  /** Looks at the next folder, where there is one, and room for what is told of it. */
  lookOn(): void {
    this.#looks.lookOn();
  }

  // ── For the looks ───────────────────────────────────────────────────────────────────────────────────────────────

  failed(watch: Watch, result: DiskResult): void {
    const core = this.#core;
    const { requestId } = watch;
    const { errno } = result;
    if (requestId === undefined) {
      this.tell(watch, OVERFLOW, 0, ITSELF);
      // What changes there would not be told of, ever.
      if (!IS_SHORT.has(errno)) return;
      this.tell(watch, GONE, 0, ITSELF);
      this.end(watch);
      return;
    }
    this.end(watch);
    if (errno === Errno.ENOSPC) core.fail(requestId, NO_ROOM);
    else core.fail(requestId, explainFailure(core.stream.guest, Protocol.MOUNT, watch.shown, result));
  }

  started(watch: Watch): void {
    const { requestId } = watch;
    if (watch.isAnew) this.tell(watch, OVERFLOW, 0, ITSELF);
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

  // ── Events ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes some events, where there may be any and nothing waits for room. True: there were some. */
  pump(): boolean {
    this.#judgeAnew();
    if (this.catchUp()) return true;
    this.lookOn();
    // Those of a watch that is just begun come after its answer.
    const events = this.#starting > 0 ? [] : this.#instance.take();
    for (const event of events) this.#event(event);
    return events.length > 0;
  }

  #event({ watch: number, bits, cookie, name }: WatchEvent): void {
    if ((bits & WatchBits.OVERFLOW) !== 0) {
      for (const watch of [...this.#watches.values()]) {
        this.tell(watch, OVERFLOW, 0, ITSELF);
        if (watch.deep) this.#looks.anew(watch);
      }
      return;
    }
    for (const { watch, path } of this.#folders.usesOf(number)) {
      if ((bits & WatchBits.IGNORED) !== 0) this.#ignored(watch, path);
      // Of a folder below itself its own folder tells.
      else if (name.length > 0 || path.length === 0) this.#changed(watch, below(path, name), bits, cookie);
    }
    if ((bits & WatchBits.IGNORED) !== 0) this.#folders.forget(number);
  }

  #changed(watch: Watch, path: Uint8Array, bits: number, cookie: number): void {
    const events = wireEvents(bits);
    if (events === 0) return;
    this.tell(watch, events, cookie, path);
    if (!watch.deep || (bits & WatchBits.IS_FOLDER) === 0 || path.length === 0) return;
    if ((bits & (WatchBits.MOVED_FROM | WatchBits.REMOVED)) !== 0) this.#folders.leave(watch, path);
    if ((bits & (WatchBits.CREATED | WatchBits.MOVED_TO)) !== 0) this.#looks.appeared(watch, path, true);
  }

  /** The kernel has ended one of its watches: what it was on is gone. */
  #ignored(watch: Watch, path: Uint8Array): void {
    this.#folders.ignored(watch, path);
    if (path.length > 0) return;
    this.tell(watch, GONE, 0, ITSELF);
    this.end(watch);
  }

  tell(watch: Watch, events: number, cookie: number, path: Uint8Array): void {
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
      this.tell(watch, GONE, 0, ITSELF);
      this.end(watch);
    }
  }

  end(watch: Watch): void {
    if (watch.isOver) return;
    watch.isOver = true;
    if (watch.requestId !== undefined) this.#answered(watch);
    this.#watches.delete(watch.id);
    this.#folders.removeAll(watch);
  }

  /** The stream is over. */
  dispose(): void {
    for (const watch of [...this.#watches.values()]) this.end(watch);
    this.#looks.dispose();
  }
}
