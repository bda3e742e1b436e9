// An attach socket: who connects waits here, in the line of its key, until it may become a guest.
//
//   kernel's backlog ── so many a second are looked at ──▶ WAITING ── its key's turn ──▶ a guest, once it has a region
//                                                             └── has hung up, or its key has no place ──▶ turned away
//
// Keys take turns, so that one that connects without end delays no other by more than a guest. Each line has as many as
// its key has places for; all lines, of all attach sockets, are as long as there are places.

import type { Refusal } from "@ringway/control";
import { acceptUnix, closeFd, EPOLLIN, Errno, errnoMessage, peerCredentials } from "@ringway/linux";
import type { Account, Accounts } from "../accounts/accounts.ts";
import type { Reactor } from "../reactor/reactor.ts";
import type { Timer } from "../reactor/timers.ts";
import { hasGone } from "./process.ts";
import type { SocketCloser } from "./socket-closer.ts";

/** How long the socket rests after an accept that failed for want of descriptors, in milliseconds. */
const ACCEPT_RETRY_MS = 100;
/**
 * Connections looked at in a second: some 30 us each, so 1.5 % of the thread. The backlog of 64 is through in an eighth
 * of a second.
 */
const ACCEPTS_PER_S = 500;
/**
 * A guest that comes and goes takes some 0.3 ms of this thread, in few pieces: as many guests as there may be may come
 * at once, and after that so many in a second, who have 8 % of it. What takes long, their regions, is another thread's
 * (regions/).
 */
const GUESTS_PER_S = 250;
/** How often it is looked whether somebody may begin, while nobody of those that wait may. */
const BEGIN_RETRY_MS = 100;
/** One line in the log for those of a key that are turned away, in so many milliseconds. */
const SAY_AGAIN_MS = 1000;

export interface AttachSocketHost {
  readonly reactor: Reactor;
  readonly accounts: Accounts;
  readonly closer: SocketCloser;
  /** What it shares with the other attach sockets. */
  readonly lines: AttachLines;
  /** Whose budgets those use that come: undefined, each its user's. */
  readonly key: string | undefined;
  /** False: nobody of this key begins for now (audit-gate.ts). */
  takesGuests(account: Account): boolean;
  /**
   * Why there is no place for another guest of this key, where so many of it, and so many of all keys, wait for theirs.
   */
  noPlace(account: Account, waitingOfKey: number, waiting: number): Refusal | undefined;
  /** Makes a guest of the connection: both are its own from now on. */
  begin(socketFd: number, account: Account): void;
  warn(reason: string): void;
}

/** So many a second, and so many at once. */
class Rate {
  readonly #perSecond: number;
  readonly #most: number;
  #left: number;
  #countedMs: number = performance.now();

  constructor(perSecond: number, most: number) {
    this.#perSecond = perSecond;
    this.#most = most;
    this.#left = most;
  }

  /** Takes one: 0; or the milliseconds until there is one. */
  take(): number {
    const nowMs = performance.now();
    this.#left = Math.min(this.#most, this.#left + ((nowMs - this.#countedMs) / 1000) * this.#perSecond);
    this.#countedMs = nowMs;
    if (this.#left < 1) return ((1 - this.#left) / this.#perSecond) * 1000;
    this.#left--;
    return 0;
  }

  giveBack(): void {
    this.#left++;
  }
}

/** What all attach sockets of a reactor share: how fast guests come, and how many wait. */
export class AttachLines {
  /** Guests that there may be. */
  readonly places: number;
  readonly accepts: Rate;
  readonly guests: Rate;
  waiting = 0;

  constructor(places: number) {
    this.places = places;
    this.accepts = new Rate(ACCEPTS_PER_S, places);
    this.guests = new Rate(GUESTS_PER_S, places);
  }
}

export class AttachSocket {
  readonly #host: AttachSocketHost;
  readonly #fd: number;
  readonly #slot: number;
  readonly #shared: AttachLines;
  /** Connections by key, in the order in which the keys have their turns; none is empty. Each holds its account. */
  readonly #lines: Map<Account, number[]> = new Map();
  #waiting = 0;
  /** #admit() is to come: at once, or when this timer is due. */
  #isAdmitting = false;
  #admission: Timer | undefined;
  /** Of each key that was turned away: when that was said last, and how often it was not said since. */
  readonly #said: Map<string, { ms: number; unsaid: number }> = new Map();
  #closed = false;

  constructor(host: AttachSocketHost, fd: number) {
    this.#host = host;
    this.#fd = fd;
    this.#shared = host.lines;
    this.#slot = host.reactor.watchForNobody(fd, EPOLLIN, () => this.#accept());
  }

  close(): void {
    this.#closed = true;
    this.#host.reactor.unwatch(this.#slot);
    closeFd(this.#fd);
    for (const [account, line] of this.#lines) {
      for (const fd of line) {
        this.#waitsNoMore(account);
        this.#close(fd, account);
      }
    }
    this.#lines.clear();
  }

  /** One connection: epoll tells of the others in the next turn, when guests have been looked at. */
  #accept(): void {
    const { closer } = this.#host;
    const { waiting, places, accepts } = this.#shared;
    const restMs = waiting + closer.waiting < places ? accepts.take() : 1000 / GUESTS_PER_S;
    if (restMs > 0) {
      this.#rest(restMs);
      return;
    }
    const fd = acceptUnix(this.#fd);
    if (fd >= 0) {
      this.#arrived(fd);
      this.#admitLater(0);
      return;
    }
    accepts.giveBack();
    if (fd === -Errno.EAGAIN) return;
    this.#host.warn(`accepting guests failed, trying again: ${errnoMessage(-fd)}`);
    this.#rest(ACCEPT_RETRY_MS);
  }

  #arrived(fd: number): void {
    const account = this.#host.accounts.take(this.#host.key ?? `uid:${peerCredentials(fd).uid}`);
    let line = this.#lines.get(account) ?? [];
    let noPlace = this.#host.noPlace(account, line.length, this.#shared.waiting);
    if (noPlace !== undefined && line.length > 0) {
      // Those that have given up take nobody's place.
      line = this.#withoutGone(account, line);
      noPlace = this.#host.noPlace(account, line.length, this.#shared.waiting);
    }
    if (noPlace !== undefined) {
      this.#turnAway(fd, account, noPlace);
      return;
    }
    line.push(fd);
    this.#lines.set(account, line);
    this.#waiting++;
    this.#shared.waiting++;
    account.waiting++;
  }

  #withoutGone(account: Account, line: readonly number[]): number[] {
    const there: number[] = [];
    for (const fd of line) {
      if (!hasGone(fd)) there.push(fd);
      else {
        this.#waitsNoMore(account);
        this.#close(fd, account);
      }
    }
    if (there.length === 0) this.#lines.delete(account);
    else this.#lines.set(account, there);
    return there;
  }

  #waitsNoMore(account: Account): void {
    this.#waiting--;
    this.#shared.waiting--;
    account.waiting--;
  }

  #close(fd: number, account: Account): void {
    this.#host.closer.close(fd, account);
    account.release();
  }

  /**
   * Makes a guest of one that waits, of each key in its turn; the next one's turn comes after those of the guests that
   * are there.
   */
  #admit(): void {
    for (const [account, line] of this.#lines) {
      const fd = line[0]!;
      if (hasGone(fd)) {
        this.#shift(account, line);
        this.#close(fd, account);
        continue;
      }
      if (!this.#host.takesGuests(account)) continue;
      const restMs = this.#shared.guests.take();
      if (restMs > 0) {
        this.#admitLater(restMs);
        return;
      }
      this.#shift(account, line);
      const noPlace = this.#host.noPlace(account, 0, 0);
      if (noPlace === undefined) this.#host.begin(fd, account);
      else {
        this.#shared.guests.giveBack();
        this.#turnAway(fd, account, noPlace);
      }
      if (this.#waiting > 0) this.#admitLater(0);
      return;
    }
    if (this.#waiting > 0) this.#admitLater(BEGIN_RETRY_MS);
  }

  /** Takes the first of its line; the key's next turn comes after the others'. */
  #shift(account: Account, line: number[]): void {
    line.shift();
    this.#waitsNoMore(account);
    this.#lines.delete(account);
    if (line.length > 0) this.#lines.set(account, line);
  }

  #turnAway(fd: number, account: Account, { errno, reason }: Refusal): void {
    this.#host.closer.turnAway(fd, account, errno);
    const nowMs = performance.now();
    const said = this.#said.get(account.key);
    if (said !== undefined && nowMs - said.ms < SAY_AGAIN_MS) said.unsaid++;
    else {
      const others = said === undefined || said.unsaid === 0 ? "" : `, and ${said.unsaid} before`;
      this.#host.warn(`${account.key} was turned away${others}: ${reason}`);
      // Anew, to be the youngest; those of long ago are of no interest.
      this.#said.delete(account.key);
      for (const [key, { ms }] of this.#said) {
        if (nowMs - ms < SAY_AGAIN_MS) break;
        this.#said.delete(key);
      }
      this.#said.set(account.key, { ms: nowMs, unsaid: 0 });
    }
    account.release();
  }

  #rest(ms: number): void {
    this.#host.reactor.modify(this.#fd, 0, this.#slot);
    this.#host.reactor.after(ms, () => {
      if (this.#closed) return;
      this.#host.reactor.modify(this.#fd, EPOLLIN, this.#slot);
    });
  }

  /** One that has come meanwhile is looked at without the wait of those before it. */
  #admitLater(ms: number): void {
    if (this.#isAdmitting && (ms > 0 || this.#admission === undefined)) return;
    const { reactor } = this.#host;
    reactor.cancel(this.#admission);
    this.#admission = undefined;
    this.#isAdmitting = true;
    if (ms === 0) reactor.soon(this.#admitNow);
    else this.#admission = reactor.after(ms, this.#admitNow);
  }

  readonly #admitNow = (): void => {
    this.#isAdmitting = false;
    this.#admission = undefined;
    if (!this.#closed) this.#admit();
  };
}
