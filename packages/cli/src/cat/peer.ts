// One connection, whatever made it: a socket, a remote of a UDP socket, a program. Chunks come out of it to its
// handler, and go into it as an outlet; it counts both.
//
//   open ─ its end ─▶ half open ─ finish() ─▶ closed
//     └─ finish(), part(), an error ──────────▲
//
// Invariants: it is read exactly while `#holds` is 0. What it took and has not let out is in `#output`, or waits in
// `#delayed` for its time.

import type { Readable, Writable } from "node:stream";
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
  /** The pair that it comes of: of the router. */
  partner: Peer | undefined = undefined;
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
  #hasEnded = false;
  #isParting = false;
  #isFinished = false;
  #isOver = false;
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
  }

  /** Chunks come from now on. */
  begin(handler: PeerHandler): void {
    this.#handler = handler;
    this.stream.on("data", (chunk: Buffer) => this.#received(chunk));
    this.stream.once("end", () => this.#ended());
    if (this.#holds > 0) this.stream.pause();
  }

  get isClear(): boolean {
    return this.#isOver || (this.#output.writableLength === 0 && this.#delayed.length === 0);
  }

  /** Nothing that it is given comes to anybody. */
  get isDeaf(): boolean {
    return this.#isOver || this.#isFinished || !this.#output.writable;
  }

  /** It sends no more, and all that it sent was heard. */
  get hasEnded(): boolean {
    return this.#hasEnded && this.#arriving === 0;
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
    if (this.#holds === 0 && this.#handler !== undefined) this.stream.resume();
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
    if (this.#output.writableFinished) this.#sentAll();
    else this.#output.once("finish", () => this.#sentAll());
    this.finish();
    this.stream.resume();
  }

  /** Now, whatever is lost. */
  destroy(error?: Error): void {
    this.#error ??= error;
    this.#output.destroy();
    this.stream.destroy();
  }

  /** Of who is parted from: the kernel has it, and only now time counts, however slowly it was taken. */
  #sentAll(): void {
    if (this.#init.isDatagrams) {
      this.destroy();
      return;
    }
    this.#partingTimer = setTimeout(() => this.destroy(), PARTING_MS);
    this.#partingTimer.unref();
  }

  #write(chunk: Buffer): void {
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
      this.#deliver(chunk);
      return;
    }
    this.hold();
    this.#arriving++;
    setTimeout(() => {
      if (!this.#isParting) this.#deliver(chunk);
      this.release();
      this.#arriving--;
      if (this.#arriving > 0) return;
      if (this.#hasEnded) this.#ended();
      if (this.#left === 0) this.#over();
    }, waitMs);
  }

  /** Also of a stream that is held: its end comes as soon as nothing of it is left to be read. */
  #ended(): void {
    this.#hasEnded = true;
    if (this.#arriving === 0 && !this.#isParting) this.#handler!.ended(this);
  }

  #deliver(chunk: Buffer): void {
    const { chunkBytes } = this.#init;
    const handler = this.#handler!;
    if (chunkBytes === undefined || chunk.length <= chunkBytes) {
      handler.chunk(this, chunk);
      return;
    }
    for (let at = 0; at < chunk.length; at += chunkBytes) {
      handler.chunk(this, chunk.subarray(at, at + chunkBytes));
    }
  }

  #closed(): void {
    this.#left--;
    if (this.#left > 0) return;
    this.#isOver = true;
    // Nobody waits for it to let something out.
    this.#waiters.tell();
    if (this.#arriving === 0) this.#over();
  }

  #over(): void {
    clearTimeout(this.#partingTimer);
    clearTimeout(this.#delayTimer);
    this.#delayed.length = 0;
    this.#handler?.left(this, this.#error);
  }
}
