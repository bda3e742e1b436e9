// A stream of raw bytes as a Duplex that behaves like net.Socket.
//
// Before it is connected, what is written waits in the Writable; afterwards it goes into the ring, and from then on a write
// that has called back is as good as given to a kernel: it goes out, whatever happens to this object.
//
// A peer that breaks the connection takes nothing back. What it had sent is read to its end, and then comes the error; a write that
// fails meanwhile waits with it, unless nobody reads:
//
//   open ─ RESET, or nobody takes what is written ─▶ failing ─ all was read, or a write has failed and nobody reads ─▶ destroyed

import { addAbortSignal, Duplex } from "node:stream";
import { Closed, formatIp, type InetAddress, type TcpEndpoints } from "@ringway/control";
import type { Channel } from "./channel.ts";
import type { Engine } from "./engine.ts";
import { type ErrorContext, errnoError, forDestroy, resetError } from "./errors.ts";
import { type OpenedChannel, openChannel } from "./open-channel.ts";
import { ReadPump } from "./read-pump.ts";
import { ringWish, STREAM_RINGS } from "./room.ts";
import { WritePump } from "./write-pump.ts";

/** What net.Socket's address() gives. */
export interface SocketAddress {
  address: string;
  family: "IPv4" | "IPv6";
  port: number;
}

/** Options of every raw stream, named as node:net names them. */
export interface StreamOptions {
  /** False, the default: this side ends as soon as the other has. */
  readonly allowHalfOpen?: boolean | undefined;
  /**
   * Size of each of the two rings, in bytes; the host rounds it, and may give less. Default 256 KiB, and less the more of the region
   * is used.
   */
  readonly ringBytes?: number | undefined;
  /** Destroys the stream when it aborts, at any time. */
  readonly signal?: AbortSignal | undefined;
  readonly highWaterMark?: number | undefined;
}

/** How a socket gets its stream. Internal. */
export interface SocketOpen {
  readonly protocol: number;
  readonly body: Uint8Array;
  readonly context: ErrorContext;
  decode(body: Uint8Array): TcpEndpoints | undefined;
}

const EPIPE = 32;

/** A connection through the host. Emits what net.Socket emits: 'connect', 'ready', 'timeout', 'close' with hadError... */
export class GuestSocket extends Duplex {
  /** True until the host has connected. */
  connecting = false;
  /** As net.Socket: the time set with setTimeout(). */
  timeout: number | undefined = undefined;
  readonly #engine: Engine;
  readonly #opening: AbortController = new AbortController();
  #channel: Channel | undefined;
  #reader: ReadPump | undefined;
  #writer: WritePump | undefined;
  #endpoints: TcpEndpoints | undefined;
  #referenced = true;
  #held = false;
  #resetting = false;
  #timer: NodeJS.Timeout | undefined;
  /** A chunk that was written before the stream was connected, and the _final that was. */
  #early: { chunks: Uint8Array[]; callback: (error?: Error | null) => void } | undefined;
  #earlyFinal: ((error?: Error | null) => void) | undefined;
  #writeCallback: ((error?: Error | null) => void) | undefined;
  #wanted = false;
  /** Where it is piped to. */
  readonly #pipes: Set<NodeJS.WritableStream> = new Set();
  /** Failing: what this is destroyed with. */
  #failure: Error | undefined;
  #writeFailed = false;

  /** Internal: use Guest.connect() or Guest.createConnection(). */
  constructor(engine: Engine, options: StreamOptions = {}) {
    super({
      allowHalfOpen: options.allowHalfOpen ?? false,
      emitClose: false,
      autoDestroy: true,
      ...(options.highWaterMark === undefined ? {} : { highWaterMark: options.highWaterMark }),
    });
    this.#engine = engine;
    if (options.signal !== undefined) addAbortSignal(options.signal, this);
  }

  /** Internal: opens a stream for this socket. */
  _open(open: SocketOpen, ringBytes: number | undefined): void {
    this.connecting = true;
    this.#updateHold();
    const { protocol, body, context } = open;
    const rings = ringWish(ringBytes, STREAM_RINGS);
    const request = { protocol, body, rings, context, signal: this.#opening.signal };
    openChannel(this.#engine, request, (bytes) => open.decode(bytes)).then(
      (opened) => {
        this._adopt(opened);
        this._announce();
      },
      (error: Error) => this.destroy(error),
    );
  }

  /** Internal: runs over a stream that is open. */
  _adopt({ channel, opened }: OpenedChannel<TcpEndpoints | undefined>): void {
    if (this.destroyed) {
      channel.abort();
      return;
    }
    this.connecting = false;
    if (!channel.open) return void this.destroy(resetError("read", this.#engine.ended));
    this.#channel = channel;
    this.#endpoints = opened;
    this.#reader = new ReadPump(channel, {
      push: (chunk) => {
        this.#touchTimer();
        return this.push(chunk);
      },
      end: () => {
        this.#touchTimer();
        this.push(null);
        // As net.Socket: 'end' is told even when nobody reads, if nothing was left to read.
        this.read(0);
        this.once("end", () => this.#failWhenRead());
      },
      reset: () => {
        this.#failure = resetError("read");
        this.#failWhenRead();
      },
    });
    this.#writer = new WritePump(channel, () => {
      const reset = channel.pipe.toGuest.peerClosed() === Closed.RESET;
      this.#failure ??= reset ? resetError("write") : errnoError(EPIPE, { syscall: "write" });
      this.#writeFailed = true;
      this.#failUnlessRead();
    });
    channel.user = {
      step: () => this.#step(),
      lost: (error) => {
        this.#channel = undefined;
        this.destroy(forDestroy(error));
      },
    };
    this.#updateHold();
    this.#engine.touch(() => {
      this.#flushEarly();
      if (this.#wanted) this.#reader!.want();
      if (this.#channel !== undefined) this.#step();
    });
  }

  /** Internal: says that the stream is up, and starts to read, as net.Socket does. */
  _announce(): void {
    if (this.destroyed) return;
    this.emit("connect");
    this.emit("ready");
    if (!this.isPaused()) this.read(0);
  }

  get pending(): boolean {
    return this.#channel === undefined;
  }

  get readyState(): "opening" | "open" | "readOnly" | "writeOnly" | "closed" {
    if (this.connecting) return "opening";
    if (this.readable && this.writable) return "open";
    if (this.readable) return "readOnly";
    return this.writable ? "writeOnly" : "closed";
  }

  get bytesRead(): number {
    return this.#reader?.bytesRead ?? 0;
  }

  /** Bytes written, those included that still wait. */
  get bytesWritten(): number {
    const waiting = this.#writer?.waiting ? this.#waitingBytes : 0;
    return (this.#writer?.bytesWritten ?? 0) + this.writableLength - waiting;
  }

  /** Of the write in progress, the bytes that bytesWritten counts already. */
  get #waitingBytes(): number {
    return this.#writer!.bytesWritten - this.#writtenBefore;
  }
  #writtenBefore = 0;

  get bufferSize(): number {
    return this.writableLength;
  }

  get localAddress(): string | undefined {
    return this.#endpoints && formatIp(this.#endpoints.local.address);
  }
  get localPort(): number | undefined {
    return this.#endpoints?.local.port;
  }
  get localFamily(): "IPv4" | "IPv6" | undefined {
    return this.#endpoints && familyName(this.#endpoints.local);
  }
  get remoteAddress(): string | undefined {
    return this.#endpoints && formatIp(this.#endpoints.peer.address);
  }
  get remotePort(): number | undefined {
    return this.#endpoints?.peer.port;
  }
  get remoteFamily(): "IPv4" | "IPv6" | undefined {
    return this.#endpoints && familyName(this.#endpoints.peer);
  }

  /** The local address, or {} while there is none. */
  address(): SocketAddress | Record<string, never> {
    return this.#endpoints === undefined ? {} : socketAddress(this.#endpoints.local);
  }

  /** As net.Socket: 'timeout' is emitted after `ms` without activity; nothing else happens. 0 turns it off. */
  setTimeout(ms: number, callback?: () => void): this {
    this.timeout = ms;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (ms > 0) {
      if (callback !== undefined) this.once("timeout", callback);
      if (!this.destroyed) this.#timer = setTimeout(() => this.emit("timeout"), ms).unref();
    } else if (callback !== undefined) this.removeListener("timeout", callback);
    return this;
  }

  /** Accepted for compatibility: the host's sockets never delay. */
  setNoDelay(_noDelay?: boolean): this {
    return this;
  }

  /** Accepted for compatibility: the host keeps its connections alive. */
  setKeepAlive(_enable?: boolean, _initialDelay?: number): this {
    return this;
  }

  ref(): this {
    this.#referenced = true;
    this.#updateHold();
    return this;
  }

  unref(): this {
    this.#referenced = false;
    this.#updateHold();
    return this;
  }

  /** Breaks the connection: the peer gets a TCP reset. */
  resetAndDestroy(): this {
    this.#resetting = true;
    return this.destroy();
  }

  /** Ends, and destroys once everything is written. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  override read(size?: number): ReturnType<Duplex["read"]> {
    const chunk = super.read(size);
    if (this.#failure !== undefined) process.nextTick(() => this.#failWhenRead());
    return chunk;
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T, options?: { end?: boolean }): T {
    this.#pipes.add(destination);
    return super.pipe(destination, options);
  }

  /** Node calls it too, when the destination is over. */
  override unpipe(destination?: NodeJS.WritableStream): this {
    if (destination === undefined) this.#pipes.clear();
    else this.#pipes.delete(destination);
    // It may be piped to somewhere else at once.
    if (this.#writeFailed) process.nextTick(() => this.#failUnlessRead());
    return super.unpipe(destination);
  }

  override _read(): void {
    if (this.#reader === undefined) this.#wanted = true;
    else this.#engine.touch(() => this.#reader!.want());
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#begin([chunk], callback);
  }

  override _writev(entries: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.#begin(
      entries.map((entry) => entry.chunk),
      callback,
    );
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#writer === undefined) {
      this.#earlyFinal = callback;
      return;
    }
    this.#channel?.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.connecting = false;
    this.#opening.abort();
    const channel = this.#channel;
    this.#channel = undefined;
    const unwritten = this.#writer?.waiting === true;
    if (channel !== undefined) {
      // Bytes that no ring has taken are lost: the peer must not take what came before them for all.
      if (this.#resetting || unwritten) channel.abort();
      else channel.finish();
    }
    this.#updateHold();
    const pending = this.#writeCallback ?? this.#early?.callback ?? this.#earlyFinal;
    this.#writeCallback = undefined;
    this.#early = undefined;
    this.#earlyFinal = undefined;
    callback(error);
    pending?.(error ?? errnoError(125, { syscall: "write" }));
    process.nextTick(() => this.emit("close", error !== null));
  }

  #begin(chunks: Uint8Array[], callback: (error?: Error | null) => void): void {
    this.#touchTimer();
    if (this.#writer === undefined) {
      this.#early = { chunks, callback };
      return;
    }
    if (this.#channel === undefined) {
      callback(resetError("write", this.#engine.ended));
      return;
    }
    this.#writeCallback = callback;
    this.#writtenBefore = this.#writer.bytesWritten;
    this.#engine.touch(() =>
      this.#writer!.write(chunks, () => {
        this.#writeCallback = undefined;
        callback();
      }),
    );
  }

  #flushEarly(): void {
    const early = this.#early;
    const final = this.#earlyFinal;
    this.#early = undefined;
    this.#earlyFinal = undefined;
    if (early !== undefined) this.#begin(early.chunks, early.callback);
    if (final !== undefined) this._final(final);
  }

  #step(): void {
    if (this.#writer!.waiting) {
      this.#touchTimer();
      this.#writer!.step();
    }
    if (this.#channel !== undefined) this.#reader!.step();
  }

  /** Does the program take what comes? A pipe whose other end is slow has paused this, and still does. */
  get #isRead(): boolean {
    return this.readableFlowing === true || this.listenerCount("readable") > 0 || this.#pipes.size > 0;
  }

  /** A write has failed. */
  #failUnlessRead(): void {
    if (this.#isRead) this.#failWhenRead();
    else this.destroy(this.#failure);
  }

  #failWhenRead(): void {
    if (this.#failure === undefined || this.destroyed) return;
    const isAllRead = this.readableEnded || (this.#reader!.broken && this.readableLength === 0);
    if (isAllRead) this.destroy(this.#failure);
  }

  #touchTimer(): void {
    this.#timer?.refresh();
  }

  #updateHold(): void {
    const hold = this.#referenced && !this.destroyed && (this.connecting || this.#channel !== undefined);
    if (hold === this.#held) return;
    this.#held = hold;
    if (hold) this.#engine.hold();
    else this.#engine.unhold();
  }
}

function familyName({ family }: InetAddress): "IPv4" | "IPv6" {
  return family === 4 ? "IPv4" : "IPv6";
}

/** An address in node:net's form. */
export function socketAddress(address: InetAddress): SocketAddress {
  return { address: formatIp(address.address), family: familyName(address), port: address.port };
}
