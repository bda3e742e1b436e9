// What a guest was allowed, while it lasts, for the audit file (observe/flow-lines.ts). A stream has one as soon as a
// rule allows it; a handle of a mount while it is open.
//
//   ALLOWED ── opened ──▶ OPEN ── its stream or its handle ends, for whatever reason ──▶ closed
//      │                           └── a disk worker still works on it: when that is over ──▲
//      │                  OPEN ◀── a worker has opened it all the same ──┐
//      └── it cannot be had, or is given up ──▶ (no line) ───────────────┘
//
// Where nobody keeps such lines, and no admin API shows streams, there is none: who carries bytes tests a field for
// undefined, and does nothing else. Where the admin API alone wants it, it has no lines.

import { performance } from "node:perf_hooks";
import type { InetAddress } from "@ringway/control";
import type { Traffic } from "../accounts/traffic.ts";
import type { ConversationEnd } from "../observe/conversations/records.ts";
import { wallMs } from "../observe/conversations/wall-clock.ts";
import type { FlowAsked, FlowEnd, FlowLine, FlowMessage, FlowOpened } from "../observe/flow-lines.ts";
import type { FlowRecord } from "../observe/flow-records.ts";
import { priced } from "../observe/line-cost.ts";

/** Of the longest FlowEnd. */
const END_BYTES = 16;

export class Flow {
  readonly asked: FlowAsked;
  /** Of all flows of its guest and its protocol. */
  readonly #ofGuest: Traffic;
  #bytesToHost = 0;
  #bytesToGuest = 0;
  #line: FlowLine | undefined;
  /** What each of its lines costs. */
  lineBytes = 0;
  #openedMs: number = performance.now();
  #startMs: number = wallMs();
  /** Where it leads, or what is listened on. */
  address = "";
  to: InetAddress | undefined;

  constructor(asked: FlowAsked, ofGuest: Traffic) {
    this.asked = asked;
    this.#ofGuest = ofGuest;
  }

  get bytesToHost(): number {
    return this.#bytesToHost;
  }

  get bytesToGuest(): number {
    return this.#bytesToGuest;
  }

  /** Since it was opened, or until then, allowed. */
  get ageMs(): number {
    return Math.round(performance.now() - this.#openedMs);
  }

  toHost(bytes: number): void {
    this.#bytesToHost += bytes;
    this.#ofGuest.bytesToHost += bytes;
  }

  toGuest(bytes: number): void {
    this.#bytesToGuest += bytes;
    this.#ofGuest.bytesToGuest += bytes;
  }

  /** The same as open(), without a line. */
  openUnsaid(address: string): void {
    this.#openedMs = performance.now();
    this.#startMs = wallMs();
    this.address = address;
  }

  /** The line of its beginning. */
  open(kind: FlowOpened["kind"], { guest, flow, address }: Omit<FlowLine, keyof FlowAsked>): FlowMessage {
    const { protocol, what, rule } = this.asked;
    this.openUnsaid(address);
    const { message, bytes } = priced({ kind, guest, flow, protocol, what, rule, address });
    this.#line = message;
    // As long as the other line, which has a word more.
    this.lineBytes = bytes + END_BYTES;
    return message;
  }

  /** Of its stream, which has ended. */
  record(guest: string, reason: ConversationEnd): FlowRecord {
    const { asked, address, bytesToHost, bytesToGuest } = this;
    const times = { startMs: this.#startMs, endMs: wallMs() };
    return { guest, ...asked, address, ...times, bytesToHost, bytesToGuest, reason };
  }

  /** The line of its end; undefined where it was never open. */
  close(end: FlowEnd): FlowMessage | undefined {
    if (this.#line === undefined) return undefined;
    const { guest, flow, protocol, what, rule, address } = this.#line;
    const { bytesToHost, bytesToGuest } = this;
    const went = { bytesToHost, bytesToGuest, ms: this.ageMs, end };
    return { kind: "closed", guest, flow, protocol, what, rule, address, ...went };
  }
}
