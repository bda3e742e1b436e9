// Who attaches, and what is counted of it over all its attachments: another attachment gets around no budget, and
// neither does leaving and attaching anew.
//
//   key            whose account
//   uid:1000       processes of that user on the attach socket (SO_PEERCRED)
//   vm:NAME        the guests of a virtual machine
//   attach:7       a guest that attach() made room for, where the caller names no key: nobody else's, forgotten with it
//
//   (none) ── the first attachment ──▶ HELD ── nothing holds it ──▶ KEPT ── an hour, or too many are kept ──▶ (none)
//                                       ▲─────── attaches again ──────┘
//
// An account is held by attachments, and by disk work and sockets that outlive them. A guest has no way to make another
// key of its own: those who may attach as many users are as many users. All of it is private to the reactor's thread.

import { Counter } from "../reactor/counters.ts";
import { LineQuota, LookQuota, LookupQuota, SLICE_MS, SteadyQuota } from "./quotas.ts";
import { NetworkUse } from "./rates.ts";
import { SocketBudget } from "./socket-budget.ts";
import { Tallies, type Tally } from "./tally.ts";

/** How long the counts of a key that nobody uses are kept, in milliseconds. */
const KEPT_MS = 3_600_000;
/** Keys that nobody uses, at the most: bounds what many users could make us keep. About 500 bytes each. */
const KEPT_MAX = 1024;

/** Bytes written to files, and granted to writes that are under way. A machine that begins another life has another. */
export interface Written {
  bytes: number;
}

export class Account {
  readonly key: string;
  readonly looks: LookQuota = new LookQuota();
  readonly lines: LineQuota = new LineQuota();
  readonly flowLines: SteadyQuota = new SteadyQuota();
  /** Its labels make each line so much longer. */
  labelBytes = 0;
  readonly sockets: SocketBudget = new SocketBudget();
  readonly network: NetworkUse = new NetworkUse();
  /** What counts against limits.fileBytesWritten. */
  written: Written = { bytes: 0 };
  /**
   * Its guests' regions, and their bytes, from when they are asked for until no disk work is left in them and they are
   * unmade.
   */
  regions = 0;
  regionBytes = 0;
  /** Of these bytes, those of regions that are being unmade. */
  leavingBytes = 0;
  /** Connections that wait for their turn to become guests, and those whose regions are being made. */
  waiting = 0;
  beginning = 0;
  /** Sockets of guests that are over, until a worker has closed them. */
  closing = 0;
  /** Files and folders, from when they are asked for until a worker has closed them. */
  openFiles = 0;
  /** Instances of inotify, and folders that they watch. */
  watchers = 0;
  watches = 0;
  /** Sockets that connect, and that listen. */
  attempts = 0;
  listeners = 0;
  /** Peers that its bound UDP sockets know. */
  udpPeers = 0;
  /** Requests of its guests that wait for their answers. */
  requests = 0;
  readonly #accounts: Accounts;
  /** What the metrics have of it. */
  tally: Tally;
  readonly #lookups: LookupQuota = new LookupQuota();
  #holders = 0;
  #guests = 0;

  /** For Accounts alone. */
  constructor(accounts: Accounts, key: string, tally: Tally) {
    this.#accounts = accounts;
    this.key = key;
    this.tally = tally;
  }

  /** Until as many calls of release(). */
  retain(): void {
    this.#holders++;
  }

  release(): void {
    this.#holders--;
    if (this.#holders === 0) this.#accounts.idle(this);
  }

  /**
   * All descriptors that are there for it. Of a guest's own a region has one; two bells and a socket are the others.
   * Who waits for a region has no bells yet, but is asked no more before it gets them: many that wait at once would
   * have more than there was room for.
   */
  get descriptors(): number {
    const own = this.waiting + this.closing + this.regions + 3 * (this.beginning + this.#guests);
    return own + this.sockets.sockets + this.attempts + this.listeners + this.openFiles;
  }

  /** Can it be attached to again, by its key? */
  get isKnown(): boolean {
    return this.#accounts.has(this);
  }

  /** Its guests that are served. */
  get guests(): number {
    return this.#guests;
  }

  /** One of its guests is served from now on. */
  enter(): void {
    this.retain();
    if (this.#guests++ === 0) this.#accounts.present++;
  }

  leave(): void {
    if (--this.#guests === 0) this.#accounts.present--;
    this.release();
  }

  /** One begins: 0. Or none may, for so many milliseconds. Who is alone has the main thread to itself. */
  payLookup(): number {
    const restMs = this.#accounts.present > 1 ? this.#lookups.take(this.#accounts.nowMs()) : 0;
    if (restMs > 0) this.tally.hit(Counter.quotaLookups);
    return restMs;
  }

  /**
   * Time of one of its guests in a turn: where several keys want the thread, each has as much as any other, for all its
   * guests.
   */
  get sliceMs(): number {
    return this.#accounts.present > 1 ? SLICE_MS / this.#guests : SLICE_MS;
  }
}

export class Accounts {
  /** Keys with guests that are served. */
  present = 0;
  readonly #accounts: Map<string, Account> = new Map();
  /** Since when, in the order in which they became so. */
  readonly #kept: Map<Account, number> = new Map();
  readonly tallies: Tallies = new Tallies();
  readonly nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.nowMs = nowMs;
  }

  /** The account of a key, held for the caller. */
  take(key: string): Account {
    this.#forgetOld();
    let account = this.#accounts.get(key);
    if (account === undefined) {
      account = new Account(this, key, this.#tallyFor(key));
      this.#accounts.set(key, account);
    }
    this.#kept.delete(account);
    account.retain();
    return account;
  }

  /** An account that nobody can come back to, held for the caller; `key` is for lookups and people. */
  takeOwn(key: string): Account {
    const account = new Account(this, key, this.#tallyFor(key));
    account.retain();
    return account;
  }

  has(account: Account): boolean {
    return this.#accounts.get(account.key) === account;
  }

  /** Accounts that are known by their keys. */
  get size(): number {
    return this.#accounts.size;
  }

  /** Nothing holds it: for Account alone. */
  idle(account: Account): void {
    if (!this.has(account)) {
      this.tallies.give(account.tally);
      return;
    }
    this.#kept.set(account, this.nowMs());
    this.#forgetOld();
  }

  /** One that nobody uses makes room: from then on, it is one of the others. */
  #tallyFor(key: string): Tally {
    if (this.tallies.isFull) {
      for (const account of this.#kept.keys()) {
        if (!this.tallies.give(account.tally)) continue;
        account.tally = this.tallies.takeOther();
        break;
      }
    }
    return this.tallies.take(key);
  }

  #forgetOld(): void {
    const nowMs = this.nowMs();
    for (const [oldest, sinceMs] of this.#kept) {
      if (this.#kept.size <= KEPT_MAX && nowMs - sinceMs < KEPT_MS) break;
      this.#kept.delete(oldest);
      this.#accounts.delete(oldest.key);
      this.tallies.give(oldest.tally);
    }
  }
}
