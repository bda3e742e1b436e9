// The conversations of guests, for a program: those that there are and those that begin, each an iterator of what its
// two parties send.
//
//   next() ──▶ a conversation ── next() ──▶ bytes, or how many were lost ... ──▶ closed, once, and the end
//
// Nothing waits for a reader here: a ring is emptied as it fills (follows.ts), and what one conversation has that was
// not taken is bounded by its capacity, which the reactor's thread keeps, with what is told of bytes that were taken.

import {
  type ConversationOpened,
  type ConversationRecord,
  jsonIn,
  nanoseconds,
  RecordKind,
  recordsIn,
} from "../observe/conversations/records.ts";
import { wallMs } from "../observe/conversations/wall-clock.ts";
import type { ConversationProtocol } from "../observe/conversations/wanted.ts";
import { Conversation, eventOf } from "./conversation.ts";
import { AT_ONCE, CAPACITY, type ConversationsOptions } from "./conversation-options.ts";
import type { Follow } from "./follows.ts";
import { Queue } from "./queue.ts";

const PIECE_BYTES = 256 * 1024;
/** Between two turns of the main thread's loop. */
const PIECES_AT_ONCE = 8;

type BeginFollow = (options: {
  readonly guest: string | undefined;
  readonly protocol: ConversationProtocol | undefined;
  readonly match: string | undefined;
  readonly whenSlow: "backpressure" | "drop";
  readonly capacity: number;
  readonly most: number;
}) => Follow;

/** Conversations, as they begin. Its end, by return(), the signal or the end of a loop, is that of all of them. */
export class Conversations implements AsyncIterableIterator<Conversation, undefined>, AsyncDisposable {
  /** Resolves when all streams that were there are followed; each one that begins from then on is, from its start. */
  readonly ready: Promise<void>;
  readonly #follow: Follow;
  readonly #capacity: number;
  readonly #open: Map<number, Conversation> = new Map();
  readonly #begun: Queue<Conversation> = new Queue();
  readonly #signal: AbortSignal | undefined;
  #missed = 0;
  #onReady: () => void = () => {};
  #isOver = false;
  #isPumping = false;

  /** @internal */
  constructor(begin: (options: Parameters<BeginFollow>[0]) => Follow, options: ConversationsOptions) {
    const { guest, protocol, match, whenSlow = "drop", signal } = options;
    this.#capacity = options.capacity ?? CAPACITY.usual;
    const most = options.most ?? AT_ONCE.usual;
    signal?.throwIfAborted();
    this.ready = new Promise((resolve) => {
      this.#onReady = resolve;
    });
    this.#follow = begin({ guest, protocol, match, whenSlow, capacity: this.#capacity, most });
    this.#follow.onRecords = () => this.#pump();
    signal?.addEventListener("abort", this.#end, { once: true });
    this.#signal = signal;
  }

  /** How many conversations were not followed, since there were as many as may be. */
  get missed(): number {
    return this.#missed;
  }

  next(): Promise<IteratorResult<Conversation, undefined>> {
    return this.#begun.next();
  }

  async return(): Promise<IteratorResult<Conversation, undefined>> {
    this.#end();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  readonly #end = (): void => {
    this.#signal?.removeEventListener("abort", this.#end);
    if (this.#isOver) return;
    this.#isOver = true;
    this.#follow.end();
    this.#onReady();
    for (const conversation of this.#open.values()) conversation.letGo();
    this.#open.clear();
    this.#begun.clear();
  };

  #pump(): void {
    if (this.#isPumping) return;
    for (let pieces = 0; !this.#isOver; pieces++) {
      if (pieces === PIECES_AT_ONCE) {
        this.#isPumping = true;
        setImmediate(() => {
          this.#isPumping = false;
          this.#pump();
        });
        return;
      }
      const bytes = this.#follow.take(PIECE_BYTES);
      if (bytes !== undefined) for (const record of recordsIn(bytes).records) this.#take(record);
      else if (this.#follow.isOver) this.#ended();
      else if (this.#follow.isEmpty()) return;
    }
  }

  /** The monitor has ended. */
  #ended(): void {
    this.#isOver = true;
    const timeNs = nanoseconds(wallMs());
    for (const conversation of this.#open.values()) conversation.put({ closed: "GuestGone", timeNs });
    this.#open.clear();
    this.#begun.end();
    this.#onReady();
    this.#follow.over();
  }

  #take(record: ConversationRecord): void {
    const { kind, conversation: id } = record;
    if (kind === RecordKind.MISSED) this.#missed += jsonIn<{ missed: number }>(record).missed;
    else if (kind === RecordKind.READY) this.#onReady();
    else if (kind === RecordKind.BEAT) return;
    else if (kind === RecordKind.OPENED) {
      const opened = jsonIn<ConversationOpened>(record);
      const conversation = new Conversation(opened, this.#capacity, (bytes, isOver) => {
        if (isOver) this.#open.delete(id);
        if (!this.#isOver) this.#follow.read(id, bytes, isOver);
      });
      this.#open.set(id, conversation);
      this.#begun.put(conversation);
    } else {
      const event = eventOf(record);
      const conversation = this.#open.get(id);
      if ("closed" in event) this.#open.delete(id);
      conversation?.put(event);
    }
  }
}
