// Conversations of a monitor, as a client of its admin API reads them: bounded, whatever comes.

import {
  type ConversationEnd,
  type ConversationOpened,
  type ConversationRecord,
  From,
  jsonIn,
  nanoseconds,
  RECORD_PAYLOAD_MAX,
  RecordKind,
  recordBytes,
  recordsIn,
} from "../observe/conversations/records.ts";

/** `conversation`: which of those that this client follows. */
export type FollowedEvent =
  | ({ readonly kind: "opened"; readonly conversation: number; readonly timeNs: bigint } & ConversationOpened)
  | {
      readonly kind: "data";
      readonly conversation: number;
      readonly timeNs: bigint;
      readonly from: "initiator" | "responder";
      readonly bytes: Uint8Array;
      /** Whose a datagram is, or for whom, where the guest's socket is bound. */
      readonly peer?: string;
    }
  /** This client was too slow. */
  | {
      readonly kind: "lost";
      readonly conversation: number;
      readonly timeNs: bigint;
      readonly from: "initiator" | "responder";
      readonly lost: number;
    }
  | {
      readonly kind: "closed";
      readonly conversation: number;
      readonly timeNs: bigint;
      readonly closed: ConversationEnd;
    }
  /** So many were not followed, since there were as many as may be. */
  | { readonly kind: "missed"; readonly missed: number }
  /** All that were there are followed, and each one that begins from now on is, from its start. */
  | { readonly kind: "ready" };

/** Throws RecordError for what no monitor sends. */
export async function* followedIn(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<FollowedEvent> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunks) {
    const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const { records, bytes } = recordsIn(all);
    for (const record of records) {
      const event = eventOf(record);
      if (event !== undefined) yield event;
    }
    rest = all.subarray(bytes);
    // recordsIn() takes no longer ones.
    if (rest.length > recordBytes(RECORD_PAYLOAD_MAX)) throw new RangeError("a record is too long");
  }
}

function eventOf(record: ConversationRecord): FollowedEvent | undefined {
  const { kind, conversation } = record;
  const timeNs = nanoseconds(record.timeMs);
  const from = record.from === From.INITIATOR ? "initiator" : "responder";
  switch (kind) {
    case RecordKind.OPENED:
      return { kind: "opened", conversation, timeNs, ...jsonIn<ConversationOpened>(record) };
    case RecordKind.DATA: {
      const peer = record.peer === "" ? {} : { peer: record.peer };
      return { kind: "data", conversation, timeNs, from, bytes: record.payload, ...peer };
    }
    case RecordKind.LOST:
      return { kind: "lost", conversation, timeNs, from, ...jsonIn<{ lost: number }>(record) };
    case RecordKind.CLOSED:
      return { kind: "closed", conversation, timeNs, ...jsonIn<{ closed: ConversationEnd }>(record) };
    case RecordKind.MISSED:
      return { kind: "missed", ...jsonIn<{ missed: number }>(record) };
    case RecordKind.READY:
      return { kind: "ready" };
    default:
      return undefined;
  }
}
