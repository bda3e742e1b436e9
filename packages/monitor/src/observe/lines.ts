// What is said of one guest to the main thread: its log lines, its refusals and violations, its coming and going. No
// line is dropped on the way; a guest that causes more than the main thread takes, or than its policy allows in a
// second, or an audit line that must be written and cannot, is held: nothing of it is stepped until it may go on.

import type { LineQuota } from "../accounts/quotas.ts";
import type { Policy } from "../policy/types.ts";
import { Counter, type Counters } from "../reactor/counters.ts";
import type { AuditGate } from "./audit-gate.ts";
import { priced } from "./line-cost.ts";
import type { LineMessage } from "./line-messages.ts";

/**
 * Lines that the main thread has not taken yet, and their bytes, before the guest must wait: bounds what it can make us
 * hold.
 */
const LINES_AHEAD = 256;
const BYTES_AHEAD = 64 * 1024;

/** What of a policy is about lines. */
type LinePolicy = Pick<Policy, "audit" | "limits">;

/** What all guests of a reactor share of this. */
export interface LinesHost {
  readonly reactor: { after(delayMs: number, callback: () => void): unknown };
  readonly counters: Counters;
  readonly auditGate: AuditGate;
  post(message: LineMessage): void;
  /** Calls back once the main thread has taken everything that was posted so far. */
  whenTaken(callback: () => void): void;
}

export class GuestLines {
  readonly #host: LinesHost;
  readonly #policy: () => LinePolicy;
  readonly #goOn: () => void;
  readonly #quota: LineQuota;
  /** Since the main thread was last known to have taken all. */
  #linesAhead = 0;
  #bytesAhead = 0;
  /** It has caused an audit line that must be written, since it last passed the gate. */
  #mustPassGate = false;
  #held = false;

  /** `policy`: as of now. `goOn` is called when the guest is held no more. */
  constructor(host: LinesHost, quota: LineQuota, policy: () => LinePolicy, goOn: () => void) {
    this.#host = host;
    this.#quota = quota;
    this.#policy = policy;
    this.#goOn = goOn;
  }

  get held(): boolean {
    return this.#held;
  }

  post(line: LineMessage): void {
    const { message, bytes } = priced(line);
    const { audit, limits } = this.#policy();
    const isAudit = message.kind === "refused" || message.kind === "violation";
    if (isAudit && audit === "required") {
      this.#host.post({ ...message, required: true });
      this.#host.auditGate.add(bytes);
      this.#mustPassGate = true;
    } else this.#host.post(message);
    this.#linesAhead++;
    this.#bytesAhead += bytes;
    this.#quota.add(bytes, limits, performance.now());
    if (!this.#held) this.#held = this.#mustWait();
  }

  /** One reason to wait after another, each of which looks for the next when it is over. True: there is one. */
  #mustWait(): boolean {
    return this.#waitForMainThread() || this.#waitForQuota() || this.#waitForGate();
  }

  readonly #next = (): void => {
    if (this.#mustWait()) return;
    this.#held = false;
    this.#goOn();
  };

  #waitForMainThread(): boolean {
    if (this.#linesAhead < LINES_AHEAD && this.#bytesAhead < BYTES_AHEAD) return false;
    this.#host.whenTaken(() => {
      this.#linesAhead = 0;
      this.#bytesAhead = 0;
      this.#next();
    });
    return true;
  }

  /** Past the quota the guest waits, also one that comes anew on an account that is used up. */
  #waitForQuota(): boolean {
    const restMs = this.#quota.restMs(this.#policy().limits, performance.now());
    if (restMs === 0) return false;
    this.#host.counters.add(Counter.quotaLines);
    this.#host.reactor.after(restMs, this.#next);
    return true;
  }

  #waitForGate(): boolean {
    if (this.#mustPassGate && !this.#host.auditGate.isOpen) {
      this.#host.auditGate.wait(this.#next);
      return true;
    }
    this.#mustPassGate = false;
    return false;
  }
}
