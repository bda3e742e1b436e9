// Why a stream is over: one of these for each stream, once.

import type { Problem } from "./receive-buffer.ts";

/** Messages that were taken by queue(), and not sent. */
export interface Unsent {
  readonly unsentMessages: number;
  readonly unsentBytes: number;
}

/** This side has closed it. */
export interface Closed extends Unsent {
  readonly reason: "Closed";
}

/** The peer has ended it. */
export interface EndOfStream extends Unsent {
  readonly reason: "EndOfStream";
  /** Bytes of a frame that will never be whole: 0 where the stream ends between two. */
  readonly frameBytes: number;
  /** Where that frame begins: the bytes of all whole frames. */
  readonly position: number;
}

/** The peer has written what is no frame. */
export interface MalformedStream extends Unsent, Problem {
  readonly reason: "Malformed";
}

/** The peer does not read: a message has waited for too long. */
export interface Stale extends Unsent {
  readonly reason: "Stale";
  readonly oldestQueuedMs: number;
}

/** This side does not go on: the peer broke a rule of what the messages say, or is not wanted. */
export interface Refused extends Unsent {
  readonly reason: "Refused";
  readonly what: string;
}

/** There is no connection in time, or no byte in answer to a ping. */
export interface Timeout extends Unsent {
  readonly reason: "Timeout";
  readonly of: "connect" | "ping";
  readonly afterMs: number;
}

/** What carries the stream has failed. */
export interface Io extends Unsent {
  readonly reason: "Io";
  readonly error: unknown;
}

/** What this side does with a message, or with room for one, has thrown. */
export interface Thrown extends Unsent {
  readonly reason: "Thrown";
  readonly error: unknown;
}

export type Ending = Closed | EndOfStream | MalformedStream | Stale | Refused | Timeout | Io | Thrown;

type WithoutUnsent<E> = E extends Ending ? Omit<E, keyof Unsent> : never;
export type Why = WithoutUnsent<Ending>;
