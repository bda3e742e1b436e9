// One connection, whatever made it: a socket, a remote of a UDP socket, a program. Chunks come out of it to its
// handler, and go into it as an outlet; it counts both.
//
//   open ─ its end ─▶ half open ─ finish() ─▶ closed
//     ├─ a write fails: deaf, and read to its end ─▲
//     └─ part(), an error ─────────────────────────▲
//
// Invariants: it is read exactly while `#holds` is 0. What it took and has not let out is in `#output`, or waits in
// `#delayed` for its time. What came out of it and waits is in `#inbox`; its end, and that it left, are told behind
// it. Who is closed with bytes left for it is reset, and says so.

import type { Socket } from "node:net";
import { Duplex, type Readable, type Writable } from "node:stream";
import { resetOf, unsentOf } from "./buffers.ts";
import { outliveWrites } from "./deaf.ts";
import { type Outlet, Waiters } from "./outlet.ts";
import { type Held, Pacer } from "./pacer.ts";
import type { Random } from "./random.ts";
import { fate, NO_SHAPE, type Shape } from "./shape.ts";

/** Whoever hears of a peer. */
export interface PeerHandler {
  chunk(peer: Peer, chunk: Buffer): void;
  /** It sends no more. */
  ended(peer: Peer): void;
  /** It is closed. */
  left(peer: Peer, error: Error | undefined): void;
}

export interface PeerInit {
  readonly label: string;
  /** The endpoint: channels are between different ones. */
  readonly group: number;
  /** Largest chunk that is passed on whole. */
  readonly chunkBytes: number | undefined;
  readonly sending: Shape;
  readonly receiving: Shape;
  readonly random: Random;
  /** There is no end of what it sends: it is gone with the last datagram to it. */
  readonly isDatagrams: boolean;
}

/** So long somebody who was parted from may go on to send: bytes that are on the way to it are not lost by a reset. */
const PARTING_MS = 5_000;
/** Bytes, and chunks of them, that wait for one that may go without (--slow drop). */
const FULL = { bytes: 256 * 1024, chunks: 1024 } as const;

export class Peer implements Outlet, Held {
  readonly label: string;
  readonly group: number;
  readonly pacer: Pacer;
  /** Of the process' clock. */
  lastMs: number = performance.now();
  bytesIn = 0;
  bytesOut = 0;
  chunksIn = 0;
  chunksOut = 0;
  /** By --slow drop. */
  droppedOut = 0;
  /** It was closed with bytes left for it. */
  hasLost = false;
  /** It sends no more, and all that it sent was heard. */
  hasEnded = false;
  readonly stream: Readable;
  readonly #output: Writable;
  readonly #init: PeerInit;
  readonly #waiters: Waiters = new Waiters();
  readonly #delayed: { readonly chunk: Buffer; readonly atMs: number }[] = [];
  #handler: PeerHandler | undefined;
  #holds = 0;
  #left = 0;
  #error: Error | undefined;
  /** Chunks that were received, and wait for their time. */
  #arriving = 0;
  /** Received, and held back. */
  readonly #inbox: Buffer[] = [];
  /** Given to the output, and their callbacks have not come. */
  #writes = 0;
  #delayedBytes = 0;
  /** As it was looked at for the last time. */
  #unsent = 0;
  #isAtEnd = false;
  #isParting = false;
  #isFinished = false;
  #isDestroyed = false;
  #isOver = false;
  #hasLeft = false;
  #partingTimer: NodeJS.Timeout | undefined;
  #delayTimer: NodeJS.Timeout | undefined;
  readonly #written: () => void;

  constructor(input: Readable, output: Writable, init: PeerInit) {
    this.stream = input;
    this.#output = output;
    this.#init = init;
    this.label = init.label;
    this.group = init.group;
    this.pacer = new Pacer(this);
    this.#written = () => {
      this.#writes--;
      if (this.isClear) this.#waiters.tell();
    };
    // Its errors are told when it is closed.
    const failed = (error: Error): void => {
      this.#error ??= error;
    };
    const streams = new Set<Readable | Writable>([input, output]);
    this.#left = streams.size;
    for (const each of streams) {
      each.on("error", failed);
      if (each.closed) setImmediate(() => this.#closed());
      else each.once("close", () => this.#closed());
    }
    if (input instanceof Duplex && streams.size === 1) outliveWrites(input, (error) => this.#deafened(error));
  }

  /** Chunks come from now on. */
  begin(handler: PeerHandler): void {
    this.#handler = handler;
    this.stream.on("data", (chunk: Buffer) => this.#received(chunk));
    this.stream.once("end", () => {
      const error = resetOf(this.stream);
      if (error !== undefined) this.stream.destroy(error);
      this.#isAtEnd = true;
      this.#settle();
    });
    if (this.#holds > 0) this.stream.pause();
  }

  get isClear(): boolean {
    return this.#isOver || (this.#output.writableLength === 0 && this.#delayed.length === 0);
  }

  get isFull(): boolean {
    const { writableLength } = this.#output;
    const bytes = writableLength + this.#delayedBytes;
    const chunks = (writableLength > 0 ? this.#writes : 0) + this.#delayed.length;
    return !this.#isOver && (bytes >= FULL.bytes || chunks >= FULL.chunks);
  }

  /** Nothing that it is given comes to anybody. */
  get isDeaf(): boolean {
    return this.#isOver || this.#isFinished || !this.#output.writable;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  send(chunk: Buffer): void {
    if (this.isDeaf) return;
    const { sending, random } = this.#init;
    if (sending === NO_SHAPE) {
      this.#write(chunk);
      return;
    }
    const waitMs = fate(sending, random);
    if (waitMs === "drop") return;
    if (waitMs === 0 && this.#delayed.length === 0) {
      this.#write(chunk);
      return;
    }
    this.#delayedBytes += chunk.length;
    const lastMs = this.#delayed.at(-1)?.atMs ?? 0;
    this.#delayed.push({ chunk, atMs: Math.max(lastMs, performance.now() + waitMs) });
    this.#delayTimer ??= setTimeout(() => this.#writeDelayed(), waitMs);
  }

  whenClear(callback: () => void): void {
    this.#waiters.add(callback);
  }

  passedOver(): void {
    this.droppedOut++;
  }

  hold(): void {
    this.#holds++;
    if (this.#holds === 1 && !this.#isParting) this.stream.pause();
  }

  release(): void {
    this.#holds--;
    if (this.#holds > 0 || this.#handler === undefined) return;
    this.#deliver();
    if (this.#holds === 0) this.stream.resume();
    this.#settle();
  }

  /** For how long nothing went over it. Who is kept from talking, and has all that was sent to it, is not idle. */
  idleMs(now: number): number {
    const unsent = this.#unsentNow();
    if (unsent !== this.#unsent || (this.pacer.isHolding && this.isClear)) this.lastMs = now;
    this.#unsent = unsent;
    return now - this.lastMs;
  }

  /** Sends no more than what it took; it is still read. */
  finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    if (this.#delayed.length === 0) this.#output.end();
  }

  /** Sends what it took, and leaves: what it still says is read, for a while, and nobody hears it. */
  part(): void {
    if (this.#isParting || this.#isOver) return;
    this.#isParting = true;
    this.#inbox.length = 0;
    if (this.#output.writableFinished) this.#sentAll();
    else this.#output.once("finish", () => this.#sentAll());
    this.finish();
    this.stream.resume();
  }

  /** Now. Where bytes are left for it, it hears of that by a reset, as far as it can. */
  destroy(error?: Error): void {
    if (this.#isDestroyed || this.#isOver) return;
    this.#isDestroyed = true;
    this.#error ??= error;
    if (!this.isClear && !this.#output.destroyed) {
      this.hasLost = true;
      reset(this.#output);
    }
    this.#output.destroy();
    this.stream.destroy();
  }

  /** Of who is parted from: the kernel has it, and only now time counts, while nothing of it moves. */
  #sentAll(): void {
    if (this.#init.isDatagrams) {
      this.destroy();
      return;
    }
    const unsent = this.#unsentNow();
    this.#partingTimer = setTimeout(() => {
      if (this.#unsentNow() === unsent) this.destroy();
      else this.#sentAll();
    }, PARTING_MS);
    this.#partingTimer.unref();
  }

  /** It takes nothing any more. What it has said is read to its end, and then it leaves. */
  #deafened(error: Error): void {
    if (this.stream.destroyed) return;
    this.#error ??= error;
    this.#delayed.length = 0;
    this.#delayedBytes = 0;
    this.#isFinished = true;
    this.#output.end();
    if (this.isClear) this.#waiters.tell();
  }

  #unsentNow(): number {
    return unsentOf(this.#output) + this.#delayed.length;
  }

  #write(chunk: Buffer): void {
    this.#writes++;
    this.lastMs = performance.now();
    this.bytesOut += chunk.length;
    this.chunksOut++;
    this.#output.write(chunk, this.#written);
  }

  #writeDelayed(): void {
    this.#delayTimer = undefined;
    const now = performance.now();
    while (this.#delayed.length > 0 && this.#delayed[0]!.atMs <= now) {
      const { chunk } = this.#delayed.shift()!;
      this.#delayedBytes -= chunk.length;
      if (!this.#isOver) this.#write(chunk);
    }
    if (this.#delayed.length > 0) {
      this.#delayTimer = setTimeout(() => this.#writeDelayed(), this.#delayed[0]!.atMs - now);
    } else {
      if (this.#isFinished) this.#output.end();
      if (this.isClear) this.#waiters.tell();
    }
  }

  #received(chunk: Buffer): void {
    this.lastMs = performance.now();
    this.bytesIn += chunk.length;
    this.chunksIn++;
    if (this.#isParting) return;
    const { receiving, random } = this.#init;
    const waitMs = receiving === NO_SHAPE ? 0 : fate(receiving, random);
    if (waitMs === "drop") return;
    if (waitMs === 0) {
      this.#inbox.push(chunk);
      this.#deliver();
      return;
    }
    this.hold();
    this.#arriving++;
    setTimeout(() => {
      this.#arriving--;
      if (!this.#isParting) this.#inbox.push(chunk);
      this.release();
      this.#settle();
    }, waitMs);
  }

  /** What came, in pieces, as long as nobody holds it. */
  #deliver(): void {
    while (this.#inbox.length > 0 && this.#holds === 0) {
      const chunk = this.#inbox[0]!;
      const { chunkBytes = chunk.length } = this.#init;
      if (chunk.length <= chunkBytes) this.#inbox.shift();
      else this.#inbox[0] = chunk.subarray(chunkBytes);
      this.#handler!.chunk(this, chunk.subarray(0, chunkBytes));
    }
  }

  /** Tells its end, and that it left, behind what it said. */
  #settle(): void {
    if (this.#left === 0) this.#readRest();
    if (this.#arriving > 0) return;
    if (this.#inbox.length > 0) {
      // Held by who has not let out what it said before; or for want of a partner, and then there is none.
      if (this.#left > 0 || this.pacer.isHolding) return;
      this.#inbox.length = 0;
    }
    if (this.#isAtEnd && !this.hasEnded) {
      this.hasEnded = true;
      if (!this.#isParting) this.#handler!.ended(this);
    }
    if (this.#left === 0) this.#over();
  }

  /** What Node has of a stream that an error has closed while it was held. */
  #readRest(): void {
    if (this.#isDestroyed) return;
    for (let chunk = this.stream.read(); chunk !== null; chunk = this.stream.read()) this.#received(chunk);
  }

  #closed(): void {
    this.#left--;
    if (this.#left > 0) return;
    this.#isOver = true;
    // Nobody waits for it to let something out.
    this.#waiters.tell();
    this.#settle();
  }

  #over(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    clearTimeout(this.#partingTimer);
    clearTimeout(this.#delayTimer);
    this.#delayed.length = 0;
    this.#handler?.left(this, this.#error);
  }
}

/** As far as it has resets: a TCP connection has, and one of TLS breaks off without its end. */
function reset(output: Writable): void {
  try {
    (output as Partial<Socket>).resetAndDestroy?.();
  } catch {
    // A socket of another kind.
  }
}
