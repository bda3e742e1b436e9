// What one guest holds of the host, against the limits of the policy in force: whoever takes something gives it back.
//
//   requests   taken from the guest's rings and not answered yet            } counted for its key
//   sockets    that connect, and that listen                                }
//   files      open, as the guest sees them; and their descriptors, which may wait for a worker that closes them
//   accepts    posted to its listeners
//   written    bytes, granted before a write and settled after it             counted for its key
//
// The counts of a key are its Account's, over all of its guests; the descriptors of all keys, the DescriptorRoom's.

import { Errno, type Refusal } from "@ringway/control";
import type { Account, Written } from "../accounts/accounts.ts";
import type { DescriptorRoom } from "../accounts/descriptors.ts";
import type { PolicyState } from "../policy/in-force.ts";
import { refusal } from "../policy/refusal.ts";
import type { Limits } from "../policy/types.ts";
import { Counter, type Counters } from "../reactor/counters.ts";

/** What all guests of a reactor share of this. */
export interface BudgetHost {
  readonly counters: Counters;
  readonly descriptors: DescriptorRoom;
}

/** Whose budget it is. */
export interface BudgetHolder {
  readonly account: Account;
  readonly policy: PolicyState;
}

const NO_DESCRIPTORS: Refusal = refusal(Errno.EMFILE, "the monitor has no descriptors left for this guest");

/** Why no more are taken from it. */
export const TOO_MANY_REQUESTS: Refusal = refusal(
  Errno.ENOBUFS,
  "too many requests wait for their answers, the most that the policy allows",
);

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
  readonly #holder: BudgetHolder;
  readonly #account: Account;
  #files = 0;
  #accepts = 0;

  constructor(host: BudgetHost, holder: BudgetHolder) {
    this.#host = host;
    this.#holder = holder;
    this.#account = holder.account;
  }

  get #limits(): Limits {
    return this.#holder.policy.policy.limits;
  }

  // ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** May another request be taken from the guest? */
  get mayRequest(): boolean {
    if (this.#account.requests < this.#limits.requests) return true;
    this.#host.counters.add(Counter.quotaRequests);
    return false;
  }

  /** False: the guest has too many. */
  takeRequest(): boolean {
    if (!this.mayRequest) return false;
    this.#account.requests++;
    return true;
  }

  /** For work of a request that mayRequest let in, or that must go on whatever the limit says. */
  takeWork(): void {
    this.#account.requests++;
  }

  giveRequest(): void {
    this.#account.requests--;
  }

  // ── Descriptors and sockets ───────────────────────────────────────────────────────────────────────────────────

  /** May it have another socket or file? Of its key, and of all guests, there are only so many. */
  get mayHaveDescriptor(): boolean {
    return this.#host.descriptors.leftFor(this.#account.descriptors);
  }

  /** `make`s another, where it may have it: a descriptor, or -errno. */
  makeDescriptor(make: () => number): number {
    return this.#host.descriptors.makeFor(this.#account.descriptors, make);
  }

  takeAttempt(): void {
    this.#account.attempts++;
  }

  /** Its socket is closed, or a connection's, which counts by what it borrows. */
  giveAttempt(): void {
    this.#account.attempts--;
  }

  takeListener(): void {
    this.#account.listeners++;
  }

  giveListener(): void {
    this.#account.listeners--;
  }

  // ── Files ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Another file or listing, whose descriptor counts from now on. Or why there is none. */
  takeFile(): Refusal | undefined {
    const { openFiles } = this.#limits;
    if (this.#files >= openFiles) {
      this.#host.counters.add(Counter.quotaOpenFiles);
      return refusal(Errno.EMFILE, `${openFiles} files are open, the most that the policy allows`);
    }
    if (!this.mayHaveDescriptor) return NO_DESCRIPTORS;
    this.#files++;
    this.#account.openFiles++;
    return undefined;
  }

  /** The file is open no more, as the guest sees it; its descriptor may have to wait for a worker that closes it. */
  closingFile(): void {
    this.#files--;
  }

  /** After closingFile(): there is no descriptor any more. */
  closedFile(): void {
    this.#account.openFiles--;
  }

  /** No descriptor came of it, or a worker has closed it by itself. */
  giveFile(): void {
    this.closingFile();
    this.closedFile();
  }

  /** Takes up to `bytes` of what the guest may still write to files. */
  takeWrite(bytes: number): WriteGrant {
    const { counters } = this.#host;
    // A machine that begins another life has another.
    const { written } = this.#account;
    const granted = Math.max(0, Math.min(bytes, this.#limits.fileBytesWritten - written.bytes));
    written.bytes += granted;
    if (granted < bytes) counters.add(Counter.quotaFileBytes);
    return new WriteGrant(granted, written, counters);
  }

  // ── Accepts ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Another stream is posted to a listener. Or why it cannot be. */
  takeAccept(): Refusal | undefined {
    const { accepts } = this.#limits;
    if (this.#accepts >= accepts) {
      this.#host.counters.add(Counter.quotaAccepts);
      const reason = `${this.#accepts} accepts are posted, the most that the policy allows`;
      return refusal(Errno.ENOBUFS, reason);
    }
    this.#accepts++;
    return undefined;
  }

  giveAccepts(count: number): void {
    this.#accepts -= count;
  }
}
