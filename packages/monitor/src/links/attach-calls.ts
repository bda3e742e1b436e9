// Guests that the program makes room for (monitor.attach()): each begins at once, or is turned away, like one of the
// attach socket; while none of its key may begin (audit-gate.ts) it waits for its greeting. How many there are is the
// program's to bound.
//
//   attach() ── guests may begin ─────────────────────────▶ a guest, or turned away
//      └─────── they may not ──▶ WAITING ── they may again ────▲
//                                   └────── the monitor stops ──▶ turned away

import type { Refusal } from "@ringway/control";
import type { Account, Accounts } from "../accounts/accounts.ts";
import type { AuditGates } from "../observe/audit-gate.ts";
import type { PolicyState } from "../policy/in-force.ts";
import type { Limits } from "../policy/types.ts";
import type { SocketCloser } from "./socket-closer.ts";

export interface AttachCall {
  /** A connected socket, from now on not the caller's. */
  readonly fd: number;
  readonly name: string;
  /** Whose budgets it uses; undefined: its own. */
  readonly key: string | undefined;
}

export interface AttachCallsHost {
  readonly accounts: Accounts;
  readonly closer: SocketCloser;
  readonly auditGates: AuditGates;
  /** In force for guests that have none of their own. */
  readonly policy: PolicyState;
  /** Why there is no place for another guest of this key. */
  noPlace(account: Account, limits: Limits): Refusal | undefined;
  /** Makes a guest of the connection: it has the socket, and a hold on each of the others, from now on. */
  begin(fd: number, name: string, account: Account, own: PolicyState | undefined): void;
  warn(guest: string, reason: string): void;
}

interface Waiting {
  readonly call: AttachCall;
  /** Held. */
  readonly account: Account;
  readonly own: PolicyState | undefined;
}

export class AttachCalls {
  readonly #host: AttachCallsHost;
  /** In the order in which they came. */
  readonly #waiting: Set<Waiting> = new Set();
  #next = 1;

  constructor(host: AttachCallsHost) {
    this.#host = host;
  }

  /** `own`: the guest's policy where it has one of its own, held for it by the caller until now. */
  add(call: AttachCall, own: PolicyState | undefined): void {
    const account = this.#accountOf(call);
    const key = call.key === undefined ? undefined : account;
    if (this.#host.auditGates.takesGuests(key)) {
      this.#begin(call, account, own);
      return;
    }
    const waiting = { call, account, own };
    this.#waiting.add(waiting);
    this.#host.auditGates.whenTakesGuests(key, () => {
      if (!this.#waiting.delete(waiting)) return;
      account.release();
      this.add(call, own);
    });
  }

  /** Nobody begins any more. */
  close(): void {
    for (const { call, account, own } of this.#waiting) {
      this.#host.closer.turnAway(call.fd, account);
      account.release();
      own?.release();
    }
    this.#waiting.clear();
  }

  #accountOf({ key }: AttachCall): Account {
    const { accounts } = this.#host;
    return key === undefined ? accounts.takeOwn(`attach:${this.#next++}`) : accounts.take(key);
  }

  #begin({ fd, name }: AttachCall, account: Account, own: PolicyState | undefined): void {
    const policy = own ?? this.#host.policy;
    const none = this.#host.noPlace(account, policy.policy.limits);
    if (none === undefined) {
      this.#host.begin(fd, name, account, own);
      return;
    }
    this.#host.closer.turnAway(fd, account, none.errno);
    this.#host.warn(name, `turned away: ${none.reason}`);
    account.release();
    own?.release();
  }
}
