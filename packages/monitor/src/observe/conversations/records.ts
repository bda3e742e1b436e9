// What is told of conversations, as it goes from the reactor's thread to the main thread (ring.ts) and from a monitor
// to whoever follows it over the admin API: records, one behind the other, each a multiple of 8 bytes.
//
//   0         4     5       8               12            16              24
//   | payload | kind| from 0| conversation  | peer bytes  | time (f64)    | payload, zeros up to a multiple of 8
//
// All little-endian. `time`: milliseconds of Unix time. A payload is JSON, but for DATA: `peer bytes` of text, who has
// sent a datagram or to whom it goes where its socket is bound, and then what was carried.
//
// A conversation has OPENED first, then DATA and LOST in their order, and CLOSED last, exactly once. Of none are
// MISSED, how many were not followed, since there were as many as may be; READY, all that were there are followed; and
// BEAT, which says that its sender is there.

export const RECORD_HEADER_BYTES = 24;
/** Of one payload: a piece of what was carried, and whatever JSON there is. */
export const RECORD_PAYLOAD_MAX: number = 256 * 1024;

export const RecordKind = { OPENED: 1, DATA: 2, LOST: 3, CLOSED: 4, MISSED: 5, READY: 6, BEAT: 7 } as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/** Who has sent it. */
export const From = { INITIATOR: 0, RESPONDER: 1 } as const;
export type From = (typeof From)[keyof typeof From];

/**
 * How a conversation has ended. Fin: in order. Rst: one of the two, or the monitor, has reset it. IdleTimeout: nobody
 * used it. Evicted: the operator ended it. Refused: it never began. GuestGone: the guest has ended, or the monitor.
 * PolicyChanged: a policy was put in force that does not allow it.
 */
export type ConversationEnd =
  | "Fin"
  | "Rst"
  | "IdleTimeout"
  | "Evicted"
  | "Refused"
  | "GuestGone"
  | "PolicyChanged";

/** One of the two of a conversation. */
export interface ConversationParty {
  readonly side: "guest" | "host";
  /** The guest's name; or what it has asked for: "example.com:443". */
  readonly name: string;
  /** The host's: whom it is connected to; the guest's: where it listens. "" where there is none, or nobody knows it. */
  readonly address: string;
}

/** As it begins. */
export interface ConversationOpened {
  /** Name of the guest. */
  readonly guest: string;
  /** The guest's number: "3", as the admin API has it. */
  readonly guestId: string;
  /** Id of the stream, as the admin API has it. */
  readonly stream: string;
  /** "tcp-connect" */
  readonly protocol: string;
  readonly initiator: ConversationParty;
  readonly responder: ConversationParty;
  /** That has allowed it, or has not; "" where none was asked. */
  readonly rule: string;
  /** False: it was under way when it was followed. */
  readonly isWhole: boolean;
}

export interface ConversationRecord {
  readonly kind: RecordKind;
  readonly from: From;
  /** Of those that one follower follows; 0: of none. */
  readonly conversation: number;
  readonly timeMs: number;
  /** Of a datagram of a bound socket; "" else. */
  readonly peer: string;
  /** Of DATA what was carried; else JSON. A view of what was read. */
  readonly payload: Uint8Array;
}

/** What a piece that its reader has not taken counts as, of its conversation's capacity: it is an object, too. */
export function heldBytes(payloadBytes: number): number {
  return payloadBytes + HELD_BYTES;
}
const HELD_BYTES = 128;

/** Bytes of a record with so many of payload. */
export function recordBytes(payloadBytes: number): number {
  return RECORD_HEADER_BYTES + ((payloadBytes + 7) & ~7);
}

/** BEAT, whole. */
export function beatRecord(): Uint8Array {
  const record = new Uint8Array(RECORD_HEADER_BYTES);
  record[4] = RecordKind.BEAT;
  new DataView(record.buffer).setFloat64(16, Date.now(), true);
  return record;
}

export class RecordError extends Error {
  override readonly name: string = "RecordError";
  readonly code: "ERR_RINGWAY_RECORD" = "ERR_RINGWAY_RECORD";
}

const KINDS: ReadonlySet<number> = new Set(Object.values(RecordKind));
const decoder = new TextDecoder();

/** The records at the beginning of `bytes`, and how many bytes they are. Throws RecordError for what is none. */
export function recordsIn(bytes: Uint8Array): {
  readonly records: readonly ConversationRecord[];
  readonly bytes: number;
} {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: ConversationRecord[] = [];
  let at = 0;
  while (bytes.length - at >= RECORD_HEADER_BYTES) {
    const length = view.getUint32(at, true);
    const kind = view.getUint8(at + 4);
    const from = view.getUint8(at + 5);
    const peerBytes = view.getUint32(at + 12, true);
    if (length > RECORD_PAYLOAD_MAX || !KINDS.has(kind) || from > 1 || peerBytes > length) {
      throw new RecordError("what came is no record of a conversation");
    }
    const whole = recordBytes(length);
    if (bytes.length - at < whole) break;
    const data = at + RECORD_HEADER_BYTES;
    records.push({
      kind: kind as RecordKind,
      from: from as From,
      conversation: view.getUint32(at + 8, true),
      timeMs: view.getFloat64(at + 16, true),
      peer: peerBytes === 0 ? "" : decoder.decode(bytes.subarray(data, data + peerBytes)),
      payload: bytes.subarray(data + peerBytes, data + length),
    });
    at += whole;
  }
  return { records, bytes: at };
}

/** The payload of what is not DATA. */
export function jsonIn<T>({ payload }: ConversationRecord): T {
  return JSON.parse(decoder.decode(payload)) as T;
}

const NS_PER_MS = 1_000_000;

/** Nanoseconds of Unix time. */
export function nanoseconds(timeMs: number): bigint {
  const whole = Math.floor(timeMs);
  return BigInt(whole) * BigInt(NS_PER_MS) + BigInt(Math.round((timeMs - whole) * NS_PER_MS));
}
