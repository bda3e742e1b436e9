// The control pipe of one guest, as a task of its thread: so many requests in a step, behind the streams that are
// pending, and what each of them asks of the policy and the logs (PROTOCOL.md section 9).

import type { Args, ControlHandler, HostSession, Verdict } from "@ringway/control";
import { Errno } from "@ringway/linux";
import type { Account } from "../accounts/accounts.ts";
import { Price } from "../accounts/prices.ts";
import type { PolicyState } from "../policy/in-force.ts";
import type { KnownNames } from "../policy/known-names.ts";
import { shorten } from "../policy/refusal.ts";
import { Counter, type Counters } from "../reactor/counters.ts";
import type { Task } from "../reactor/tasks.ts";
import type { Life } from "./life.ts";
import type { Opener } from "./opener.ts";
import type { Reports } from "./reports.ts";
import type { ThreadShare } from "./share.ts";

/** Control requests served in one step. */
const CONTROL_BUDGET = 64;

/** Whose control pipe it is. */
export interface ControlOwner {
  readonly session: HostSession;
  readonly life: Life;
  readonly share: ThreadShare;
  readonly reports: Reports;
  readonly counters: Counters;
  readonly account: Account;
  readonly policy: PolicyState;
  readonly names: KnownNames;
  readonly tenant: string | undefined;
  readonly held: boolean;
  /** Takes streams that are pending, and steps them. */
  runPending(): boolean;
  fail(error: unknown): void;
}

export class ControlPipe implements ControlHandler, Task {
  queued = false;
  readonly #owner: ControlOwner;
  readonly #opener: Opener;

  constructor(owner: ControlOwner, opener: Opener) {
    this.#owner = owner;
    this.#opener = opener;
  }

  run(): void {
    const owner = this.#owner;
    const { session, share } = owner;
    if (!owner.life.served || owner.held || share.parked) return;
    if (!share.mayRun) {
      share.ready.put(this);
      return;
    }
    const before = session.controlMoved;
    try {
      if (session.stepControl(this, CONTROL_BUDGET)) share.ready.put(this);
    } catch (error) {
      owner.fail(error);
    }
    share.worked(session.controlMoved !== before, Price.CONTROL);
  }

  /**
   * Looks at all that is pending. Streams that could not run in this slice, or have more to do, are in the ready queue,
   * as those are that waited there before: then the request goes behind them, and is not refused before their turn was
   * (CTL-3).
   */
  makeRoom(): boolean {
    const owner = this.#owner;
    const { pending } = owner.session;
    // What was taken before, then what is marked by now, and no more: the guest may mark without end. Bit 0 is about
    // requests that are read next, before the control pipe comes to rest.
    while (pending.kept) owner.runPending();
    owner.runPending();
    while (pending.kept) owner.runPending();
    if (!owner.life.served) return false;
    return owner.share.ready.length === 0 && !owner.held;
  }

  /** A line that a request caused may have been one too many for now, or the slice may be used up. */
  mayServe(): boolean {
    return !this.#owner.held && this.#owner.share.mayGoOn(Price.CONTROL);
  }

  getArgs(): Args {
    return this.#owner.policy.args;
  }

  log(level: number, text: string): void {
    this.#owner.reports.log(level, text);
  }

  exit(code: number): void {
    this.#owner.reports.exit(code);
  }

  explain(protocol: number, body: Uint8Array): Verdict {
    const { policy } = this.#owner;
    const { allowed, rule, reason } = this.#opener.explain(this.#owner, protocol, body);
    if (allowed || policy.policy.refusals === "explain") return { allowed, rule, reason: shorten(reason) };
    return { allowed: false, rule: "", reason: "" };
  }

  refusedStream(errno: number): void {
    if (errno === Errno.EMFILE) this.#hit(Counter.quotaStreams);
    else if (errno === Errno.ENOMEM) this.#hit(Counter.quotaPages);
  }

  #hit(counter: Counter): void {
    const { counters, account } = this.#owner;
    counters.add(counter);
    account.tally.hit(counter);
  }
}
