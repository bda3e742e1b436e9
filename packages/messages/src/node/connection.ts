// A message stream over any Duplex: a socket of Node's, a stream of Ringway's SDK, a pair of pipes.
//
//        Duplex ── "data" ─▶ rest ─▶ receive() ─▶ next() ─▶ onMessage(), or read()
//        Duplex ◀─ write ◀── take() ◀── queue()
//
// Reading: a turn takes at most the receive buffer's bytes; the rest of a chunk waits for the next turn, and the Duplex
// is paused for so long. While nobody reads messages it is paused as well, so a slow reader slows its peer.
// Writing: what is queued in one turn is written together, one write at a time, and at most the budget in one turn.
//
// A socket has done with the bytes of a write when it says so. Any other Duplex gets a copy: it may hand them on as
// they are, and whoever has them last is not known.
//
// Invariant: the Duplex flows only where `rest` is empty. One write is on its way at most, of bytes that stay as they
// are until it is done. `closed` is resolved once, when the Duplex is destroyed.

import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
  type Bytes,
  type Ending,
  MessageStream,
  type StreamOptions,
  type StreamState,
  type Telemetry,
} from "@ringway/messages";
import { endDuplex } from "./end-duplex.ts";
import { currentTurn, inNextTurn, turnTime } from "./turns.ts";

const NOTHING: Bytes = new Uint8Array(0);

export interface ConnectionOptions<M> extends StreamOptions<M> {
  /** Each message, as soon as it is there. Without it messages are read: read(), or `for await`. */
  readonly onMessage?: (message: M, connection: Connection<M>) => void;
  /** A message that was not taken would be now, or there is more room than before. */
  readonly onDrain?: (connection: Connection<M>) => void;
}

export class Connection<M> implements AsyncIterable<M>, AsyncDisposable {
  readonly duplex: Duplex;
  /** Why it is over, once it is. Never rejected. */
  readonly closed: Promise<Ending>;
  readonly #stream: MessageStream<M>;
  readonly #onMessage: ConnectionOptions<M>["onMessage"];
  readonly #onDrain: ConnectionOptions<M>["onDrain"];
  readonly #timer: NodeJS.Timeout;
  readonly #mustCopy: boolean;
  #resolveClosed!: (ending: Ending) => void;
  /** Of the chunk that came last: what the stream has not taken. */
  #rest: Bytes = NOTHING;
  #isPaused = false;
  #hasEnded = false;
  #readTurn = -1;
  #readBytes = 0;
  #isWaitingToRead = false;
  #isWriting = false;
  #isFlushDue = false;
  #writeTurn = -1;
  #writtenBytes = 0;
  #wasRefused = false;
  #isSettled = false;
  /** Those that wait for a message, or for room. */
  #waiters: (() => void)[] = [];

  /** @param duplex one that is connecting counts as not connected before its "connect" */
  constructor(duplex: Duplex, options: ConnectionOptions<M>) {
    const { onMessage, onDrain, ...ofStream } = options;
    this.duplex = duplex;
    this.#onMessage = onMessage;
    this.#onDrain = onDrain;
    this.#mustCopy = !(duplex instanceof Socket);
    this.#stream = new MessageStream(ofStream, turnTime());
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    if ("connecting" in duplex && duplex.connecting === true) duplex.once("connect", () => this.#opened());
    else this.#opened();
    duplex.on("data", (chunk: Bytes) => this.#onData(chunk));
    duplex.on("end", () => this.#onEnd());
    duplex.on("error", (error) => this.#onFailure(error));
    duplex.on("close", () => this.#onClose());
    if (duplex.destroyed) this.#onFailure(duplex.errored ?? new Error("the stream was destroyed before"));
    this.#timer = setInterval(() => this.#tick(), this.#stream.tickMs);
    this.#timer.unref();
    if (this.#isSettled) clearInterval(this.#timer);
    if (this.#onMessage === undefined) this.#pause();
    // As those of a server with pauseOnConnect.
    else if (duplex.isPaused()) duplex.resume();
  }

  get state(): StreamState {
    return this.#stream.state;
  }

  // ── Messages out ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether it was taken; the caller still has it where not. Throws CannotEncode where it has no frame. */
  queue(message: M): boolean {
    const isTaken = this.#stream.queue(message, turnTime());
    if (!isTaken) this.#wasRefused = true;
    else if (!this.#isFlushDue && !this.#isWriting) {
      this.#isFlushDue = true;
      process.nextTick(this.#flush);
    }
    return isTaken;
  }

  /** Queues them in their order, and gives back those that were not taken. */
  queueAll(messages: readonly M[]): readonly M[] {
    const refused = messages.findIndex((message) => !this.queue(message));
    return refused < 0 ? [] : messages.slice(refused);
  }

  /** Waits for room. False where the stream is over, and the message is not taken. */
  async send(message: M): Promise<boolean> {
    while (!this.queue(message)) {
      if (!this.#stream.canSend()) return false;
      await this.#something();
    }
    return true;
  }

  // ── Messages in ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The next message; undefined where no more will come. Not with onMessage. */
  async read(): Promise<M | undefined> {
    for (;;) {
      const message = this.#step();
      if (message !== undefined) return message;
      if (this.#stream.state === "CLOSING" || this.#stream.state === "CLOSED") return undefined;
      if (this.#rest.length === 0) this.#resume();
      await this.#something();
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<M, void, undefined> {
    for (let message = await this.read(); message !== undefined; message = await this.read()) yield message;
  }

  // ── Its end ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends what is queued, ends the stream, and is over. */
  close(): Promise<Ending> {
    this.#stream.close();
    this.#settle();
    return this.closed;
  }

  /** Breaks it off, with this reason: what the peer says, or who it is, is not right. */
  refuse(what: string): Promise<Ending> {
    this.#stream.refuse(what);
    this.#settle();
    return this.closed;
  }

  /** Breaks it off: what was called for it has thrown this. */
  threw(error: unknown): Promise<Ending> {
    this.#threw(error);
    return this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close().then(() => {});
  }

  telemetry(): Telemetry {
    return this.#stream.telemetry(turnTime());
  }

  #opened(): void {
    this.#stream.opened(turnTime());
    this.#flush();
  }

  #onFailure(error: Error): void {
    if (this.#isReadingOn()) this.#endSending();
    else this.#stream.failed(error);
    this.#settle();
  }

  /** Whether all has come, and is not read yet: that goes on, whatever happens to the Duplex, up to the end. */
  #isReadingOn(): boolean {
    return this.#hasEnded && this.#stream.state === "OPEN";
  }

  #endSending(): void {
    this.#stream.endSending();
    this.#wake();
  }

  #onClose(): void {
    this.#onFailure(new Error("the stream was destroyed"));
  }

  #tick(): void {
    this.#stream.tick(turnTime(), !this.#isPaused && this.#rest.length === 0);
    // A ping may be queued.
    this.#flush();
    this.#settle();
  }

  /** Wakes whoever waits, and ends the Duplex where the stream is over. */
  #settle(): void {
    const { ending } = this.#stream;
    if (this.#stream.state === "CLOSING") {
      // What comes now is for nobody, but must not keep the peer from reading.
      this.#rest = NOTHING;
      this.#resume();
      this.#wake();
    }
    if (ending === undefined || this.#isSettled) return;
    this.#isSettled = true;
    clearInterval(this.#timer);
    this.#rest = NOTHING;
    this.#wake();
    endDuplex(this.duplex, ending).then(() => this.#resolveClosed(ending));
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  #something(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  // ── Bytes in ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #onData(chunk: Bytes): void {
    if (this.#stream.state === "CLOSING" || this.#stream.state === "CLOSED") return;
    this.#rest = chunk;
    if (this.#onMessage === undefined) {
      this.#pause();
      this.#wake();
    } else this.#pump(this.#onMessage);
  }

  #onEnd(): void {
    this.#hasEnded = true;
    if (this.#onMessage !== undefined) this.#pump(this.#onMessage);
    else if (this.#rest.length > 0 || !this.#stream.isRead()) this.#wake();
    else {
      this.#end();
      this.#settle();
    }
  }

  /** All is read. What is queued is lost where there is nothing left to write to. */
  #end(): void {
    if (this.duplex.closed) this.#stream.endSending();
    this.#stream.end();
  }

  #pump(onMessage: (message: M, connection: Connection<M>) => void): void {
    for (let message = this.#step(); message !== undefined; message = this.#step()) {
      try {
        onMessage(message, this);
      } catch (error) {
        this.#threw(error);
        return;
      }
    }
  }

  /** What the user's code throws ends this connection, and no other. */
  #threw(error: unknown): void {
    this.#stream.threw(error);
    this.#settle();
  }

  /** The next message of what is there, and of what this turn may read. */
  #step(): M | undefined {
    for (;;) {
      const message = this.#stream.next();
      if (message !== undefined) return message;
      if (this.#stream.ending !== undefined) break;
      if (this.#rest.length === 0) {
        if (this.#hasEnded) this.#end();
        else if (this.#onMessage !== undefined) this.#resume();
        break;
      }
      if (!this.#mayRead()) return undefined;
      const share = this.#stream.turnBytes() - this.#readBytes;
      const rest = this.#rest;
      const taken = this.#stream.receive(rest.length > share ? rest.subarray(0, share) : rest, turnTime());
      if (taken === 0) break;
      this.#readBytes += taken;
      this.#rest = taken === rest.length ? NOTHING : rest.subarray(taken);
    }
    this.#settle();
    return undefined;
  }

  /** Whether this turn's share is not used up. Where it is, reading goes on in the next turn. */
  #mayRead(): boolean {
    const turn = currentTurn();
    if (turn !== this.#readTurn) {
      this.#readTurn = turn;
      this.#readBytes = 0;
    }
    if (this.#readBytes < this.#stream.turnBytes()) return true;
    this.#pause();
    if (this.#isWaitingToRead) return false;
    this.#isWaitingToRead = true;
    inNextTurn(() => {
      this.#isWaitingToRead = false;
      if (this.#onMessage === undefined) this.#wake();
      else this.#pump(this.#onMessage);
    });
    return false;
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.duplex.pause();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.duplex.resume();
  }

  // ── Bytes out ──────────────────────────────────────────────────────────────────────────────────────────────────────

  readonly #flush = (): void => {
    this.#isFlushDue = false;
    if (this.#isWriting) return;
    if (!this.duplex.writable) {
      // Ended, as Node does behind the peer's end without allowHalfOpen. What is destroyed has an event to come.
      if (!this.duplex.destroyed || this.#isReadingOn()) this.#endSending();
      this.#settle();
      return;
    }
    const turn = currentTurn();
    if (turn !== this.#writeTurn) {
      this.#writeTurn = turn;
      this.#writtenBytes = 0;
    }
    const share = this.#stream.writeBudgetBytes - this.#writtenBytes;
    if (share === 0) {
      this.#isFlushDue = true;
      inNextTurn(this.#flush);
      return;
    }
    const view = this.#stream.take(share);
    if (view === undefined) return;
    this.#isWriting = true;
    this.#writtenBytes += view.length;
    this.duplex.write(this.#mustCopy ? view.slice() : view, (error) => {
      if (error === null || error === undefined) this.#written(view.length);
      else {
        // An event of the Duplex tells it as well.
        this.#isWriting = false;
        if (this.#isReadingOn()) this.#endSending();
      }
    });
  };

  #written(bytes: number): void {
    this.#isWriting = false;
    this.#stream.sent(bytes, turnTime());
    if (this.#wasRefused) {
      this.#wasRefused = false;
      this.#wake();
      try {
        this.#onDrain?.(this);
      } catch (error) {
        this.#threw(error);
        return;
      }
    }
    this.#flush();
    this.#settle();
  }
}
