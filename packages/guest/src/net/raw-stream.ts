// A stream of raw bytes under a socket, from the host's consent on: what is read, what is written, and how it is let
// go of.
//
//   open ─ close(), or the guest is detached ─▶ closed
//
// Invariant: while it is open, at most one write waits, and its callback is called once: here, or by whoever closes.

import { Closed, type TcpEndpoints, type unixMessages } from "@ringway/control";
import { Errno } from "@ringway/linux";
import { errnoError, resetError } from "../errors.ts";
import type { OpenedStream } from "../stream/open-stream.ts";
import { ReadPump, type ReadTarget } from "../stream/read-pump.ts";
import type { Stream, StreamUser } from "../stream/stream.ts";
import { WritePump } from "../stream/write-pump.ts";

/** What a Writable of node:stream is told by: written, or why not. */
export type WriteCallback = (error?: Error | null) => void;

/** What the host says of a stream that it opens, or gives: undefined where the protocol says nothing. */
export type RawOpened = TcpEndpoints | unixMessages.UnixPeer | undefined;

/** What the stream tells its socket. */
export interface RawTarget extends ReadTarget {
  /** Bytes wait for the ring, and a step looks whether they can go. */
  active(): void;
  /** Bytes wait, and nobody will take them. Told at each step. */
  abandoned(error: Error): void;
  /** The guest is detached. */
  lost(error: Error): void;
}

export class RawStream implements StreamUser {
  /** Undefined where the protocol has none. */
  readonly endpoints: TcpEndpoints | undefined;
  /** Of a Unix socket: who is at its other end. */
  readonly peer: unixMessages.UnixPeer | undefined;
  readonly #stream: Stream;
  readonly #target: RawTarget;
  readonly #reader: ReadPump;
  readonly #writer: WritePump;
  #open = true;
  #callback: WriteCallback | undefined;
  /** What the ring had taken when the write in progress began. */
  #writtenBefore = 0;

  /** Takes over a stream that is open. */
  constructor({ stream, opened }: OpenedStream<RawOpened>, target: RawTarget) {
    this.endpoints = opened !== undefined && "local" in opened ? opened : undefined;
    this.peer = opened !== undefined && "pid" in opened ? opened : undefined;
    this.#stream = stream;
    this.#target = target;
    this.#reader = new ReadPump(stream, target);
    this.#writer = new WritePump(stream, () => this.#abandoned());
    stream.user = this;
  }

  get open(): boolean {
    return this.#open;
  }

  /** Has the peer broken it, and was everything read that came before? */
  get broken(): boolean {
    return this.#reader.broken;
  }

  get bytesRead(): number {
    return this.#reader.bytesRead;
  }

  /** Bytes that the ring has taken, and `buffered`: those of all writes that have not called back. */
  bytesWritten(buffered: number): number {
    const inBoth = this.#writer.waiting ? this.#writer.bytesWritten - this.#writtenBefore : 0;
    return this.#writer.bytesWritten + buffered - inBoth;
  }

  /** The socket wants bytes. */
  want(): void {
    this.#stream.engine.touch(() => this.#reader.want());
  }

  unwant(): void {
    this.#stream.engine.touch(() => this.#reader.unwant());
  }

  /** Calls back once the ring has taken all of the chunks. */
  write(chunks: readonly Uint8Array[], callback: WriteCallback): void {
    this.#callback = callback;
    this.#writtenBefore = this.#writer.bytesWritten;
    this.#stream.engine.touch(() => this.#writer.write(chunks, this.#written));
  }

  readonly #written = (): void => {
    const callback = this.#callback!;
    this.#callback = undefined;
    callback();
  };

  /** No more is written. */
  end(): void {
    if (this.#open) this.#stream.end();
  }

  /**
   * Lets go of the stream: what the ring has taken still goes out. The peer gets a reset where `resets`, and where
   * bytes wait that no ring has taken: it must not take those before them for all. Gives the callback of the write
   * that waits.
   */
  close(resets: boolean): WriteCallback | undefined {
    const callback = this.#callback;
    const unwritten = this.#writer.waiting;
    this.#callback = undefined;
    if (!this.#open) return callback;
    this.#open = false;
    if (resets || unwritten) this.#stream.abort();
    else this.#stream.finish();
    return callback;
  }

  step(): void {
    if (this.#writer.waiting) {
      this.#target.active();
      this.#writer.step();
    }
    if (this.#open) this.#reader.step();
  }

  lost(error: Error): void {
    this.#open = false;
    this.#target.lost(error);
  }

  #abandoned(): void {
    const isReset = this.#stream.pipe.toGuest.peerClosed() === Closed.RESET;
    const context = { syscall: "write" };
    this.#target.abandoned(isReset ? resetError(context.syscall) : errnoError(Errno.EPIPE, context));
  }
}
