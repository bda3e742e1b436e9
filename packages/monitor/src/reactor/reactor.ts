// The event loop of the relays, on a thread of its own. One turn:
//
//   scan every tenant's bells -> step the ready queues -> timers -> epoll -> hand out its events -> at most one piece
//
// Pieces are what soon() is given (pieces.ts): what has happened is looked at right before each.
//
// Events come before deadlines: a timer fires only when all events that were there after it was due have been handed
// out. Else a process that was stopped for a while would find a time limit over, and not what has happened within it.
//
// It knows tasks and descriptors, and who shares it. Each tenant has a slice of every turn (accounts/quotas.ts): what
// does not fit goes to its own ready queue. Time is charged by marks: whatever works for a tenant ends with charge(),
// and all since the mark before, or since epoll, was that tenant's. Whatever works for nobody, or for somebody who is
// gone, ends with pass(): else the next tenant would pay for it.
//
// It never blocks but in epoll, and there only after it has announced its sleep to every tenant and looked once more
// (PROTOCOL.md BELL-5). Nothing here is asynchronous in JavaScript's sense: this thread's Node loop does not turn.

import { performance } from "node:perf_hooks";
import type { BellReceiver } from "@ringway/control";
import { Epoll, yieldProcessor } from "@ringway/linux";
import { Counter, type Counters } from "./counters.ts";
import { Pieces } from "./pieces.ts";
import { Polling } from "./polling.ts";
import type { TaskQueue } from "./tasks.ts";
import { type Timer, Timers } from "./timers.ts";

/** Whatever has a descriptor in epoll. */
export interface EventSource {
  onEvents(events: number): void;
}

/** Whoever has a share of the thread: bells, a queue of tasks, and a slice of each turn. */
export interface Tenant {
  readonly bells: BellReceiver;
  /**
   * Its bells are not looked at, and it is not told that this thread sleeps: it has used them up for now, or is gone.
   */
  readonly parked: boolean;
  /** Tasks that go on in a later turn. Each tenant has its own: what one has too many of delays no other. */
  readonly ready: TaskQueue;
  /** Has it time left in this turn? */
  readonly mayRun: boolean;
  /** Its slice pays for so much. */
  spend(ms: number): void;
  /** Takes what is pending and steps it. */
  scan(): void;
  /** Rings for what was marked since the last time, where the other side sleeps. */
  flushBell(): void;
}

/**
 * Batches of events that are full, one after the other, before deadlines count all the same: epoll hands events out in
 * the order in which they came, so after these the older ones have been. More descriptors than this tells of are not
 * always ready.
 */
const FULL_BATCHES_MAX = 128;

export class Reactor {
  readonly epoll: Epoll = new Epoll(256);
  readonly counters: Counters;
  readonly #timers: Timers = new Timers();
  readonly #pieces: Pieces = new Pieces();
  readonly #busyPollMs: number;
  #sources: (EventSource | undefined)[] = [];
  #tags: number[] = [];
  #freeSlots: number[] = [];
  #tenants: Tenant[] = [];
  #turn = 0;
  /** Those before #bellsDueEnd. The array stays as long as it once was: no turn makes one. */
  readonly #bellsDue: (Tenant | undefined)[] = [];
  #bellsDueEnd = 0;
  #running = true;
  /** Until this moment, time was charged, or nobody's. */
  #markMs: number = performance.now();
  /** All events of before this moment have been handed out. */
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** Full batches since the last that was not, and when the first of them was asked for. */
  #fullBatches = 0;
  #fullSinceMs = 0;
  readonly #polling: Polling = new Polling();

  constructor(options: { readonly busyPollUs: number; readonly counters: Counters }) {
    this.#busyPollMs = options.busyPollUs / 1000;
    this.counters = options.counters;
  }

  /** Counts turns of the loop. */
  get turn(): number {
    return this.#turn;
  }

  /** Do several share this thread? Then each has its slice of a turn. */
  get shared(): boolean {
    return this.#tenants.length > 1;
  }

  /** All time since the last mark was spent for `tenant`, which pays `price` times as much. */
  charge(tenant: Tenant, price = 1): void {
    if (!this.shared) return;
    const nowMs = performance.now();
    tenant.spend(price * (nowMs - this.#markMs));
    this.#markMs = nowMs;
  }

  /** All time since the last mark was nobody's. */
  readonly pass = (): void => {
    if (this.shared) this.#markMs = performance.now();
  };

  /** Watches `fd`; returns the slot that names it in modify() and unwatch(). Throws SystemError (ENOSPC, ENOMEM). */
  watch(fd: number, events: number, source: EventSource): number {
    const slot = this.#freeSlots.pop() ?? this.#sources.length;
    // The tag tells events of a descriptor that was closed in the same batch from those of its slot's next user.
    const tag = ((this.#tags[slot] ?? 0) + 1) >>> 0;
    this.#tags[slot] = tag;
    this.#sources[slot] = source;
    try {
      this.epoll.add(fd, events, slot, tag);
    } catch (error) {
      this.#sources[slot] = undefined;
      this.#freeSlots.push(slot);
      throw error;
    }
    return slot;
  }

  /** watch() for what is no tenant's: the time of `work` is nobody's. */
  watchForNobody(fd: number, events: number, work: () => void): number {
    const onEvents = (): void => {
      work();
      this.pass();
    };
    return this.watch(fd, events, { onEvents });
  }

  modify(fd: number, events: number, slot: number): void {
    this.epoll.modify(fd, events, slot, this.#tags[slot]!);
  }

  /** Takes `fd` out of epoll, where even a descriptor watched for nothing tells of errors; the slot stays. */
  suspend(fd: number): void {
    this.epoll.delete(fd);
  }

  /** Watches it again. Throws SystemError (ENOSPC, ENOMEM). */
  resume(fd: number, events: number, slot: number): void {
    this.epoll.add(fd, events, slot, this.#tags[slot]!);
  }

  /** Events of `slot` go to another source from now on. */
  rewire(slot: number, source: EventSource): void {
    this.#sources[slot] = source;
  }

  /** Gives up a slot whose descriptor is closed, or about to be: closing takes it out of epoll. */
  unwatch(slot: number): void {
    this.#sources[slot] = undefined;
    this.#tags[slot] = (this.#tags[slot]! + 1) >>> 0;
    this.#freeSlots.push(slot);
  }

  /**
   * As unwatch(), for a descriptor that stays open, or that other processes hold too: closing it would not take it out
   * of epoll.
   */
  forget(fd: number, slot: number): void {
    this.epoll.delete(fd);
    this.unwatch(slot);
  }

  add(tenant: Tenant): void {
    this.#tenants.push(tenant);
    this.#markMs = performance.now();
  }

  remove(tenant: Tenant): void {
    this.#tenants = this.#tenants.filter((other) => other !== tenant);
  }

  /**
   * `tenant` has bells to ring: it is rung when those that are ready now have been stepped, or by its own flushBell()
   * before that. One ring for many streams, and the other side finds them all.
   */
  bellDue(tenant: Tenant): void {
    this.#bellsDue[this.#bellsDueEnd++] = tenant;
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.#timers.add(performance.now() + delayMs, callback);
  }

  cancel(timer: Timer | undefined): void {
    this.#timers.cancel(timer);
  }

  /** Does it in a turn to come, as a piece by itself. It belongs to nobody. */
  soon(run: () => void): void {
    this.#pieces.put(run, this.#tenants.length > 0);
  }

  /** Makes run() return: for good, or so that this thread's Node loop can turn once (finalizers run there). */
  pause(): void {
    this.#running = false;
  }

  /** Returns after pause(). */
  run(): void {
    this.#running = true;
    while (this.#running) {
      this.#turn++;
      this.#scanTenants();
      this.#runReady();
      this.#timers.run(this.#lookedMs, this.pass);
      this.#flushBells();
      // A task or a timer may have called pause(): then it must not sleep first.
      if (this.#running && this.#pieces.isDue()) this.#runPiece();
      else if (!this.#running || this.#anyWork()) this.#dispatch(performance.now());
      else if (!this.#busyPoll()) this.#sleep();
    }
  }

  #flushBells(): void {
    for (let i = 0; i < this.#bellsDueEnd; i++) {
      const tenant = this.#bellsDue[i];
      this.#bellsDue[i] = undefined;
      tenant?.flushBell();
    }
    this.#bellsDueEnd = 0;
  }

  #scanTenants(): void {
    for (const tenant of this.#tenants) if (!tenant.parked && tenant.bells.pending()) tenant.scan();
  }

  #anyPending(): boolean {
    for (const tenant of this.#tenants) if (!tenant.parked && tenant.bells.pending()) return true;
    return false;
  }

  #anyWork(): boolean {
    for (const { ready } of this.#tenants) if (ready.length > 0) return true;
    return this.#anyPending();
  }

  #runReady(): void {
    for (const tenant of this.#tenants) {
      for (let left = tenant.ready.length; left > 0 && tenant.mayRun; left--) tenant.ready.runFirst();
    }
  }

  #runPiece(): void {
    this.#dispatch(performance.now());
    this.pass();
    this.#pieces.runFirst(this.#tenants.length > 0);
    this.pass();
  }

  /**
   * Looks for work for the time allowed, or until a piece is due. True: there was some. Stops looking for a while when
   * that does not pay.
   */
  #busyPoll(): boolean {
    if (this.#busyPollMs === 0 || this.#tenants.length === 0 || !this.#polling.begin()) return false;
    this.counters.add(Counter.polls);
    let nowMs = performance.now();
    const pieceMs = this.#pieces.some ? this.#pieces.untilDueMs(nowMs) : this.#busyPollMs;
    const endMs = nowMs + Math.min(pieceMs, this.#busyPollMs);
    do {
      // Bells cost a load: they are looked at before and after the sockets, which take longer.
      if (this.#anyPending() || this.#dispatchAny(nowMs) || this.#anyPending()) {
        // Looking for it was nobody's.
        this.pass();
        this.#polling.hit();
        this.counters.add(Counter.pollHits);
        return true;
      }
      yieldProcessor();
      nowMs = performance.now();
    } while (nowMs < endMs);
    // One that a piece has cut short says nothing of whether polling pays.
    if (pieceMs >= this.#busyPollMs) this.#polling.miss(nowMs - endMs);
    return false;
  }

  #sleep(): void {
    const tenants = this.#tenants;
    let mayWait = true;
    for (const tenant of tenants) {
      if (!tenant.parked && !tenant.bells.prepareSleep()) mayWait = false;
    }
    if (mayWait) this.counters.add(Counter.sleeps);
    const nowMs = performance.now();
    const count = mayWait ? this.#wait(nowMs) : this.epoll.wait(0);
    for (const tenant of tenants) if (!tenant.parked) tenant.bells.awake();
    this.#deliver(count, nowMs);
  }

  /** For events, until the next timer or piece is due. */
  #wait(nowMs: number): number {
    const untilTimerMs = this.#timers.untilNextMs(nowMs);
    if (this.#pieces.some) {
      const untilPieceMs = this.#pieces.untilDueMs(nowMs);
      return this.epoll.waitUs(Math.min(untilPieceMs, untilTimerMs ?? untilPieceMs) * 1000);
    }
    return this.epoll.wait(untilTimerMs === undefined ? -1 : Math.min(Math.ceil(untilTimerMs), 0x7fffffff));
  }

  /** Hands out the events that are there. */
  #dispatch(nowMs: number): void {
    this.#deliver(this.epoll.wait(0), nowMs);
  }

  /** The same, where there mostly are none. Were there any? */
  #dispatchAny(nowMs: number): boolean {
    const count = this.epoll.wait(0);
    if (count === 0) {
      this.#look(0, nowMs);
      return false;
    }
    this.#deliver(count, nowMs);
    return count > 0;
  }

  /**
   * A batch of `count` events was asked for at `askedMs`. A full one may not be all; but somebody may keep them full.
   */
  #look(count: number, askedMs: number): void {
    if (count < this.epoll.maxEvents) {
      this.#lookedMs = askedMs;
      this.#fullBatches = 0;
      return;
    }
    if (this.#fullBatches++ === 0) this.#fullSinceMs = askedMs;
    if (this.#fullBatches < FULL_BATCHES_MAX) return;
    this.#lookedMs = this.#fullSinceMs;
    this.#fullBatches = 0;
  }

  /** `askedMs`: when epoll was asked for them. */
  #deliver(count: number, askedMs: number): void {
    const { epoll } = this;
    this.#look(count, askedMs);
    // Waiting was nobody's.
    this.pass();
    for (let i = 0; i < count; i++) {
      const slot = epoll.slot(i);
      if (this.#tags[slot] === epoll.tag(i)) this.#sources[slot]?.onEvents(epoll.events(i));
    }
    this.#flushBells();
  }
}
