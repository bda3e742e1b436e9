// What the audit file is told of what a guest was allowed: a line when it begins, and one when it is over. Each is a
// flow, a connection, a listener, a socket, an open file, and has a number that no other of the monitor has.

/** How it ended. */
export const FlowEnd = {
  /** In order. */
  END: "end",
  /** The guest has reset it. */
  GUEST_RESET: "guest-reset",
  /** The peer has, or the monitor: a limit, an error of the host's. */
  RESET: "reset",
  /** The guest broke the protocol on it. */
  VIOLATION: "violation",
  /** The guest is gone, or has begun anew, or the monitor stops. */
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

/** Of one thread. */
export class FlowNumbers {
  #next = 1;

  take(): number {
    return this.#next++;
  }
}
