// Who asks a disk worker again for a lock that it waits for: of all guests of a key one at a time, in turn.
//
// A lock that waits counts nowhere (MNT-3), so what asking again costs is bounded here: the more wait, the longer each
// waits for its turn. Turns come no more often than leaves most of the key's operations to its other requests. Who may
// have its lock now, as its mount has let one go, is hurried: it asks as soon as no other does, for what let it go has
// paid.
//
//   enter() ──▶ WAITS ── its turn, a while after the one before ──▶ asks ── answered() ──▶ (none)
//   hurry() ──▶ HURRIED ── nobody asks ─────────────────────────────▲
//
// Invariant: neither keeps the other from its turn: who waits goes first once the while is over.

import type { Reactor } from "../../../reactor/reactor.ts";

/** Between two turns, and that no more than one operation in so many is one of them. */
const BETWEEN_MS = 2;
const OPERATIONS_PER_TURN = 10;

export interface Asker {
  /** Operations that its key has in a second. */
  readonly perSecond: number;
  /** Asks; answered() once, when that is known. */
  ask(): void;
}

export class LockTurns {
  readonly #reactor: Pick<Reactor, "after">;
  readonly #waiting: Set<Asker> = new Set();
  readonly #hurried: Set<Asker> = new Set();
  #isAsking = false;
  #rests = false;

  constructor(reactor: Pick<Reactor, "after">) {
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

  answered(): void {
    this.#isAsking = false;
    this.#next();
  }

  #next(): void {
    if (this.#isAsking) return;
    const waiting = this.#rests ? undefined : first(this.#waiting);
    if (waiting !== undefined) this.#rest(waiting.perSecond);
    const next = waiting ?? first(this.#hurried);
    if (next === undefined) return;
    this.leave(next);
    this.#isAsking = true;
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
