// What a guest was allowed, while it lasts, for the audit file (observe/flow-lines.ts). A stream has one as soon as a
// rule allows it; a handle of a mount while it is open.
//
//   ALLOWED ── opened ──▶ OPEN ── its stream or its handle ends, for whatever reason ──▶ closed
//      └── it cannot be had, or is given up ──▶ (no line)
//
// Where nobody keeps such lines there is none: who carries bytes tests a field for undefined, and does nothing else.

import type { FlowAsked, FlowEnd, FlowLine, FlowMessage, FlowOpened } from "../observe/flow-lines.ts";

export class Flow {
  readonly asked: FlowAsked;
  bytesToHost = 0;
  bytesToGuest = 0;
  #line: FlowLine | undefined;
  #openedMs = 0;

  constructor(asked: FlowAsked) {
    this.asked = asked;
  }

  /** The line of its beginning. */
  open(kind: FlowOpened["kind"], { guest, flow, address }: Omit<FlowLine, keyof FlowAsked>): FlowMessage {
    const { protocol, what, rule } = this.asked;
    this.#openedMs = performance.now();
    this.#line = { guest, flow, protocol, what, rule, address };
    return { kind, ...this.#line };
  }

  /** The line of its end; undefined where it was never open. */
  close(end: FlowEnd): FlowMessage | undefined {
    if (this.#line === undefined) return undefined;
    const { bytesToHost, bytesToGuest } = this;
    const ms = Math.round(performance.now() - this.#openedMs);
    return { kind: "closed", ...this.#line, bytesToHost, bytesToGuest, ms, end };
  }
}
