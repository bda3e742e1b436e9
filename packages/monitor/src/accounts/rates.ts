// How fast the guests of a key may be (LIM-2), and how much of the network they may use in all (LIM-3).
//
//   Bucket   fills as time goes on, up to its burst; what moves is taken out of it
//   Rate     a bucket, and who waits for it. Whoever finds too little stands in the row; one timer, for when there is
//            enough again, wakes as many of the row as there is something for, the first first
//
//   may go ── too little ──▶ WAITS ── the timer ──▶ looks again: goes, or stands at the end of the row
//                              └── over ──▶ gone
//
// Where a reload gives another limit, the timer is one for that.
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
  readonly #row: Set<Waiter> = new Set();
  /** The timer that counts, of those that were begun; 0: none. */
  #timer = 0;
  #timers = 0;
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

  /** There is another limit, by which who waits looks again as soon as it allows that. */
  limitChanged(limit: RateLimit, after: After): void {
    this.#timer = 0;
    if (this.#row.size > 0) this.#arm(limit, after);
  }

  #wait(limit: RateLimit, waiter: Waiter, after: After): void {
    // Who is there already keeps its place.
    this.#row.add(waiter);
    this.#arm(limit, after);
  }

  #arm(limit: RateLimit, after: After): void {
    if (this.#timer !== 0) return;
    const timer = ++this.#timers;
    this.#timer = timer;
    after(this.#restMs(limit), () => {
      if (this.#timer !== timer) return;
      this.#timer = 0;
      if (limit.perSecond === UNLIMITED) this.#wakeAll();
      else this.#wake(limit, after);
    });
  }

  /** Until there is enough to wake somebody for. */
  #restMs(limit: RateLimit): number {
    const { perSecond, burst } = limit;
    if (perSecond === UNLIMITED) return 1;
    const enough = Math.min(burst, Math.max(this.#grain, (perSecond * WAKE_MS) / 1000));
    const missing = enough - this.#bucket.level(limit, performance.now());
    return Math.max(1, Math.ceil((missing * 1000) / perSecond));
  }

  #wakeAll(): void {
    const woken = [...this.#row];
    this.#row.clear();
    for (const waiter of woken) waiter.run();
  }

  #wake(limit: RateLimit, after: After): void {
    const level = this.#bucket.level(limit, performance.now());
    const each = Math.max(this.#grain, level / WOKEN_AT_ONCE);
    const most = Math.max(1, Math.floor(level / each));
    // Those who stand there now: who takes its part and wants more is behind them.
    const woken: Waiter[] = [];
    for (const waiter of this.#row) {
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
    if (this.#row.size > 0) this.#arm(limit, after);
  }
}

/** Bytes in less than this are not worth a system call. */
const BYTES_GRAIN = 1024;

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
