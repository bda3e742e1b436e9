// A stream of messages without I/O and without a clock: whoever drives it brings the bytes and the time.
//
//        queue() ─▶ │ send queue     │ ─▶ take(), sent() ─▶  the wire
//        next()  ◀─ │ receive buffer │ ◀─ receive()      ◀─
//                            tick(): what is too late, what is idle
//
//        CONNECTING ─ opened() ─▶ OPEN ─ close(), end() ─▶ CLOSING ─ all is sent ─▶ CLOSED
//             ╰───────────────────┴─ malformed, stale, timeout, failed() ──┴───────────▲
//
// CLOSING takes no message, gives none, and sends those it has, once opened() where it was CONNECTING. What breaks one
// off that is CLOSING is its ending: it says more. Where the wire takes nothing any more, endSending(), an OPEN stream
// still gives what was received, and takes no message. Times are milliseconds of any clock that does not go back.
//
// Invariant: those of the receive buffer and of the send queue. CLOSED has an ending, and no other state has one.

import type { Bytes, Codec } from "./codec.ts";
import { requireKnown, requireWhole } from "./codec.ts";
import type { Ending, Why } from "./ending.ts";
import { invariant } from "./invariant.ts";
import { CONNECT_TIMEOUT_MS, TICK_MS, TX_TIMEOUT_MS, WRITE_BUDGET_BYTES } from "./limits.ts";
import { type Problem, ReceiveBuffer } from "./receive-buffer.ts";
import { SendQueue } from "./send-queue.ts";

export interface PingOptions<M> {
  /** After so long without a byte from the peer. */
  readonly everyMs: number;
  /** How long any byte may take then. */
  readonly answerMs: number;
  /** What the peer answers to. */
  readonly message: () => M;
}

export interface StreamOptions<M> {
  readonly codec: Codec<M>;
  /** Of the receive buffer, in frames of the codec's maxBytes: 1 or more. Default 1. */
  readonly receiveMultiple?: number;
  /** Of the send queue: 2 or more. Default 2. */
  readonly sendMultiple?: number;
  /** How long a message may wait in the queue. Default 30 s. */
  readonly txTimeoutMs?: number;
  /** Default 5 s. */
  readonly connectTimeoutMs?: number;
  /** Bytes that are sent in one turn. Default 256 KiB. */
  readonly writeBudgetBytes?: number;
  readonly ping?: PingOptions<M>;
  /** Whether a malformed frame whose end is known is left out; the stream is over otherwise. */
  readonly onMalformed?: (problem: Problem) => boolean;
}

const OPTIONS = [
  "codec",
  "receiveMultiple",
  "sendMultiple",
  "txTimeoutMs",
  "connectTimeoutMs",
  "writeBudgetBytes",
  "ping",
  "onMalformed",
];

export type StreamState = "CONNECTING" | "OPEN" | "CLOSING" | "CLOSED";

export interface Telemetry {
  /** What receive() takes at once, and queue(). */
  readonly receiveFreeBytes: number;
  readonly sendFreeBytes: number;
  /** Of frames that are not whole, or not fetched. */
  readonly heldBytes: number;
  readonly queuedBytes: number;
  readonly queuedMessages: number;
  /** Age of the first message in the buffer that is being sent; 0 where none waits. */
  readonly oldestQueuedMs: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Allocated by the stream now. */
  readonly memoryBytes: number;
}

export class MessageStream<M> {
  state: StreamState = "CONNECTING";
  /** Once CLOSED. */
  ending: Ending | undefined;
  /** How often tick() is due. */
  readonly tickMs: number;
  /** What take() gives at most. */
  readonly writeBudgetBytes: number;
  readonly #receive: ReceiveBuffer<M>;
  readonly #send: SendQueue<M>;
  readonly #txTimeoutMs: number;
  readonly #connectTimeoutMs: number;
  readonly #ping: PingOptions<M> | undefined;
  readonly #since: number;
  #hasOpened = false;
  #hasEndedSending = false;
  #why: Why | undefined;
  #messagesIn = 0;
  #bytesIn = 0;
  #lastIn: number;
  #lastOut: number;
  #pingedAt: number | undefined;
  /** When nobody read what came: a peer's silence is counted from there. */
  #lastUnread: number;
  #lastTick: number;

  constructor(options: StreamOptions<M>, now: number) {
    requireKnown(options, OPTIONS);
    const { codec, receiveMultiple = 1, sendMultiple = 2, ping } = options;
    const { txTimeoutMs = TX_TIMEOUT_MS, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
    const { writeBudgetBytes = WRITE_BUDGET_BYTES } = options;
    if (ping !== undefined) requireKnown(ping, ["everyMs", "answerMs", "message"]);
    requireWhole("maxBytes", codec.maxBytes, 1, 2 ** 31);
    requireAtLeast("receiveMultiple", receiveMultiple, 1);
    requireAtLeast("sendMultiple", sendMultiple, 2);
    requireWhole("writeBudgetBytes", writeBudgetBytes, 1, 2 ** 31);
    const times = {
      txTimeoutMs,
      connectTimeoutMs,
      ...(ping && { everyMs: ping.everyMs, answerMs: ping.answerMs }),
    };
    for (const [name, ms] of Object.entries(times)) requireWhole(name, ms, 1, 2 ** 31 - 1);
    this.#receive = new ReceiveBuffer(codec, receiveMultiple, options.onMalformed);
    this.#send = new SendQueue(codec, sendMultiple);
    this.#txTimeoutMs = txTimeoutMs;
    this.#connectTimeoutMs = connectTimeoutMs;
    this.writeBudgetBytes = writeBudgetBytes;
    this.#ping = ping;
    this.#since = now;
    this.#lastIn = now;
    this.#lastOut = now;
    this.#lastUnread = now;
    this.#lastTick = now;
    this.tickMs = Math.min(TICK_MS, ...Object.values(times));
  }

  // ── Receiving ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What receive() takes, most of all: what one turn reads. */
  turnBytes(): number {
    return this.#receive.limit;
  }

  /** How many bytes of the chunk are taken. They are the stream's: messages are views of them. */
  receive(chunk: Bytes, now: number): number {
    if (this.state === "CLOSING" || this.state === "CLOSED") return 0;
    const bytes = this.#receive.receive(chunk);
    this.#bytesIn += bytes;
    if (bytes > 0) this.#lastIn = now;
    return bytes;
  }

  /** The next message; undefined where there is none yet, or none any more. */
  next(): M | undefined {
    if (this.state === "CLOSING" || this.state === "CLOSED") return undefined;
    const message = this.#receive.next();
    if (message !== undefined) this.#messagesIn++;
    else if (this.#receive.problem !== undefined)
      this.#breakOff({ reason: "Malformed", ...this.#receive.problem });
    return message;
  }

  /** Whether next() has nothing of what was received. */
  isRead(): boolean {
    return this.#receive.isRead();
  }

  /** The peer sends no more. Only where next() has nothing left. */
  end(): void {
    const frameBytes = this.#receive.heldBytes();
    this.#close({ reason: "EndOfStream", frameBytes, position: this.#receive.position() });
  }

  // ── Sending ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Whether the message was taken: it is not where the queue is full, or canSend() is false. Throws CannotEncode for a
   * message that has no frame.
   */
  queue(message: M, now: number): boolean {
    if (!this.canSend()) return false;
    return this.#send.queue(message, now);
  }

  /** Whether a message will ever be taken again. */
  canSend(): boolean {
    return this.state !== "CLOSING" && this.state !== "CLOSED" && !this.#hasEndedSending;
  }

  /** The wire takes nothing any more: what is queued stays unsent. What was received is still given. */
  endSending(): void {
    this.#hasEndedSending = true;
    if (this.state === "CLOSING") this.#finish(this.#why!);
  }

  /** Bytes to send, for one turn. They stay as they are until sent() has counted them. */
  take(most: number = this.writeBudgetBytes): Bytes | undefined {
    if (!this.#hasOpened || this.#hasEndedSending || this.state === "CLOSED") return undefined;
    return this.#send.take(Math.min(most, this.writeBudgetBytes));
  }

  /** The wire has taken so many bytes more. */
  sent(bytes: number, now: number): void {
    if (this.state === "CLOSED") return;
    this.#send.sent(bytes);
    this.#lastOut = now;
    if (this.state === "CLOSING" && this.#send.queuedBytes() === 0) this.#finish(this.#why!);
  }

  // ── Its life ───────────────────────────────────────────────────────────────────────────────────────────────────────

  opened(now: number): void {
    if (this.#hasOpened) return;
    this.#hasOpened = true;
    if (this.state === "CONNECTING") this.state = "OPEN";
    this.#lastIn = now;
  }

  /** Sends what is queued, and is over then. */
  close(): void {
    this.#close({ reason: "Closed" });
  }

  /** Breaks it off: what the peer says, or who it is, is not right. What is queued is not sent. */
  refuse(what: string): void {
    this.#breakOff({ reason: "Refused", what });
  }

  /** Whoever uses the stream has failed at a message. */
  threw(error: unknown): void {
    this.#breakOff({ reason: "Thrown", error });
  }

  /** The wire has failed. */
  failed(error: unknown): void {
    this.#breakOff({ reason: "Io", error });
  }

  /**
   * What is late by now; shrinks what is idle. To be called every tickMs.
   *
   * @param isReading whether what the peer sends would come here: it is not silent where nobody listens
   */
  tick(now: number, isReading = true): void {
    if (this.state === "CLOSED") return;
    const connectingMs = now - this.#since;
    if (!this.#hasOpened) {
      // Nothing is sent yet, so nothing is stale.
      if (connectingMs >= this.#connectTimeoutMs) this.#timeOut("connect", connectingMs);
      return;
    }
    const oldestQueuedMs = this.#oldestQueuedMs(now);
    if (!isReading || !this.#receive.isRead()) this.#lastUnread = now;
    if (!this.#hasEndedSending && oldestQueuedMs >= this.#txTimeoutMs) {
      this.#breakOff({ reason: "Stale", oldestQueuedMs });
    } else this.#tickPing(now);
    if (this.#lastIn < this.#lastTick) this.#receive.shrink();
    if (this.#lastOut < this.#lastTick) this.#send.shrink();
    this.#lastTick = now;
  }

  telemetry(now: number): Telemetry {
    return {
      receiveFreeBytes: this.#receive.free(),
      sendFreeBytes: this.#send.free(),
      heldBytes: this.#receive.heldBytes(),
      queuedBytes: this.#send.queuedBytes(),
      queuedMessages: this.#send.queuedMessages(),
      oldestQueuedMs: this.#oldestQueuedMs(now),
      messagesIn: this.#messagesIn,
      messagesOut: this.#send.messagesOut,
      bytesIn: this.#bytesIn,
      bytesOut: this.#send.bytesOut,
      memoryBytes: this.#receive.memoryBytes() + this.#send.memoryBytes(),
    };
  }

  invariants(): void {
    this.#receive.invariants();
    this.#send.invariants();
    invariant((this.state === "CLOSED") === (this.ending !== undefined), "what is CLOSED has an ending");
  }

  #oldestQueuedMs(now: number): number {
    const since = this.#send.oldest();
    return since === undefined ? 0 : now - since;
  }

  #tickPing(now: number): void {
    const ping = this.#ping;
    if (ping === undefined || this.state !== "OPEN" || this.#hasEndedSending) return;
    const pingedAt = this.#pingedAt;
    const heardAt = Math.max(this.#lastIn, this.#lastUnread);
    if (pingedAt !== undefined && heardAt >= pingedAt) this.#pingedAt = undefined;
    else if (pingedAt !== undefined) {
      if (now - pingedAt >= ping.answerMs) this.#timeOut("ping", now - pingedAt);
      return;
    }
    // Where the queue is full, the peer is stale before long.
    if (now - heardAt >= ping.everyMs && this.#send.queue(ping.message(), now)) this.#pingedAt = now;
  }

  #timeOut(of: "connect" | "ping", afterMs: number): void {
    this.#breakOff({ reason: "Timeout", of, afterMs });
  }

  #close(why: Why): void {
    if (this.state === "CLOSING" || this.state === "CLOSED") return;
    this.#why = why;
    if (this.#send.queuedBytes() === 0 || this.#hasEndedSending) this.#finish(why);
    else this.state = "CLOSING";
  }

  #breakOff(why: Why): void {
    if (this.state !== "CLOSED") this.#finish(why);
  }

  #finish(why: Why): void {
    this.state = "CLOSED";
    this.ending = {
      ...why,
      unsentMessages: this.#send.queuedMessages(),
      unsentBytes: this.#send.queuedBytes(),
    };
  }
}

function requireAtLeast(name: string, value: number, least: number): void {
  if (!(value >= least && Number.isFinite(value)))
    throw new RangeError(`${name} is ${least} or more, not ${value}`);
}
