// Who asks a disk worker again for a lock that it waits for: of all guests of a key one at a time, in turn. One whose
// disk does not answer is late after a while, and does not keep another from asking; two that are late do, as there are
// no more workers for a key.
//
// A lock that waits counts nowhere (MNT-3), so what asking again costs is bounded here: the more wait, the longer each
// waits for its turn. Turns come no more often than leaves most of the key's operations to its other requests. Who may
// have its lock now, as its mount has let one go, is hurried: it asks as soon as no other does, for what let it go has
// paid.
//
//   enter() ──▶ WAITS ── its turn, a while after the one before ──▶ asks (late) ── answered() ──▶ (none)
//   hurry() ──▶ HURRIED ── nobody asks ─────────────────────────────▲
//
// Invariant: neither keeps the other from its turn: who waits goes first once the while is over.

import type { Reactor } from "../../../reactor/reactor.ts";
import type { Timer } from "../../../reactor/timers.ts";

/** Between two turns, and that no more than one operation in so many is one of them. */
const BETWEEN_MS = 2;
const OPERATIONS_PER_TURN = 10;
/** How long one may ask before another does beside it; and how many may. */
const LATE_MS = 1000;
const ASKING_MAX = 2;

export interface Asker {
  /** Operations that its key has in a second. */
  readonly perSecond: number;
  /** Asks; answered() once, when it is known, or taken back. */
  ask(): void;
}

export class LockTurns {
  readonly #reactor: Pick<Reactor, "after" | "cancel">;
  readonly #waiting: Set<Asker> = new Set();
  readonly #hurried: Set<Asker> = new Set();
  /** Who asks, and when it is late; undefined: it is. */
  readonly #asking: Map<Asker, Timer | undefined> = new Map();
  #rests = false;

  constructor(reactor: Pick<Reactor, "after" | "cancel">) {
    this.#reactor = reactor;
  }

  enter(asker: Asker): void {
    this.#waiting.add(asker);
    this.#next();
  }

  hurry(asker: Asker): void {
    this.#waiting.delete(asker);
    this.#hurried.add(asker);
    this.#next();
  }

  /** It does not want to ask any more. */
  leave(asker: Asker): void {
    this.#waiting.delete(asker);
    this.#hurried.delete(asker);
  }

  answered(asker: Asker): void {
    this.#reactor.cancel(this.#asking.get(asker));
    this.#asking.delete(asker);
    this.#next();
  }

  /** Must the next one wait for one of those who ask? */
  #isBusy(): boolean {
    if (this.#asking.size >= ASKING_MAX) return true;
    for (const late of this.#asking.values()) if (late !== undefined) return true;
    return false;
  }

  #next(): void {
    if (this.#isBusy()) return;
    const waiting = this.#rests ? undefined : first(this.#waiting);
    if (waiting !== undefined) this.#rest(waiting.perSecond);
    const next = waiting ?? first(this.#hurried);
    if (next === undefined) return;
    this.leave(next);
    const late = this.#reactor.after(LATE_MS, () => {
      this.#asking.set(next, undefined);
      this.#next();
    });
    this.#asking.set(next, late);
    next.ask();
  }

  #rest(perSecond: number): void {
    this.#rests = true;
    this.#reactor.after(Math.max(BETWEEN_MS, (1000 * OPERATIONS_PER_TURN) / perSecond), () => {
      this.#rests = false;
      this.#next();
    });
  }
}

const first = (askers: Set<Asker>): Asker | undefined => askers.values().next().value;
