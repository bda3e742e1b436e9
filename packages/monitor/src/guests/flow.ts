// What a guest was allowed, while it lasts, for the audit file (observe/flow-lines.ts). A stream has one as soon as a
// rule allows it; a handle of a mount while it is open.
//
//   ALLOWED ── opened ──▶ OPEN ── its stream or its handle ends, for whatever reason ──▶ closed
//      └── it cannot be had, or is given up ──▶ (no line)
//
// Where nobody keeps such lines there is none: who carries bytes tests a field for undefined, and does nothing else.

import type { FlowAsked, FlowEnd, FlowLine, FlowMessage, FlowOpened } from "../observe/flow-lines.ts";
import { priced } from "../observe/line-cost.ts";

/** Of the longest FlowEnd. */
const END_BYTES = 16;

export class Flow {
  readonly asked: FlowAsked;
  bytesToHost = 0;
  bytesToGuest = 0;
  #line: FlowLine | undefined;
  /** What each of its lines costs. */
  lineBytes = 0;
  #openedMs = 0;

  constructor(asked: FlowAsked) {
    this.asked = asked;
  }

  /** The line of its beginning. */
  open(kind: FlowOpened["kind"], { guest, flow, address }: Omit<FlowLine, keyof FlowAsked>): FlowMessage {
    const { protocol, what, rule } = this.asked;
    this.#openedMs = performance.now();
    const { message, bytes } = priced({ kind, guest, flow, protocol, what, rule, address });
    this.#line = message;
    // As long as the other line, which has a word more.
    this.lineBytes = bytes + END_BYTES;
    return message;
  }

  /** The line of its end; undefined where it was never open. */
  close(end: FlowEnd): FlowMessage | undefined {
    if (this.#line === undefined) return undefined;
    const { guest, flow, protocol, what, rule, address } = this.#line;
    const { bytesToHost, bytesToGuest } = this;
    const ms = Math.round(performance.now() - this.#openedMs);
    const went = { bytesToHost, bytesToGuest, ms, end };
    return { kind: "closed", guest, flow, protocol, what, rule, address, ...went };
  }
}
