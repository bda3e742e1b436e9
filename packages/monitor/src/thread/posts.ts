// What the reactor's thread tells the main thread, in the order in which it happens.
//
//   a guest comes, attaches, goes;  ──▶ KEPT ── LATE_MS, or anything else is posted ──▶ one message
//   what it is allowed begins, ends
//   anything else ────────────────────────────────────────────────────────────────────▶ a message, at once
//
// To post takes some 20 us, and wakes the main thread. A guest that comes and goes is three lines, which nobody waits
// for: its neighbours pay for one post in some milliseconds, and not for three with each guest. A stream is two lines
// where there is an audit file. What is kept is bounded by what each guest may be ahead of the main thread
// (observe/lines.ts), and where it ends, or begins anew, by a line for each stream that it had open.

import { type FlowFields, type FlowMessage, putFlow } from "../observe/flow-lines.ts";
import type { GuestLife } from "../observe/line-messages.ts";
import type { Reactor } from "../reactor/reactor.ts";
import type { FromReactor } from "./messages.ts";

/** How late such a line may be, in milliseconds. */
const LATE_MS = 10;

/** What there is to tell: what a guest was allowed goes with others of its kind. */
export type Posted = FromReactor | FlowMessage;

export class Posts {
  readonly #reactor: Reactor;
  readonly #send: (message: FromReactor) => void;
  #kept: GuestLife[] = [];
  #flows: FlowFields = [];
  #isDue = false;
  readonly #marks: Map<number, () => void> = new Map();
  #nextMark = 1;

  constructor(reactor: Reactor, send: (message: FromReactor) => void) {
    this.#reactor = reactor;
    this.#send = send;
  }

  post(message: Posted): void {
    switch (message.kind) {
      case "guest":
      case "attached":
      case "detached":
        this.#kept.push(message);
        this.#flushLater();
        return;
      case "opened":
      case "accepted":
      case "closed":
        putFlow(this.#flows, message);
        this.#flushLater();
        return;
      default:
        this.flush();
        this.#send(message);
    }
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
    const fields = this.#flows;
    if (lines.length > 0) {
      this.#kept = [];
      this.#send({ kind: "lives", lines });
    }
    if (fields.length > 0) {
      this.#flows = [];
      this.#send({ kind: "flows", fields });
    }
  }

  /** Calls back once the main thread has taken everything that was posted so far. */
  whenTaken(callback: () => void): void {
    const id = this.#nextMark++;
    this.#marks.set(id, callback);
    this.post({ kind: "mark", id });
  }

  /** The main thread has taken that mark. */
  taken(id: number): void {
    const callback = this.#marks.get(id);
    this.#marks.delete(id);
    callback?.();
  }
}
