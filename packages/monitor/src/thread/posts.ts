// What the reactor's thread tells the main thread, in the order in which it happens.
//
//   a guest comes, attaches, goes;  ──▶ KEPT ── LATE_MS, or anything else is posted ──▶ one message
//   what it is allowed begins, ends
//   anything else ────────────────────────────────────────────────────────────────────▶ a message, at once
//
// To post takes some 20 us, and wakes the main thread. A guest that comes and goes is three lines, which nobody waits
// for: its neighbours pay for one post in some milliseconds, and not for three with each guest. A stream is two lines
// where there is an audit file. What is kept is bounded by what each guest may be ahead of the main thread
// (observe/lines.ts), and each key with audit lines (observe/audit-gate.ts).

import type { AuditGatesHost, AuditLine } from "../observe/audit-gate.ts";
import { type FlowFields, type FlowMessage, type KeyFlows, putFlow } from "../observe/flow-lines.ts";
import type { GuestLife } from "../observe/line-messages.ts";
import type { Reactor } from "../reactor/reactor.ts";
import type { FromReactor } from "./messages.ts";

/** How late such a line may be, in milliseconds. */
const LATE_MS = 10;

export class Posts implements AuditGatesHost {
  readonly #reactor: Reactor;
  readonly #send: (message: FromReactor) => void;
  #kept: GuestLife[] = [];
  /** By key. */
  readonly #flows: Map<string, FlowFields> = new Map();
  #isDue = false;
  readonly #marks: Map<number, () => void> = new Map();
  #nextMark = 1;

  constructor(reactor: Reactor, send: (message: FromReactor) => void) {
    this.#reactor = reactor;
    this.#send = send;
  }

  post(message: FromReactor): void {
    switch (message.kind) {
      case "guest":
      case "attached":
      case "detached":
        this.#kept.push(message);
        this.#flushLater();
        return;
      default:
        this.flush();
        this.#send(message);
    }
  }

  postAudit(key: string, line: AuditLine): void {
    if (line.kind === "refused" || line.kind === "violation") this.post({ ...line, key });
    else this.#keepFlow(key, line);
  }

  /** What a guest was allowed goes with others of its kind. */
  #keepFlow(key: string, flow: FlowMessage): void {
    let fields = this.#flows.get(key);
    if (fields === undefined) {
      fields = [];
      this.#flows.set(key, fields);
    }
    putFlow(fields, flow);
    this.#flushLater();
  }

  #flushLater(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#reactor.after(LATE_MS, this.#onDue);
  }

  readonly #onDue = (): void => {
    this.#isDue = false;
    this.flush();
  };

  /** Posts what is kept: lines of the log and those of the audit have no order among each other. */
  flush(): void {
    const lines = this.#kept;
    const flows = this.#flows;
    if (lines.length > 0) {
      this.#kept = [];
      this.#send({ kind: "lives", lines });
    }
    if (flows.size > 0) {
      const rows = Array.from(flows, ([key, fields]): KeyFlows => ({ key, fields }));
      flows.clear();
      this.#send({ kind: "flows", rows });
    }
  }

  /** Calls back once the main thread has taken everything that was posted so far. */
  whenTaken(callback: () => void): void {
    this.post({ kind: "mark", id: this.#mark(callback) });
  }

  whenHandedOn(key: string, callback: () => void): void {
    this.post({ kind: "mark", id: this.#mark(callback), key });
  }

  #mark(callback: () => void): number {
    const id = this.#nextMark++;
    this.#marks.set(id, callback);
    return id;
  }

  /** The main thread has taken that mark. */
  taken(id: number): void {
    const callback = this.#marks.get(id);
    this.#marks.delete(id);
    callback?.();
  }
}
