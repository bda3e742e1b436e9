// One conversation, as a program reads it: an iterator of what its two parties send, to its end.
//
//   put() ──▶ waits to be read ── next() ──▶ read: what it held is told, by halves of the capacity
//   closed ── read ──▶ over          return() ──▶ over: no more of it is wanted

import {
  type ConversationEnd,
  type ConversationOpened,
  type ConversationParty,
  type ConversationRecord,
  From,
  heldBytes,
  jsonIn,
  nanoseconds,
  RecordKind,
} from "../observe/conversations/records.ts";
import { Queue } from "./queue.ts";

export type ConversationEvent =
  /** `peer`: whose a datagram is, or for whom, where the guest's socket is bound. */
  | {
      readonly from: "initiator" | "responder";
      readonly bytes: Uint8Array;
      readonly timeNs: bigint;
      readonly peer?: string;
    }
  /** This reader was too slow. */
  | { readonly from: "initiator" | "responder"; readonly lost: number; readonly timeNs: bigint }
  | { readonly closed: ConversationEnd; readonly timeNs: bigint };

/** What guest and peer say to each other on one stream. To be read once. */
export class Conversation implements AsyncIterableIterator<ConversationEvent, undefined> {
  /** Name of the guest. */
  readonly guest: string;
  /** Id of the stream, as the admin API has it. */
  readonly stream: string;
  /** "tcp-connect" */
  readonly protocol: string;
  readonly initiator: ConversationParty;
  readonly responder: ConversationParty;
  /** The rule that has allowed it, or has not. */
  readonly rule: string;
  /** False: it was under way when it was followed. */
  readonly isWhole: boolean;
  readonly #events: Queue<ConversationEvent> = new Queue();
  readonly #capacity: number;
  readonly #onRead: (bytes: number, isOver: boolean) => void;
  #read = 0;
  #isOver = false;

  /** @internal `onRead` is told of what was taken. */
  constructor(
    opened: ConversationOpened,
    capacity: number,
    onRead: (bytes: number, isOver: boolean) => void,
  ) {
    this.guest = opened.guest;
    this.stream = opened.stream;
    this.protocol = opened.protocol;
    this.initiator = opened.initiator;
    this.responder = opened.responder;
    this.rule = opened.rule;
    this.isWhole = opened.isWhole;
    this.#capacity = capacity;
    this.#onRead = onRead;
  }

  /** @internal */
  put(event: ConversationEvent): void {
    if (this.#isOver) return;
    this.#events.put(event);
    if ("closed" in event) this.#events.end();
  }

  /** @internal Nobody follows any more. */
  letGo(): void {
    this.#isOver = true;
    this.#events.clear();
  }

  async next(): Promise<IteratorResult<ConversationEvent, undefined>> {
    const result = await this.#events.next();
    if (result.done === true || this.#isOver) return result;
    const event = result.value;
    if ("closed" in event) {
      this.#end();
      return result;
    }
    this.#read += heldBytes("bytes" in event ? event.bytes.length : 0);
    if (this.#read < this.#capacity / 2) return result;
    this.#onRead(this.#read, false);
    this.#read = 0;
    return result;
  }

  /** No more of it is wanted; its stream goes on. */
  async return(): Promise<IteratorResult<ConversationEvent, undefined>> {
    if (!this.#isOver) this.#end();
    this.#events.clear();
    return { done: true, value: undefined };
  }

  #end(): void {
    this.#isOver = true;
    this.#onRead(0, true);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** @internal Of DATA, LOST and CLOSED. */
export function eventOf(record: ConversationRecord): ConversationEvent {
  const timeNs = nanoseconds(record.timeMs);
  if (record.kind === RecordKind.CLOSED) return { ...jsonIn<{ closed: ConversationEnd }>(record), timeNs };
  const from = record.from === From.INITIATOR ? "initiator" : "responder";
  if (record.kind === RecordKind.LOST) return { from, ...jsonIn<{ lost: number }>(record), timeNs };
  const peer = record.peer === "" ? {} : { peer: record.peer };
  const { payload } = record;
  // Else what it was read with, which is many times as long, would stay as long as it does.
  const isMost = 2 * payload.length >= payload.buffer.byteLength;
  return { from, bytes: isMost ? payload : payload.slice(), timeNs, ...peer };
}
