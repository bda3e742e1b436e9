// The relay of a mount (PROTOCOL.md section 19): requests are taken in order, carried out at the same time, and
// answered as they finish.
//
//   RUNNING ── END, and all before it taken ──▶ ENDING ── nothing under way, all answered ──▶ over
//      └────────────── RESET, a violation, the guest gone ──────────────▶ over: what is under way goes on unanswered
//
// Invariant: while a reply waits for room in the ring no request is taken; so replies are as many as were under way,
// and events no more than one batch.

import { Closed, type Frame, mountMessages as m } from "@ringway/control";
import type { Relay } from "../../../guests/relay.ts";
import type { Stream } from "../../../guests/stream.ts";
import type { GuestName } from "../../../policy/paths.ts";
import type { RelayHost } from "../../host.ts";
import { unknownRequest } from "../../unknown.ts";
import { MountAttributesPart } from "./attributes.ts";
import { CachedReads, Read } from "./cached-reads.ts";
import { MountContents } from "./contents.ts";
import { MountCore } from "./core.ts";
import { MountLocks } from "./locks.ts";
import { MountNames } from "./names.ts";
import { MountWatches } from "./watches.ts";

/** Requests under way at once, as Opened says. */
export const REQUESTS_MAX = 64;
/** Requests served in one step before others get their turn. */
const BUDGET = 32;

/** These give back, so they are served however many requests are under way. */
const GIVE_BACK: ReadonlySet<number> = new Set([
  m.MountRelease.type,
  m.MountCancel.type,
  m.MountUnwatch.type,
]);

interface Part {
  /** False where it is no request of its. */
  serve(frame: Frame): boolean;
}

export class MountRelay implements Relay {
  readonly #stream: Stream;
  readonly #signal: () => void;
  readonly #core: MountCore;
  readonly #locks: MountLocks;
  readonly #watches: MountWatches;
  readonly #reads: CachedReads;
  readonly #parts: readonly Part[];
  readonly #requests;

  constructor(host: RelayHost, stream: Stream, root: readonly GuestName[]) {
    this.#stream = stream;
    this.#signal = stream.signaller();
    this.#core = new MountCore(host, stream, root);
    this.#locks = new MountLocks(this.#core);
    this.#watches = new MountWatches(this.#core);
    this.#parts = [
      new MountContents(this.#core),
      new MountAttributesPart(this.#core, this.#locks),
      new MountNames(this.#core),
      this.#locks,
      this.#watches,
    ];
    this.#requests = stream.frames();
    this.#reads = new CachedReads(this.#core, this.#requests, stream.writer());
  }

  step(): boolean {
    const core = this.#core;
    const { toHost } = this.#stream.pipe;
    for (let budget = BUDGET; ; budget--) {
      // Before the ring: what was put before END is there once END is seen (RING-6).
      const closed = toHost.peerClosed();
      if (closed === Closed.RESET) {
        this.#stream.reset();
        return false;
      }
      if (!this.#flush()) return false;
      if (core.isEnding) {
        // A watch that was asked for before is answered when its folders are watched.
        const wasBehind = this.#watches.catchUp();
        this.#watches.lookOn();
        if (wasBehind && (budget <= 0 || !this.#stream.guest.share.mayGoOn())) return true;
        if (wasBehind || core.replies.length > 0) continue;
        if (core.underWay + core.uncounted === 0) this.#stream.end();
        return false;
      }
      if (budget <= 0 || !this.#stream.guest.share.mayGoOn()) return true;
      if (this.#watches.pump()) continue;
      const isFull = core.underWay >= REQUESTS_MAX;
      const read = isFull ? Read.OTHER : this.#reads.next(budget);
      if (read === Read.ANSWERED) {
        budget -= this.#reads.answered - 1;
        continue;
      }
      if (read === Read.WAITS) return false;
      // Past the number all but these wait in the ring (MNT-3).
      const frame = this.#requests.next(this.#signal, isFull ? GIVE_BACK : undefined);
      if (frame !== undefined) this.#serve(frame);
      else if (closed === Closed.END && !isFull) {
        this.#requests.end();
        core.isEnding = true;
        this.#locks.cancelAll();
      } else if (core.replies.length === 0) return false;
      if (core.isOver) return false;
    }
  }

  #serve(frame: Frame): void {
    const { type, requestId } = frame;
    const { budget } = this.#stream.guest;
    const tooMany = GIVE_BACK.has(type) ? undefined : budget.tooManyRequests;
    if (tooMany !== undefined) this.#core.fail(requestId, tooMany);
    else if (type === m.MountCancel.type) this.#cancel(requestId, m.MountCancel.decode(frame.payload).id);
    else if (!this.#parts.some((part) => part.serve(frame))) {
      this.#core.fail(requestId, unknownRequest(type));
    }
  }

  /** What waits is answered before the Done; a lock that is just asked for, when that is known. */
  #cancel(requestId: number, id: number): void {
    const core = this.#core;
    if (this.#takeBack(id)) {
      core.cancelled(id);
      core.done(requestId);
    } else if (!this.#locks.cancelAsking(id, () => core.done(requestId))) core.done(requestId);
  }

  #takeBack(id: number): boolean {
    for (const waiting of this.#core.waiting) if (waiting.requestId === id && waiting.cancel()) return true;
    return this.#watches.cancel(id);
  }

  /** False: replies wait for room. */
  #flush(): boolean {
    const { replies } = this.#core;
    if (replies.length === 0) return true;
    if (!replies.flush()) return false;
    this.#core.flushed();
    return true;
  }

  dispose(): void {
    const core = this.#core;
    if (core.isOver) return;
    core.isOver = true;
    core.replies.drop();
    this.#watches.dispose();
    this.#locks.cancelAll();
    for (const waiting of [...core.waiting]) waiting.cancel();
    for (const handle of core.handles.all()) if (handle.over === undefined) core.release(handle, () => {});
  }
}
