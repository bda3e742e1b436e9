// What a guest may cost the monitor in time, beside what its streams are worth (docs/security.md).
//
//   LookQuota   bells and pending bits behind which there was nothing: past it, the guest is not looked at for a while
//   LineQuota   lines to the log and to the audit log, and their bytes: past it, the guest waits
//   SteadyQuota     bytes of audit lines of what was allowed: past it, the guest waits
//   OperationQuota  operations on disk: past it, they wait
//   LookupQuota     lookups that the main thread begins, where other keys have guests: past it, they wait
//   TimeSlice   where several guests want the thread, each key has the same share of it in every turn
//
// All are counts and clocks of this thread's own: nothing in them comes from the region.

import type { Limits, RateLimit } from "../policy/types.ts";
import { Bucket } from "./rates.ts";

/** Looks are granted by the interval: a guest that has used its own up waits for the next, so for less than this. */
const LOOK_INTERVAL_MS = 100;
/** What a new epoch costs, in looks: it clears the bells and makes the heap anew. */
export const ATTACH_LOOKS = 50;
/**
 * What a violation on a stream costs, in looks: about 300 in a second, which is what a guest could make that is ended
 * after 64 and comes back five times a second. To begin a new epoch after 63 gets around nothing.
 */
export const VIOLATION_LOOKS = 64;
/** A look that found something pays for itself and for one in vain: bells may come late, or twice (BELL-8). */
const USEFUL_LOOK = 2;

export class LookQuota {
  #granted = 0;
  #left = 0;
  #endMs = 0;

  /** Takes `looks`; false when the guest has used up what it may in this interval. */
  take(looks: number, perSecond: number, nowMs: number): boolean {
    if (nowMs >= this.#endMs) {
      this.#endMs = nowMs + LOOK_INTERVAL_MS;
      this.#granted = Math.ceil((perSecond * LOOK_INTERVAL_MS) / 1000);
      // What is over the quota stays owed: an expensive look is paid for in full.
      this.#left = Math.min(this.#left, 0) + this.#granted;
    }
    this.#left -= looks;
    return this.#left >= 0;
  }

  /** The last look found something to do. */
  useful(): void {
    this.#left = Math.min(this.#granted, this.#left + USEFUL_LOOK);
  }

  /** Milliseconds until the next interval. */
  restMs(nowMs: number): number {
    return Math.max(0, this.#endMs - nowMs);
  }
}

const LINE_INTERVAL_MS = 1000;

/** What a guest may cause in a second. */
type LineLimits = Pick<Limits, "logLines" | "logBytes">;

export class LineQuota {
  #linesLeft = 0;
  #bytesLeft = 0;
  #endMs = 0;

  /** Counts a line of so many bytes. */
  add(bytes: number, limits: LineLimits, nowMs: number): void {
    this.#grant(limits, nowMs);
    this.#linesLeft--;
    this.#bytesLeft -= bytes;
  }

  /**
   * Milliseconds that the guest must wait; 0 where it need not. Then it is to be asked again: a long line may take
   * several seconds' worth.
   */
  restMs(limits: LineLimits, nowMs: number): number {
    this.#grant(limits, nowMs);
    return this.#linesLeft > 0 && this.#bytesLeft > 0 ? 0 : this.#endMs - nowMs;
  }

  /** What was left of a second is gone, what is over the quota stays owed. */
  #grant({ logLines, logBytes }: LineLimits, nowMs: number): void {
    if (nowMs < this.#endMs) return;
    const seconds = Math.floor((nowMs - this.#endMs) / LINE_INTERVAL_MS) + 1;
    this.#endMs += seconds * LINE_INTERVAL_MS;
    this.#linesLeft = Math.min(logLines, this.#linesLeft + seconds * logLines);
    this.#bytesLeft = Math.min(logBytes, this.#bytesLeft + seconds * logBytes);
  }
}

/** For how long there is enough, at least, when who waited goes on. */
const GRAIN_MS = 10;

/** The same without seconds: what is used up comes again bit by bit, and not all at once. */
export class SteadyQuota {
  readonly #bucket: Bucket = new Bucket();

  add(bytes: number, perSecond: number, nowMs: number): void {
    this.#bucket.level({ perSecond, burst: perSecond }, nowMs);
    this.#bucket.add(-bytes);
  }

  /** Milliseconds that the guest must wait; 0 where it need not. Then it is to be asked again. */
  restMs(perSecond: number, nowMs: number): number {
    const level = this.#bucket.level({ perSecond, burst: perSecond }, nowMs);
    return level > 0 ? 0 : GRAIN_MS - (level * 1000) / perSecond;
  }
}

const OPERATION_INTERVAL_MS = 100;

export class OperationQuota {
  #left = 0;
  #endMs = 0;

  /**
   * Takes `cost` of `perSecond`. False: none are left in this interval; nothing is owed for asking, and what is taken
   * beyond the interval's share stays owed.
   */
  take(cost: number, perSecond: number, nowMs: number): boolean {
    this.#grant(perSecond, nowMs);
    if (this.#left <= 0) return false;
    this.#left -= cost;
    return true;
  }

  /** For what turned out to cost more. */
  owe(cost: number, perSecond: number, nowMs: number): void {
    this.#grant(perSecond, nowMs);
    this.#left -= cost;
  }

  /** Milliseconds until the next interval. */
  restMs(nowMs: number): number {
    return Math.max(0, this.#endMs - nowMs);
  }

  #grant(perSecond: number, nowMs: number): void {
    if (nowMs < this.#endMs) return;
    this.#endMs = nowMs + OPERATION_INTERVAL_MS;
    this.#left = Math.min(this.#left, 0) + Math.ceil((perSecond * OPERATION_INTERVAL_MS) / 1000);
  }
}

/**
 * Of one key, beside others. One costs the main thread some 0.1 ms, and what that takes of a processor is no slice's.
 */
const LOOKUPS: RateLimit = { perSecond: 2500, burst: 50 };

export class LookupQuota {
  readonly #bucket: Bucket = new Bucket();

  /** Takes one: 0. Or none, and the milliseconds until there is one. */
  take(nowMs: number): number {
    const level = this.#bucket.level(LOOKUPS, nowMs);
    if (level < 1) return Math.ceil(((1 - level) * 1000) / LOOKUPS.perSecond);
    this.#bucket.add(-1);
    return 0;
  }
}

/**
 * Time of one key in a turn (accounts.ts). Small beside what a person or a program notices, large beside the cost of a
 * turn.
 */
export const SLICE_MS = 0.25;

export class TimeSlice {
  #turn = -1;
  #leftMs = 0;

  /**
   * May the guest go on in this turn, of which its share is `sliceMs`? What it took beyond that in earlier ones is
   * taken off; what it left is gone.
   */
  open(turn: number, sliceMs: number): boolean {
    if (turn !== this.#turn) {
      this.#turn = turn;
      this.#leftMs = Math.min(this.#leftMs, 0) + sliceMs;
    }
    return this.#leftMs > 0;
  }

  spend(ms: number): void {
    this.#leftMs -= ms;
  }
}
