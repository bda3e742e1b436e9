// What one guest holds of the host, against the limits of the policy in force: whoever takes something gives it back.
//
//   request     an Open taken from the guest's rings, and not answered yet                  }  together, for its key
//   work        of a request that goes on beside or behind the stream: on disk, a lookup    }
//   attempt     a socket that connects                                                      }  each for its key
//   listener    a socket that listens                                                       }
//   file        open, as the guest sees it; and its descriptor, until it is a closing one   }  together, for its key;
//   closing     a descriptor that waits for a worker that closes it                         }  files also its own
//   watcher     an instance of inotify, an open file as well                                }  each for its key
//   watch       a folder that it watches                                                    }
//   accept      a stream that is posted to one of its listeners                                its own
//   write       bytes, granted before a write and settled after it                             for its key
//   network     how fast, and how much in all (network-budget.ts)                              for its key
//
// takeX() says why there is none, or counts one, which giveX() gives back. Work and closings are never refused: they
// end what was let in. The counts of a key are its Account's, over all of its guests; the descriptors of all keys, the
// DescriptorRoom's.
//
// Invariant: no count is below 0, and none of the guest's is above its key's.

import { BrokenInvariant, Errno, type Refusal } from "@ringway/control";
import type { Account, Written } from "../accounts/accounts.ts";
import type { DescriptorRoom } from "../accounts/descriptors.ts";
import { refusal } from "../policy/refusal.ts";
import type { Limits } from "../policy/types.ts";
import { Counter, type Counters } from "../reactor/counters.ts";
import { NetworkBudget, type NetworkHolder, type NetworkHost } from "./network-budget.ts";

/** What all guests of a reactor share of this. */
export interface BudgetHost extends NetworkHost {
  readonly descriptors: DescriptorRoom;
}

const NO_DESCRIPTORS: Refusal = refusal(Errno.EMFILE, "the monitor has no descriptors left for this guest");

const TOO_MANY_REQUESTS: Refusal = refusal(
  Errno.ENOBUFS,
  "too many requests wait for their answers, the most that the policy allows",
);

/** Of those that a user of the host may have (fs.inotify): 128 instances by default, and 8192 folders or more. */
const WATCHERS_MAX = 8;
const WATCHES_MAX = 2048;
const NO_WATCHES: Refusal = refusal(Errno.ENOSPC, "as many folders are watched as a guest may");

/** What one write may take of the guest's quota, until it is known how much it did. */
export class WriteGrant {
  readonly bytes: number;
  readonly #written: Written;
  readonly #counters: Counters;

  /** For Budget alone. */
  constructor(bytes: number, written: Written, counters: Counters) {
    this.bytes = bytes;
    this.#written = written;
    this.#counters = counters;
  }

  /** The write is over, or was never begun: once. */
  settle(writtenBytes: number): void {
    this.#written.bytes -= this.bytes - writtenBytes;
    this.#counters.add(Counter.fileBytesWritten, writtenBytes);
  }
}

export class Budget {
  readonly #host: BudgetHost;
  readonly #holder: NetworkHolder;
  readonly #account: Account;
  readonly network: NetworkBudget;
  #requests = 0;
  #works = 0;
  #attempts = 0;
  #listeners = 0;
  #files = 0;
  #closings = 0;
  #watchers = 0;
  #watches = 0;
  #accepts = 0;

  constructor(host: BudgetHost, holder: NetworkHolder) {
    this.#host = host;
    this.#holder = holder;
    this.#account = holder.account;
    this.network = new NetworkBudget(host, holder);
  }

  #limits(): Limits {
    return this.#holder.policy.policy.limits;
  }

  /** As the pool of disk workers looks at it, at each operation. */
  get diskOperations(): number {
    return this.#limits().diskOperations;
  }

  /** The pool of disk workers lets it wait for more. */
  usedUp(): void {
    this.#account.tally.hit(Counter.quotaDiskOperations);
  }

  #hit(counter: Counter): void {
    this.#host.counters.add(counter);
    this.#account.tally.hit(counter);
  }

  // ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Why no other request may be taken from the guest, where that is so. */
  get tooManyRequests(): Refusal | undefined {
    if (this.#account.requests < this.#limits().requests) return undefined;
    this.#hit(Counter.quotaRequests);
    return TOO_MANY_REQUESTS;
  }

  takeRequest(): Refusal | undefined {
    const tooMany = this.tooManyRequests;
    if (tooMany !== undefined) return tooMany;
    this.#requests++;
    this.#account.requests++;
    return undefined;
  }

  giveRequest(): void {
    this.#requests--;
    this.#account.requests--;
  }

  /** For a request that tooManyRequests let in, or that must go on whatever the limit says. */
  takeWork(): void {
    this.#works++;
    this.#account.requests++;
  }

  giveWork(): void {
    this.#works--;
    this.#account.requests--;
  }

  // ── Sockets ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** May another connection come to it? Its socket counts by what it borrows (accounts/socket-budget.ts). */
  get mayHaveConnection(): boolean {
    return this.#descriptorLeft();
  }

  /** Of its key, and of all guests, there are only so many. */
  #descriptorLeft(): boolean {
    return this.#host.descriptors.leftFor(this.#account.descriptors);
  }

  /** For a socket that makeSocket() makes: whether all guests have too many is found out there. */
  takeAttempt(): Refusal | undefined {
    if (!this.#host.descriptors.withinShare(this.#account.descriptors)) return NO_DESCRIPTORS;
    this.#attempts++;
    this.#account.attempts++;
    return undefined;
  }

  /** The socket of an attempt, which `make` makes, or -errno. */
  makeSocket(make: () => number): number {
    return this.#host.descriptors.make(make);
  }

  /** Its socket is closed, or was never made, or is a connection's, which counts by what it borrows. */
  giveAttempt(): void {
    this.#attempts--;
    this.#account.attempts--;
  }

  takeListener(): Refusal | undefined {
    if (!this.#descriptorLeft()) return NO_DESCRIPTORS;
    this.#listeners++;
    this.#account.listeners++;
    return undefined;
  }

  giveListener(): void {
    this.#listeners--;
    this.#account.listeners--;
  }

  // ── Files ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Another file or listing, whose descriptor counts from now on. */
  takeFile(): Refusal | undefined {
    const { openFiles } = this.#limits();
    if (this.#files >= openFiles) {
      this.#hit(Counter.quotaOpenFiles);
      return refusal(Errno.EMFILE, `${openFiles} files are open, the most that the policy allows`);
    }
    if (!this.#descriptorLeft()) return NO_DESCRIPTORS;
    this.#files++;
    this.#account.openFiles++;
    return undefined;
  }

  /** It has no descriptor: none came of it, a worker has closed it by itself, or it counts as a closing one. */
  giveFile(): void {
    this.#files--;
    this.#account.openFiles--;
  }

  /** The descriptor of a file that is given back next waits for a worker that closes it. */
  takeClosing(): void {
    this.#closings++;
    this.#account.openFiles++;
  }

  giveClosing(): void {
    this.#closings--;
    this.#account.openFiles--;
  }

  /** An instance of inotify, which counts as an open file too: closeOnDisk() gives that back. */
  takeWatcher(): Refusal | undefined {
    if (this.#account.watchers >= WATCHERS_MAX) return this.#noWatches();
    const tooMany = this.takeFile();
    if (tooMany !== undefined) return tooMany;
    this.#watchers++;
    this.#account.watchers++;
    return undefined;
  }

  giveWatcher(): void {
    this.#watchers--;
    this.#account.watchers--;
  }

  takeWatch(): Refusal | undefined {
    if (this.#account.watches >= WATCHES_MAX) return this.#noWatches();
    this.#watches++;
    this.#account.watches++;
    return undefined;
  }

  #noWatches(): Refusal {
    this.#hit(Counter.quotaWatches);
    return NO_WATCHES;
  }

  giveWatch(): void {
    this.#watches--;
    this.#account.watches--;
  }

  /** Takes up to `bytes` of what the guest may still write to files. */
  takeWrite(bytes: number): WriteGrant {
    const { counters } = this.#host;
    // A machine that begins another life has another.
    const { written } = this.#account;
    const granted = Math.max(0, Math.min(bytes, this.#limits().fileBytesWritten - written.bytes));
    written.bytes += granted;
    if (granted < bytes) this.#hit(Counter.quotaFileBytes);
    return new WriteGrant(granted, written, counters);
  }

  // ── Accepts ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Another stream is posted to a listener. */
  takeAccept(): Refusal | undefined {
    const { accepts } = this.#limits();
    if (this.#accepts >= accepts) {
      this.#hit(Counter.quotaAccepts);
      const reason = `${this.#accepts} accepts are posted, the most that the policy allows`;
      return refusal(Errno.ENOBUFS, reason);
    }
    this.#accepts++;
    return undefined;
  }

  giveAccept(): void {
    this.#accepts--;
  }

  // ── Invariants ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Throws BrokenInvariant where the invariant at the head does not hold. */
  invariants(): void {
    const { requests, attempts, listeners, openFiles, watchers, watches, written } = this.#account;
    requireWithin("requests", [this.#requests, this.#works], requests);
    requireWithin("attempts", [this.#attempts], attempts);
    requireWithin("listeners", [this.#listeners], listeners);
    requireWithin("files", [this.#files, this.#closings], openFiles);
    requireWithin("watchers", [this.#watchers], watchers);
    requireWithin("watches", [this.#watches], watches);
    requireWithin("accepts", [this.#accepts], Number.POSITIVE_INFINITY);
    requireWithin("bytes written", [], written.bytes);
  }
}

function requireWithin(what: string, own: readonly number[], ofKey: number): void {
  const sum = own.reduce((total, count) => total + count, 0);
  if (sum <= ofKey && own.every((count) => count >= 0)) return;
  throw new BrokenInvariant(`a guest has ${own.join(" + ") || 0} ${what}, and its key ${ofKey}`);
}
