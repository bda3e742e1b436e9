// One guest's share of its thread: a slice of every turn, a queue for what does not fit, and so many looks in vain.
//
//   LOOKED AT ── its looks are used up ──▶ PARKED ── the next interval ──▶ LOOKED AT
//
// Where it is alone it pays for no time, and no clock is read for it.

import { performance } from "node:perf_hooks";
import type { Account } from "../accounts/accounts.ts";
import { Price } from "../accounts/prices.ts";
import { TimeSlice } from "../accounts/quotas.ts";
import type { PolicyState } from "../policy/in-force.ts";
import { Counter, type Counters } from "../reactor/counters.ts";
import type { Reactor, Tenant } from "../reactor/reactor.ts";
import { TaskQueue } from "../reactor/tasks.ts";
import { type Life, LifeState } from "./life.ts";

/** Whose share it is. */
export interface Sharer extends Tenant {
  readonly account: Account;
  readonly policy: PolicyState;
  readonly life: Life;
  /** It is not looked at from now on. */
  suspend(): void;
  /** It is looked at again; what came meanwhile was not lost. */
  resume(): void;
}

export class ThreadShare {
  readonly ready: TaskQueue = new TaskQueue();
  readonly #reactor: Reactor;
  readonly #counters: Counters;
  readonly #sharer: Sharer;
  readonly #slice: TimeSlice = new TimeSlice();
  #parked = false;

  constructor(reactor: Reactor, counters: Counters, sharer: Sharer) {
    this.#reactor = reactor;
    this.#counters = counters;
    this.#sharer = sharer;
  }

  get parked(): boolean {
    return this.#parked;
  }

  /** Has it time left in this turn? */
  get mayRun(): boolean {
    const reactor = this.#reactor;
    return !reactor.shared || this.#slice.open(reactor.turn, this.#sharer.account.sliceMs);
  }

  spend(ms: number): void {
    this.#slice.spend(ms);
  }

  /** Charges what was done so far, and says whether the slice has room for more. */
  mayGoOn(price: number = Price.BYTES): boolean {
    this.charge(price);
    return this.mayRun;
  }

  /** All time since the last mark was spent for the guest, at this price. */
  charge(price: number = Price.BYTES): void {
    this.#reactor.charge(this.#sharer, price);
  }

  /** After work for the guest; `useful`: it moved something. */
  worked(useful: boolean, price: number = Price.BYTES): void {
    if (useful) this.#sharer.account.looks.useful();
    this.charge(price);
  }

  /**
   * Work that somebody else calls for: an event, a timer, an answer. At once where the guest has the time, or else in
   * its turn and in order, behind what waits already. Nothing that was asked for is left out, also when the guest ends
   * meanwhile.
   */
  perform(work: () => void): void {
    const isLast = this.#sharer.life.state === LifeState.CLOSED;
    if (!isLast && this.#reactor.shared && (this.ready.length > 0 || !this.mayRun)) {
      const run = (): void => this.#performNow(work);
      this.ready.put({ queued: false, run });
    } else this.#performNow(work);
  }

  #performNow(work: () => void): void {
    work();
    this.charge();
  }

  /** Runs all that waits, whatever the slice says: what it holds is given back. */
  finish(): void {
    while (this.ready.length > 0) this.ready.runFirst();
  }

  /** The guest made this thread look at it. Past its quota of looks in vain it is not looked at for a while. */
  looked(looks: number): void {
    const { life, account } = this.#sharer;
    if (this.#parked) return;
    const nowMs = performance.now();
    if (account.looks.take(looks, this.#looksPerSecond(), nowMs) || life.over) return;
    this.#parked = true;
    this.#counters.add(Counter.quotaBells);
    account.tally.hit(Counter.quotaBells);
    this.#sharer.suspend();
    this.#unparkLater(nowMs);
  }

  #looksPerSecond(): number {
    return this.#sharer.policy.policy.limits.bells;
  }

  #unparkLater(nowMs: number): void {
    this.#reactor.after(this.#sharer.account.looks.restMs(nowMs), () => this.#unpark());
  }

  #unpark(): void {
    const { life, account } = this.#sharer;
    if (life.over) return;
    const nowMs = performance.now();
    if (!account.looks.take(0, this.#looksPerSecond(), nowMs)) {
      this.#unparkLater(nowMs);
      return;
    }
    this.#parked = false;
    this.#sharer.resume();
  }
}
