// What is said of one guest to the main thread: its log lines, its refusals and violations, its coming and going, and
// where there is an audit file what it was allowed. No line is dropped on the way; a guest that causes more than the
// main thread takes, or than its policy allows in a second, or audit lines that its key's gate is shut for
// (audit-gate.ts), is held: nothing of it is stepped until it may go on.
//
// Lines of what was allowed are as many as there is work: they have a quota of their own, in bytes.

import type { LineQuota, SteadyQuota } from "../accounts/quotas.ts";
import type { Tally } from "../accounts/tally.ts";
import type { Policy } from "../policy/types.ts";
import { Counter, type Counters } from "../reactor/counters.ts";
import type { AuditGate, AuditGates, AuditLine, KeyOfLines } from "./audit-gate.ts";
import type { FlowMessage, FlowNumbers } from "./flow-lines.ts";
import type { FlowRecords } from "./flow-records.ts";
import { priced } from "./line-cost.ts";
import type { AuditMessage, LineMessage } from "./line-messages.ts";

/**
 * Lines that the main thread has not taken yet, and their bytes, before the guest must wait: bounds what it can make us
 * hold.
 */
const LINES_AHEAD = 256;
const BYTES_AHEAD = 64 * 1024;

/** What of a policy is about lines. */
type LinePolicy = Pick<Policy, "audit" | "audited" | "limits">;

/** What a key may cause, over all of its guests. */
export interface LineQuotas extends KeyOfLines {
  readonly lines: LineQuota;
  readonly flowLines: SteadyQuota;
  readonly tally: Pick<Tally, "hit">;
  /** Of the labels that the main thread puts into each line. */
  readonly labelBytes: number;
}

/** What all guests of a reactor share of this. */
export interface LinesHost {
  readonly reactor: { after(delayMs: number, callback: () => void): unknown };
  readonly counters: Counters;
  readonly auditGates: AuditGates;
  /** Undefined where there is no audit file. */
  readonly flows: FlowNumbers | undefined;
  /** The admin API shows what guests are allowed while it lasts. */
  readonly showsFlows: boolean;
  /** Somebody follows conversations, and is told of what they are. */
  readonly followers: { readonly some: boolean };
  /** A record for each stream that has ended; undefined where nobody has asked for them. */
  readonly records: FlowRecords | undefined;
  post(message: Exclude<LineMessage, AuditLine>): void;
  /** Calls back once the main thread has taken everything that was posted so far. */
  whenTaken(callback: () => void): void;
}

export class GuestLines {
  readonly #host: LinesHost;
  readonly #policy: () => LinePolicy;
  readonly #goOn: () => void;
  readonly #quotas: LineQuotas;
  readonly #gate: AuditGate;
  /** Since the main thread was last known to have taken all. */
  #linesAhead = 0;
  #bytesAhead = 0;
  /** It has caused audit lines since it last passed the gate, and some that must be written. */
  #mustPassGate = false;
  #isRequired = false;
  #held = false;

  /** `policy`: as of now. `goOn` is called when the guest is held no more. */
  constructor(host: LinesHost, quotas: LineQuotas, policy: () => LinePolicy, goOn: () => void) {
    this.#host = host;
    this.#quotas = quotas;
    this.#gate = host.auditGates.of(quotas);
    this.#policy = policy;
    this.#goOn = goOn;
  }

  get held(): boolean {
    return this.#held;
  }

  /** Undefined: what the guest is allowed has no lines. */
  get flows(): FlowNumbers | undefined {
    return this.#policy().audited === "all" ? this.#host.flows : undefined;
  }

  get showsFlows(): boolean {
    return this.#host.showsFlows;
  }

  /** What the guest is allowed is kept while it lasts, with lines or without. */
  get keepsFlows(): boolean {
    const { showsFlows, followers, records } = this.#host;
    return showsFlows || followers.some || records !== undefined || this.flows !== undefined;
  }

  get records(): FlowRecords | undefined {
    return this.#host.records;
  }

  post(line: Exclude<LineMessage, FlowMessage>): void {
    const { message, bytes: lineBytes } = priced(line);
    const bytes = lineBytes + this.#quotas.labelBytes;
    const { limits } = this.#policy();
    if (message.kind === "refused" || message.kind === "violation") this.#postAudit(message, bytes);
    else this.#host.post(message);
    this.#linesAhead++;
    this.#bytesAhead += bytes;
    this.#quotas.lines.add(bytes, limits, performance.now());
    if (!this.#held) this.#held = this.#mustWait();
  }

  /** The beginning or the end of what was allowed, and what its line costs. */
  postFlow(message: FlowMessage, lineBytes: number): void {
    const bytes = lineBytes + this.#quotas.labelBytes;
    this.#postAudit(message, bytes);
    this.#quotas.flowLines.add(bytes, this.#policy().limits.auditBytes, performance.now());
    if (!this.#held) this.#held = this.#mustWait();
  }

  /**
   * `say` is called once: by what is returned, or when the monitor ends, which waits for no disk without end.
   */
  later(say: () => void): () => void {
    const { late } = this.#host.auditGates;
    const once = (): void => {
      if (late.delete(once)) say();
    };
    late.add(once);
    return once;
  }

  #postAudit(message: AuditMessage | FlowMessage, bytes: number): void {
    const isRequired = this.#policy().audit === "required";
    this.#gate.post(isRequired ? { ...message, required: true } : message, bytes);
    this.#mustPassGate = true;
    if (isRequired) this.#isRequired = true;
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
    const policy = this.#policy();
    const nowMs = performance.now();
    const { lines, flowLines } = this.#quotas;
    const { auditBytes } = policy.limits;
    const flowRestMs = this.#host.flows === undefined ? 0 : flowLines.restMs(auditBytes, nowMs);
    const restMs = Math.max(lines.restMs(policy.limits, nowMs), flowRestMs);
    if (restMs === 0) return false;
    this.#host.counters.add(Counter.quotaLines);
    this.#quotas.tally.hit(Counter.quotaLines);
    this.#host.reactor.after(restMs, this.#next);
    return true;
  }

  #waitForGate(): boolean {
    if (this.#mustPassGate && !this.#gate.isOpen(this.#isRequired)) {
      this.#gate.wait(this.#next);
      return true;
    }
    this.#mustPassGate = false;
    this.#isRequired = false;
    return false;
  }
}
