// One connection of a socket, from connect() to the end. A socket that connects anew has another one.
//
//   new ─ open() ─▶ connecting ─ Opened ─▶ open ─▶ closed
//    └──────────── adopt() ─────────────────▲         ▲
//                     └─ close(), at any time ────────┘
//
// Before it is open, what is written waits here and in the Writable; afterwards it goes into the ring, and from then
// on a write that has called back is as good as given to a kernel: it goes out, whatever happens to the socket.
//
// A peer that breaks the connection takes nothing back. What it had sent is read to its end, and then comes the
// error; a write that fails meanwhile waits with it, unless nobody reads:
//
//   open ─ RESET, or nobody takes what is written ─▶ failing ─ all was read ─▶ closed
//                                                       └─ a write has failed, and nobody reads ─▶ closed
//
// Invariant: once it is closed, it neither touches its socket nor the stream.

import type { Duplex } from "node:stream";
import { Errno } from "@ringway/linux";
import { cutOffError, errnoError, forDestroy, resetError } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import type { Hold } from "../stream/hold.ts";
import { type OpenedStream, openStream } from "../stream/open-stream.ts";
import { ringWish, STREAM_RINGS } from "../stream/room.ts";
import { type RawOpened, RawStream, type RawTarget, type WriteCallback } from "./raw-stream.ts";
import { nodeError } from "./socket-arguments.ts";
import type { SocketOpen } from "./socket-open.ts";
import type { OnRead } from "./socket-options.ts";

/** Up to Node 20, what is ended before connect() was called waits for that. */
const ENDS_WHEN_CONNECTED: boolean = Number.parseInt(process.versions.node, 10) < 22;

/** What a connection has of its socket. */
export interface ConnectionInit {
  readonly engine: Engine;
  readonly socket: Duplex;
  readonly onread: OnRead | undefined;
  readonly hold: Hold;
  /** Where the socket is piped to. */
  readonly pipes: ReadonlySet<unknown>;
  /** Bytes went, or are to go, one way or the other. */
  onActive(): void;
}

export class Connection implements RawTarget {
  readonly #init: ConnectionInit;
  readonly #socket: Duplex;
  readonly #opening: AbortController = new AbortController();
  #connecting = false;
  #raw: RawStream | undefined;
  #closed = false;
  /** The chunks of a write, and the end, that came before the stream. */
  #early: { readonly chunks: readonly Uint8Array[]; readonly callback: WriteCallback } | undefined;
  #earlyEnd: WriteCallback | undefined;
  /** The socket wants bytes, and there is no stream yet. */
  #wanted = false;
  /** Failing: what the socket is destroyed with. */
  #failure: Error | undefined;
  #writeFailed = false;

  constructor(init: ConnectionInit) {
    this.#init = init;
    this.#socket = init.socket;
  }

  get connecting(): boolean {
    return this.#connecting;
  }

  /** Is there a stream, and is it open? */
  get isOpen(): boolean {
    return this.#raw?.open === true;
  }

  /** The stream, also once it is closed; undefined before it was opened. */
  get raw(): RawStream | undefined {
    return this.#raw;
  }

  /** Asks the host for a stream. */
  open({ protocol, body, context, ringBytes, failure, decode, explain }: SocketOpen): void {
    // What it throws for is not begun.
    const rings = ringWish(ringBytes, STREAM_RINGS);
    this.#connecting = true;
    this.#init.hold.atWork = true;
    const { engine } = this.#init;
    const { signal } = this.#opening;
    const fail = (error: Error): void => {
      if (!signal.aborted) this.#socket.destroy(explain?.(error) ?? error);
    };
    if (failure !== undefined) {
      process.nextTick(fail, failure);
      return;
    }
    const request = { protocol, body, rings, context, signal };
    openStream(engine, request, decode).then((opened) => {
      if (signal.aborted) return opened.stream.abort();
      this.adopt(opened);
      this.announce();
    }, fail);
  }

  /** Runs over a stream that the host has agreed to. */
  adopt(opened: OpenedStream<RawOpened>): void {
    const { engine, hold } = this.#init;
    this.#connecting = false;
    if (!opened.stream.open) {
      this.#socket.destroy(forDestroy(cutOffError("read", engine.ended)));
      return;
    }
    const raw = new RawStream(opened, this);
    this.#raw = raw;
    hold.atWork = true;
    this.active();
    engine.touch(() => {
      this.#flushEarly();
      if (this.#wanted) raw.want();
      if (raw.open) raw.step();
    });
  }

  /** Says that the stream is up, and starts to read, as net.Socket does. */
  announce(): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    socket.emit("connect");
    socket.emit("ready");
    if (!socket.isPaused()) socket.read(0);
  }

  want(): void {
    if (this.#raw === undefined) this.#wanted = true;
    else this.#raw.want();
  }

  write(chunks: readonly Uint8Array[], callback: WriteCallback): void {
    this.active();
    if (this.#raw !== undefined) this.#raw.write(chunks, callback);
    else if (this.#connecting) this.#early = { chunks, callback };
    else callback(nodeError(Error, "ERR_SOCKET_CLOSED", "Socket is closed"));
  }

  /** No more is written. */
  end(callback: WriteCallback): void {
    if (this.#raw !== undefined) {
      this.#raw.end();
      process.nextTick(callback);
    } else if (this.#connecting || ENDS_WHEN_CONNECTED) this.#earlyEnd = callback;
    else callback();
  }

  /** The socket is destroyed, with `error`; the peer gets a reset where `resets`. */
  close(error: Error | null, resets: boolean, callback: WriteCallback): void {
    // As net.Socket: one that never connected closes without saying whether there was an error.
    const told = this.#connecting || this.#raw !== undefined ? [error !== null] : [];
    this.#closed = true;
    this.#connecting = false;
    this.#opening.abort();
    const waiting = this.#raw?.close(resets);
    this.#init.hold.atWork = false;
    const early = this.#early?.callback;
    this.#early = undefined;
    this.#earlyEnd = undefined;
    callback(error);
    waiting?.(this.#failure ?? errnoError(Errno.ECANCELED, { syscall: "write" }));
    // As net.Socket: not in the turn in which it was given to the program, which may not have listened yet.
    const later = told.length > 0 ? setImmediate : process.nextTick;
    later(() => {
      early?.(closedBefore());
      this.#socket.emit("close", ...told);
    });
  }

  /** The program has read something. */
  wasRead(): void {
    if (this.#failure !== undefined) process.nextTick(() => this.#failWhenRead());
  }

  /** It is piped to one stream less, but may be piped to another at once. */
  wasUnpiped(): void {
    if (this.#writeFailed) process.nextTick(() => this.#failUnlessRead());
  }

  // ---- what the stream tells

  into(): Uint8Array | undefined {
    return this.#init.onread?.buffer;
  }

  noBuffer(): void {
    this.#socket.destroy(errnoError(Errno.ENOBUFS, { syscall: "read" }));
  }

  push(chunk: Uint8Array): boolean {
    const { onread } = this.#init;
    this.active();
    return onread === undefined
      ? this.#socket.push(chunk)
      : onread.take(chunk.length) && !this.#socket.isPaused();
  }

  ended(): void {
    const socket = this.#socket;
    this.active();
    socket.push(null);
    // As net.Socket: 'end' is told even when nobody reads, if nothing was left to read.
    socket.read(0);
    socket.once("end", () => this.#failWhenRead());
  }

  reset(): void {
    this.#failure = resetError("read");
    this.#failWhenRead();
  }

  active(): void {
    this.#init.onActive();
  }

  abandoned(error: Error): void {
    this.#failure ??= error;
    this.#writeFailed = true;
    this.#failUnlessRead();
  }

  lost(error: Error): void {
    this.#failure = forDestroy(error);
    this.#socket.destroy(this.#failure);
  }

  #flushEarly(): void {
    const early = this.#early;
    const end = this.#earlyEnd;
    this.#early = undefined;
    this.#earlyEnd = undefined;
    if (early !== undefined) this.write(early.chunks, early.callback);
    if (end !== undefined) this.end(end);
  }

  /** Does the program take what comes? A pipe whose other end is slow has paused the socket, and still does. */
  #isRead(): boolean {
    const { readableFlowing } = this.#socket;
    return (
      readableFlowing === true || this.#socket.listenerCount("readable") > 0 || this.#init.pipes.size > 0
    );
  }

  /** A write has failed. */
  #failUnlessRead(): void {
    if (this.#closed) return;
    if (this.#isRead()) this.#failWhenRead();
    else this.#socket.destroy(this.#failure);
  }

  #failWhenRead(): void {
    if (this.#failure === undefined || this.#closed) return;
    const { readableEnded, readableLength } = this.#socket;
    if (readableEnded || (this.#raw!.broken && readableLength === 0)) this.#socket.destroy(this.#failure);
  }
}

function closedBefore(): Error {
  const message = "Socket closed before the connection was established";
  return nodeError(Error, "ERR_SOCKET_CLOSED_BEFORE_CONNECTION", message);
}
