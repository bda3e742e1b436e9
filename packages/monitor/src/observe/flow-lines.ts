// What the audit file is told of what a guest was allowed: a line when it begins, and one when it is over. Each is a
// flow, a connection, a listener, a socket, an open file, and has a number that no other of the monitor has.

import type { Labels } from "./labels.ts";

/** How it ended. */
export const FlowEnd = {
  /** In order. */
  END: "end",
  /** The guest has reset it, or has ended it and reads no more. */
  GUEST_RESET: "guest-reset",
  /** The peer has, or the monitor: a limit, an error of the host's. */
  RESET: "reset",
  /** The guest broke the protocol on it. */
  VIOLATION: "violation",
  /** The operator has closed it, by the admin API, or has put a policy in force that does not allow it any more. */
  OPERATOR: "operator",
  /** The guest is gone, or has begun anew, or the monitor stops; of a mount's file, the mount has ended before. */
  CUT: "cut",
} as const;
export type FlowEnd = (typeof FlowEnd)[keyof typeof FlowEnd];

/** What was asked for, and the rule that has allowed it. */
export interface FlowAsked {
  /** Name of a protocol: "tcp-connect". */
  readonly protocol: string;
  /** "example.com:443", "/data/x". */
  readonly what: string;
  readonly rule: string;
}

/** As both lines have it. */
export interface FlowLine extends FlowAsked {
  readonly guest: string;
  readonly flow: number;
  /** The peer's, or that which is listened on; "" where there is none. */
  readonly address: string;
}

export interface FlowOpened extends FlowLine {
  /** accepted: a connection has come to a listener. */
  readonly kind: "opened" | "accepted";
  /** The line must be written. */
  readonly required?: boolean;
}

export interface FlowClosed extends FlowLine {
  readonly kind: "closed";
  readonly required?: boolean;
  /** Payload: of sockets what has gone each way, of files what was written and read. */
  readonly bytesToHost: number;
  readonly bytesToGuest: number;
  readonly ms: number;
  readonly end: FlowEnd;
}

export type FlowMessage = FlowOpened | FlowClosed;

/** Many of them, one after the other, field by field: to post objects takes several times as long. */
export type FlowFields = (string | number | boolean)[];

/** Of one key. */
export interface KeyFlows {
  readonly key: string;
  readonly fields: FlowFields;
}

export function putFlow(fields: FlowFields, message: FlowMessage): void {
  const { kind, required, guest, flow, protocol, what, rule, address } = message;
  fields.push(kind, required === true, guest, flow, protocol, what, rule, address);
  if (message.kind !== "closed") return;
  const { bytesToHost, bytesToGuest, ms, end } = message;
  fields.push(bytesToHost, bytesToGuest, ms, end);
}

/** Calls `take` with each, in their order. */
export function eachFlow(fields: FlowFields, take: (message: FlowMessage) => void): void {
  let at = 0;
  const next = <T>(): T => fields[at++] as T;
  while (at < fields.length) {
    const kind = next<FlowMessage["kind"]>();
    const begun = {
      required: next<boolean>(),
      guest: next<string>(),
      flow: next<number>(),
      protocol: next<string>(),
      what: next<string>(),
      rule: next<string>(),
      address: next<string>(),
    };
    if (kind !== "closed") take({ kind, ...begun });
    else {
      const [bytesToHost, bytesToGuest, ms] = [next<number>(), next<number>(), next<number>()];
      take({ kind, ...begun, bytesToHost, bytesToGuest, ms, end: next<FlowEnd>() });
    }
  }
}

/** What JSON writes as it is. */
const PLAIN = /^[ !#-[\]-~]*$/;
const quoted = (text: string): string => (PLAIN.test(text) ? `"${text}"` : JSON.stringify(text));

/** The line, as pino would write it in three times the time. `time`: as ISO 8601 has it. */
export function flowLine(message: FlowMessage, labels: Labels | undefined, time: string): string {
  const { kind, guest, flow, protocol, what, rule, address } = message;
  const labelled = labels === undefined ? "" : `,"labels":${JSON.stringify(labels)}`;
  const whose = `"audit":"${kind}","guest":${quoted(guest)}${labelled},"flow":${flow}`;
  const asked = `"protocol":${quoted(protocol)},"what":${quoted(what)},"rule":${quoted(rule)}`;
  const began = `{"level":"info","time":"${time}",${whose},${asked},"address":${quoted(address)}`;
  if (message.kind !== "closed") return `${began},"msg":"${kind}"}\n`;
  const { bytesToHost, bytesToGuest, ms, end } = message;
  const went = `"bytesToHost":${bytesToHost},"bytesToGuest":${bytesToGuest},"ms":${ms},"end":"${end}"`;
  return `${began},${went},"msg":"closed"}\n`;
}

/** Of one thread. */
export class FlowNumbers {
  #next = 1;

  take(): number {
    return this.#next++;
  }
}
