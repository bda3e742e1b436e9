// How fast the guests of a key may be (LIM-2), and how much of the network they may use in all (LIM-3).
//
//   Bucket   fills as time goes on, up to its burst; what moves is taken out of it
//   Rate     a bucket, and who waits for it. Whoever finds too little stands in the row; one timer, for when there is
//            enough again, wakes as many of the row as there is something for, the first first
//
//   may go ── too little ──▶ WAITS ── the timer ──▶ looks again: goes, or stands at the end of the row
//                              └── over ──▶ gone
//
// Guests of a key may have policies of their own: each waits by its own limit, and the timer is for the fastest of
// those. Where a reload gives another limit, who waited by the one before waits by that.
//
// What can be parted takes what there is (take()). What is whole, a datagram or a record, goes where there is room() at
// all, and is told when it has gone (spend()): where it is larger than what there was, it is owed, and the bucket is
// below nothing for a while. All of it is a clock and counts of this thread's own; who has no rate set pays nothing.

import { type RateLimit, UNLIMITED } from "../policy/types.ts";

/** Whoever waits for a rate: a stream. */
export interface Waiter {
  run(): void;
}

/** How the row is woken. */
export type After = (delayMs: number, callback: () => void) => unknown;

/** How often a row is woken, at the most; for as long as this there is enough to go on with each time. */
const WAKE_MS = 10;
/** As many as that share what there is each time, at the most. */
const WOKEN_AT_ONCE = 16;

export class Bucket {
  #left = 0;
  /** Full at first, whatever the burst is. */
  #atMs = Number.NEGATIVE_INFINITY;

  /** What is in it; below 0 where something is owed. */
  level({ perSecond, burst }: RateLimit, nowMs: number): number {
    const gained =
      this.#atMs === Number.NEGATIVE_INFINITY ? burst : ((nowMs - this.#atMs) * perSecond) / 1000;
    this.#left = Math.min(burst, this.#left + gained);
    this.#atMs = nowMs;
    return this.#left;
  }

  add(amount: number): void {
    this.#left += amount;
  }
}

export class Rate {
  readonly #bucket: Bucket = new Bucket();
  /** The least that is worth while. */
  readonly #grain: number;
  /** Each with its limit, the one object of its policy. */
  readonly #row: Map<Waiter, RateLimit> = new Map();
  /** The limit of the first who stood in the row, and whether others have another. */
  #first: RateLimit | undefined;
  #isMixed = false;
  /** The timer that counts, of those that were begun; 0: none. */
  #timer = 0;
  #timers = 0;
  /** What that timer is for. */
  #perSecond = 0;
  /** Who was just woken, and what is left of its part: it takes no other's. */
  #turn: Waiter | undefined;
  #turnLeft = 0;

  constructor(grain: number) {
    this.#grain = grain;
  }

  /** Who waits. */
  get waiting(): number {
    return this.#row.size;
  }

  /**
   * Up to `wanted`, whole; 0: too little is there, and `waiter` is run when it may look again. Where others wait, a
   * part of what there is stays for them.
   */
  take(wanted: number, limit: RateLimit, waiter: Waiter, after: After): number {
    const taken = Math.min(wanted, this.room(limit, waiter, after, wanted));
    this.spend(taken);
    return taken;
  }

  /** What `waiter` may take, where it wants at least `least`; 0: too little is there, and it is run later. */
  room(limit: RateLimit, waiter: Waiter, after: After, least: number = this.#grain): number {
    const level = this.#bucket.level(limit, performance.now());
    const enough = Math.min(this.#grain, least, limit.burst);
    const isTurn = this.#turn === waiter;
    const most = isTurn ? Math.min(level, this.#turnLeft) : level;
    if (most < enough) {
      this.#wait(limit, waiter, after);
      return 0;
    }
    return Math.floor(isTurn ? most : Math.max(enough, most / (1 + this.#row.size)));
  }

  /** So much has gone, where there was room(); what is beyond that is owed. */
  spend(amount: number): void {
    this.#turnLeft -= amount;
    this.#bucket.add(-amount);
  }

  /** Of what was taken, that which was not needed. */
  give(amount: number): void {
    this.#bucket.add(amount);
  }

  /** It waits no more. */
  forget(waiter: Waiter): void {
    this.#row.delete(waiter);
  }

  /** Who waits by the limit `was` waits by `limit` from now on, and looks again as soon as that one allows it. */
  limitChanged(was: RateLimit, limit: RateLimit, after: After): void {
    if (was === limit) return;
    for (const [waiter, its] of this.#row) if (its === was) this.#row.set(waiter, limit);
    if (this.#first === was) this.#first = limit;
    if (was.perSecond === limit.perSecond && was.burst === limit.burst) return;
    this.#timer = 0;
    if (this.#row.size > 0) this.#arm(after);
  }

  #wait(limit: RateLimit, waiter: Waiter, after: After): void {
    if (this.#row.size === 0) {
      this.#first = limit;
      this.#isMixed = false;
    } else if (limit !== this.#first) this.#isMixed = true;
    // Who is there already keeps its place.
    this.#row.set(waiter, limit);
    if (limit.perSecond > this.#perSecond) this.#timer = 0;
    this.#arm(after);
  }

  #arm(after: After): void {
    if (this.#timer !== 0) return;
    const limit = this.#fastest();
    const timer = ++this.#timers;
    this.#timer = timer;
    this.#perSecond = limit.perSecond;
    after(this.#restMs(limit), () => {
      if (this.#timer !== timer) return;
      this.#timer = 0;
      if (limit.perSecond === UNLIMITED) this.#wakeUnlimited(after);
      else this.#wake(limit, after);
    });
  }

  /** Of those who wait: there is somebody. */
  #fastest(): RateLimit {
    if (!this.#isMixed) return this.#first!;
    return [...this.#row.values()].reduce((one, other) => (other.perSecond > one.perSecond ? other : one));
  }

  /** Until there is enough to wake somebody for. */
  #restMs(limit: RateLimit): number {
    const { perSecond, burst } = limit;
    if (perSecond === UNLIMITED) return 1;
    const enough = Math.min(burst, Math.max(this.#grain, (perSecond * WAKE_MS) / 1000));
    const missing = enough - this.#bucket.level(limit, performance.now());
    return Math.max(1, Math.ceil((missing * 1000) / perSecond));
  }

  #wakeUnlimited(after: After): void {
    const woken: Waiter[] = [];
    for (const [waiter, { perSecond }] of this.#row) if (perSecond === UNLIMITED) woken.push(waiter);
    for (const waiter of woken) this.#row.delete(waiter);
    for (const waiter of woken) waiter.run();
    if (this.#row.size > 0) this.#arm(after);
  }

  #wake(limit: RateLimit, after: After): void {
    const level = this.#bucket.level(limit, performance.now());
    const each = Math.max(this.#grain, level / WOKEN_AT_ONCE);
    const most = Math.max(1, Math.floor(level / each));
    // Those who stand there now: who takes its part and wants more is behind them.
    const woken: Waiter[] = [];
    for (const waiter of this.#row.keys()) {
      if (woken.length === most) break;
      woken.push(waiter);
    }
    for (const waiter of woken) this.#row.delete(waiter);
    for (const waiter of woken) {
      this.#turn = waiter;
      this.#turnLeft = level / woken.length;
      waiter.run();
    }
    this.#turn = undefined;
    if (this.#row.size > 0) this.#arm(after);
  }
}

/** Bytes in less than this are not worth a system call. */
export const BYTES_GRAIN = 1024;

/** Of a key, over all of its guests: another attachment gets around none of it. */
export class NetworkUse {
  /** By Direction. */
  readonly bytes: readonly [toHost: Rate, toGuest: Rate] = [new Rate(BYTES_GRAIN), new Rate(BYTES_GRAIN)];
  readonly connections: Rate = new Rate(1);
  readonly datagrams: Rate = new Rate(1);
  readonly lookups: Rate = new Rate(1);
  /** What counts against limits.networkBytes. */
  usedBytes = 0;
  /** The limit that was said to be reached. */
  toldMost: number = Number.NaN;

  /** Nothing of the budget of bytes is used. */
  beginAnew(): void {
    this.usedBytes = 0;
    this.toldMost = Number.NaN;
  }
}
