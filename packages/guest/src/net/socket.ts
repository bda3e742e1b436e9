// A stream of raw bytes as a Duplex that behaves like net.Socket.
//
//   new ─ connect() ─▶ connecting ─ Opened ─▶ open ─▶ destroyed ─ connect() ─▶ connecting ...
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
import { Errno } from "@ringway/linux";
import { errnoError, forDestroy, resetError, unsupported } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { type OpenedStream, openStream } from "../stream/open-stream.ts";
import { ReadPump } from "../stream/read-pump.ts";
import { ringWish, STREAM_RINGS } from "../stream/room.ts";
import type { Stream } from "../stream/stream.ts";
import { WritePump } from "../stream/write-pump.ts";
import { type ConnectOptions, connectOpen, type SocketOpen, type StreamOptions } from "./connect.ts";
import { callArguments, nodeError, requireFunction, timerDuration } from "./socket-arguments.ts";
import { duplexOptions, OnRead } from "./socket-options.ts";

/** What net.Socket's address() gives. */
export interface SocketAddress {
  address: string;
  family: "IPv4" | "IPv6";
  port: number;
}

/** Up to Node 20, what is ended before connect() was called waits for that. */
const ENDS_WHEN_CONNECTED: boolean = Number.parseInt(process.versions.node, 10) < 22;

type Callback = (error?: Error | null) => void;

/** A connection through the host. Emits what net.Socket emits: 'connect', 'ready', 'timeout', 'close' with hadError... */
export class GuestSocket extends Duplex {
  /** True until the host has connected. */
  connecting = false;
  /** As net.Socket: the time set with setTimeout(). */
  timeout: number | undefined = undefined;
  /** As net.Socket: the server that accepted it, or null. */
  server: unknown = null;
  readonly #engine: Engine;
  readonly #ringBytes: number | undefined;
  readonly #onread: OnRead | undefined;
  #opening: AbortController = new AbortController();
  #stream: Stream | undefined;
  #reader: ReadPump | undefined;
  #writer: WritePump | undefined;
  #endpoints: TcpEndpoints | undefined;
  #referenced = true;
  #held = false;
  #resetting = false;
  #timer: NodeJS.Timeout | undefined;
  /** A chunk that was written before the stream was connected, and the _final that was. */
  #early: { chunks: Uint8Array[]; callback: Callback } | undefined;
  #earlyFinal: Callback | undefined;
  #writeCallback: Callback | undefined;
  #wanted = false;
  /** Where it is piped to. */
  readonly #pipes: Set<NodeJS.WritableStream> = new Set();
  /** Failing: what this is destroyed with. */
  #failure: Error | undefined;
  #writeFailed = false;

  /** Internal: use Guest.connect(), Guest.createConnection() or Guest.createSocket(). */
  constructor(engine: Engine, options: StreamOptions = {}) {
    super(duplexOptions(options));
    this.#engine = engine;
    this.#ringBytes = options.ringBytes;
    this.#onread = OnRead.of(options.onread);
    if (options.signal !== undefined) addAbortSignal(options.signal, this);
    this.on("end", () => {
      if (!this.allowHalfOpen) this.write = writeAfterEnd;
    });
  }

  /** Connects as net.Socket does, also a socket that was closed before. */
  connect(options: Omit<ConnectOptions, keyof StreamOptions>, listener?: () => void): this;
  connect(port: number | string, host: string, listener?: () => void): this;
  connect(port: number | string, listener?: () => void): this;
  connect(...args: unknown[]): this {
    const { options, listener } = callArguments(args);
    if (listener !== undefined) this.once("connect", listener);
    const open = connectOpen(options, this.#ringBytes);
    if (this.destroyed) this.#renew();
    this.#touchTimer();
    if (this.connecting) process.nextTick(() => this.destroy(errnoError(Errno.EALREADY, open.context)));
    else if (this.#stream !== undefined) process.nextTick(() => this._announce());
    else this._open(open);
    return this;
  }

  /** Internal: opens a stream for this socket. */
  _open(open: SocketOpen): void {
    this.connecting = true;
    this.#updateHold();
    const { signal } = this.#opening;
    const { failure, protocol, body, context } = open;
    const fail = (error: Error): void => {
      // Destroyed meanwhile, and perhaps connecting anew.
      if (!signal.aborted) this.destroy(open.explain?.(error) ?? error);
    };
    if (failure !== undefined) {
      process.nextTick(fail, failure);
      return;
    }
    const request = { protocol, body, rings: ringWish(open.ringBytes, STREAM_RINGS), context, signal };
    openStream(this.#engine, request, (bytes) => open.decode(bytes)).then((opened) => {
      if (signal.aborted) return opened.stream.abort();
      this._adopt(opened);
      this._announce();
    }, fail);
  }

  /** As it was before it connected. */
  #renew(): void {
    // What net.Socket uses for this: every stream of Node's has it, though no document promises it.
    const stream = this as unknown as { _undestroy?(): void };
    if (stream._undestroy === undefined) {
      throw unsupported("connect", "this version of Node cannot use a stream again: make another socket");
    }
    stream._undestroy();
    delete (this as { write?: unknown }).write;
    this.#opening = new AbortController();
    this.#reader = undefined;
    this.#writer = undefined;
    this.#endpoints = undefined;
    this.#resetting = false;
    this.#wanted = false;
    this.#failure = undefined;
    this.#writeFailed = false;
  }

  /** Internal: runs over a stream that is open. */
  _adopt({ stream, opened }: OpenedStream<TcpEndpoints | undefined>): void {
    if (this.destroyed) {
      stream.abort();
      return;
    }
    this.connecting = false;
    if (!stream.open) return void this.destroy(resetError("read", this.#engine.ended));
    this.#stream = stream;
    this.#endpoints = opened;
    const onread = this.#onread;
    this.#reader = new ReadPump(stream, {
      ...(onread === undefined ? {} : { into: () => onread.buffer }),
      noBuffer: () => void this.destroy(errnoError(Errno.ENOBUFS, { syscall: "read" })),
      push: (chunk) => {
        this.#touchTimer();
        return onread === undefined ? this.push(chunk) : onread.take(chunk.length) && !this.isPaused();
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
    this.#writer = new WritePump(stream, () => {
      const reset = stream.pipe.toGuest.peerClosed() === Closed.RESET;
      this.#failure ??= reset ? resetError("write") : errnoError(Errno.EPIPE, { syscall: "write" });
      this.#writeFailed = true;
      this.#failUnlessRead();
    });
    stream.user = {
      step: () => this.#step(),
      lost: (error) => {
        this.#stream = undefined;
        this.#failure = forDestroy(error);
        this.destroy(this.#failure);
      },
    };
    this.#updateHold();
    this.#touchTimer();
    this.#engine.touch(() => {
      this.#flushEarly();
      if (this.#wanted) this.#reader!.want();
      if (this.#stream !== undefined) this.#step();
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
    return this.#stream === undefined;
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

  get bufferSize(): number | undefined {
    return this.connecting || this.#stream !== undefined ? this.writableLength : undefined;
  }

  get localAddress(): string | undefined {
    return this.address().address;
  }
  get localPort(): number | undefined {
    return this.address().port;
  }
  get localFamily(): "IPv4" | "IPv6" | undefined {
    return this.address().family;
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
  address(): Partial<SocketAddress> {
    const isOpen = !this.destroyed && this.#endpoints !== undefined;
    return isOpen ? socketAddress(this.#endpoints!.local) : {};
  }

  /** As net.Socket: 'timeout' is emitted after `ms` without activity; nothing else happens. 0 turns it off. */
  setTimeout(ms: number, callback?: () => void): this {
    if (this.destroyed) return this;
    this.timeout = ms;
    const durationMs = timerDuration(ms, "msecs");
    clearTimeout(this.#timer);
    this.#timer = durationMs === 0 ? undefined : setTimeout(() => this.emit("timeout"), durationMs).unref();
    if (callback === undefined) return this;
    requireFunction(callback, "callback");
    return durationMs === 0 ? this.removeListener("timeout", callback) : this.once("timeout", callback);
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

  /** Breaks the connection, once it is one: the peer gets a TCP reset. */
  resetAndDestroy(): this {
    if (this.connecting) return this.once("connect", () => this.resetAndDestroy());
    if (this.#stream === undefined) {
      return this.destroy(nodeError(Error, "ERR_SOCKET_CLOSED", "Socket is closed"));
    }
    this.#resetting = true;
    return this.destroy();
  }

  /** Ends, and destroys once everything is written. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  override pause(): this {
    if (this.#onread !== undefined) this.#engine.touch(() => this.#reader?.unwant());
    return super.pause();
  }

  override resume(): this {
    if (this.#onread !== undefined && this.#reader !== undefined) this._read();
    return super.resume();
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

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#begin([chunk], callback);
  }

  override _writev(entries: { chunk: Buffer }[], callback: Callback): void {
    this.#begin(
      entries.map((entry) => entry.chunk),
      callback,
    );
  }

  override _final(callback: Callback): void {
    if (this.#writer === undefined) {
      if (this.connecting || ENDS_WHEN_CONNECTED) this.#earlyFinal = callback;
      else callback();
      return;
    }
    this.#stream?.end();
    process.nextTick(callback);
  }

  override _destroy(error: Error | null, callback: Callback): void {
    clearTimeout(this.#timer);
    // As net.Socket: one that never connected closes without saying whether there was an error.
    const closed = this.connecting || this.#writer !== undefined ? [error !== null] : [];
    this.connecting = false;
    this.#opening.abort();
    const stream = this.#stream;
    this.#stream = undefined;
    const unwritten = this.#writer?.waiting === true;
    if (stream !== undefined) {
      // Bytes that no ring has taken are lost: the peer must not take what came before them for all.
      if (this.#resetting || unwritten) stream.abort();
      else stream.finish();
    }
    this.#updateHold();
    const early = this.#early?.callback;
    const pending = this.#writeCallback;
    this.#writeCallback = undefined;
    this.#early = undefined;
    this.#earlyFinal = undefined;
    callback(error);
    pending?.(this.#failure ?? errnoError(Errno.ECANCELED, { syscall: "write" }));
    // As net.Socket: not in the turn in which it was given to the program, which may not have listened yet.
    const later = closed.length > 0 ? setImmediate : process.nextTick;
    later(() => {
      early?.(closedBefore());
      this.emit("close", ...closed);
    });
  }

  #begin(chunks: Uint8Array[], callback: Callback): void {
    this.#touchTimer();
    if (this.#writer === undefined) {
      if (this.connecting) this.#early = { chunks, callback };
      else callback(nodeError(Error, "ERR_SOCKET_CLOSED", "Socket is closed"));
      return;
    }
    if (this.#stream === undefined) {
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
    if (this.#stream !== undefined) this.#reader!.step();
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
    const hold = this.#referenced && !this.destroyed && (this.connecting || this.#stream !== undefined);
    if (hold === this.#held) return;
    this.#held = hold;
    if (hold) this.#engine.hold();
    else this.#engine.unhold();
  }
}

/** A socket's write() after the peer's end, where that ends this side: not the program's mistake, so not called one. */
function writeAfterEnd(this: GuestSocket, ...args: unknown[]): boolean {
  if (!this.writableEnded) return Duplex.prototype.write.apply(this, args as Parameters<Duplex["write"]>);
  const error = nodeError(Error, "EPIPE", "This socket has been ended by the other party");
  const callback = args.find((arg) => typeof arg === "function") as Callback | undefined;
  if (callback !== undefined) process.nextTick(callback, error);
  this.destroy(error);
  return false;
}

function closedBefore(): Error {
  const message = "Socket closed before the connection was established";
  return nodeError(Error, "ERR_SOCKET_CLOSED_BEFORE_CONNECTION", message);
}

function familyName({ family }: InetAddress): "IPv4" | "IPv6" {
  return family === 4 ? "IPv4" : "IPv6";
}

/** An address in node:net's form. */
export function socketAddress(address: InetAddress): SocketAddress {
  return { address: formatIp(address.address), family: familyName(address), port: address.port };
}
