// A connection through the host as a Duplex that behaves like net.Socket.
//
//   new ─ connect() ─▶ connecting ─▶ open ─▶ destroyed ─ connect() ─▶ connecting ...
//
// What happens between connect() and the end is in connection.ts; here is what net.Socket has around it.

import { addAbortSignal, Duplex } from "node:stream";
import { Errno, requireFunction } from "@ringway/linux";
import { errnoError, unsupported } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { Hold } from "../stream/hold.ts";
import type { OpenedStream } from "../stream/open-stream.ts";
import { type ConnectOptions, connectOpen, type StreamOptions } from "./connect.ts";
import { Connection, type ConnectionInit } from "./connection.ts";
import type { RawOpened, WriteCallback } from "./raw-stream.ts";
import { type SocketAddress, socketAddress } from "./socket-address.ts";
import { callArguments, nodeError, timerDuration } from "./socket-arguments.ts";
import type { SocketOpen } from "./socket-open.ts";
import { duplexOptions, OnRead } from "./socket-options.ts";
import { type PeerCredentials, peerCredentials } from "./unix.ts";

/** How a socket comes to its stream, if not by connect(). */
export type SocketStart = { readonly open: SocketOpen } | { readonly accepted: OpenedStream<RawOpened> };

/**
 * A connection through the host, as net.Socket: Guest.connect(), Guest.createConnection() and Guest.createSocket()
 * make it, and a GuestServer gives it. Emits what net.Socket emits: 'connect', 'ready', 'data', 'end', 'timeout',
 * 'close' with hadError, ... Its errors are RingwayErrors: ECONNREFUSED, ECONNRESET, EPIPE, ETIMEDOUT, ENOTFOUND,
 * ...; a RefusedError where the policy says no.
 */
export class GuestSocket extends Duplex {
  /** As net.Socket: the time set with setTimeout(), in milliseconds. */
  timeout: number | undefined = undefined;
  /** As net.Socket: the server that accepted it, or null. */
  server: unknown = null;
  readonly #ringBytes: number | undefined;
  readonly #hold: Hold;
  /** Where it is piped to. */
  readonly #pipes: Set<NodeJS.WritableStream> = new Set();
  readonly #init: ConnectionInit;
  #connection: Connection;
  #resetting = false;
  #timer: NodeJS.Timeout | undefined;

  /** @internal Use Guest.connect(), Guest.createConnection() or Guest.createSocket(). */
  static make(engine: Engine, options?: StreamOptions, start?: SocketStart): GuestSocket {
    return new GuestSocket(engine, options, start);
  }

  private constructor(engine: Engine, options: StreamOptions = {}, start?: SocketStart) {
    super(duplexOptions(options));
    this.#ringBytes = options.ringBytes;
    this.#hold = new Hold(engine);
    this.#init = {
      engine,
      socket: this,
      onread: OnRead.of(options.onread),
      hold: this.#hold,
      pipes: this.#pipes,
      onActive: () => this.#timer?.refresh(),
    };
    this.#connection = new Connection(this.#init);
    if (options.signal !== undefined) addAbortSignal(options.signal, this);
    this.on("end", () => {
      if (!this.allowHalfOpen) this.write = writeAfterEnd;
    });
    if (start === undefined) return;
    if ("open" in start) this.#connection.open(start.open);
    else this.#connection.adopt(start.accepted);
  }

  /**
   * Connects as net.Socket does, also a socket that was closed before. Throws what net.Socket throws for arguments,
   * and ENOSYS for what a guest has not (a local address).
   */
  connect(options: ConnectOptions, listener?: () => void): this;
  connect(port: number | string, host: string, listener?: () => void): this;
  connect(port: number | string, listener?: () => void): this;
  connect(path: string, listener?: () => void): this;
  connect(...args: unknown[]): this {
    const { options, listener } = callArguments(args);
    if (listener !== undefined) this.once("connect", listener);
    const open = connectOpen(options, this.#ringBytes);
    if (this.destroyed) this.#renew();
    this.#timer?.refresh();
    const connection = this.#connection;
    if (connection.connecting) {
      process.nextTick(() => this.destroy(errnoError(Errno.EALREADY, open.context)));
    } else if (connection.isOpen) process.nextTick(() => connection.announce());
    else connection.open(open);
    return this;
  }

  /** As it was before it connected. */
  #renew(): void {
    // As net.Socket does it. Every stream of Node's has this, though no document promises it; there is no other way:
    // pipes, flow, encoding and listeners belong to this very object, and no other stream could take its place.
    const stream = this as unknown as { _undestroy?(): void };
    if (stream._undestroy === undefined) {
      throw unsupported("connect", "this version of Node cannot use a stream again: make another socket");
    }
    stream._undestroy();
    delete (this as { write?: unknown }).write;
    this.#connection = new Connection(this.#init);
    this.#resetting = false;
  }

  /** True until the host has connected. */
  get connecting(): boolean {
    return this.#connection.connecting;
  }

  /** As net.Socket: is it not connected (yet, or any more)? */
  get pending(): boolean {
    return !this.#connection.isOpen;
  }

  /** As net.Socket. */
  get readyState(): "opening" | "open" | "readOnly" | "writeOnly" | "closed" {
    if (this.connecting) return "opening";
    if (this.readable && this.writable) return "open";
    if (this.readable) return "readOnly";
    return this.writable ? "writeOnly" : "closed";
  }

  /** Bytes that came from the peer, those included that the program has not taken yet. */
  get bytesRead(): number {
    return this.#connection.raw?.bytesRead ?? 0;
  }

  /** Bytes written, those included that still wait. */
  get bytesWritten(): number {
    return this.#connection.raw?.bytesWritten(this.writableLength) ?? this.writableLength;
  }

  /** As net.Socket: bytes that wait; undefined where it is neither connected nor connecting. */
  get bufferSize(): number | undefined {
    return this.connecting || !this.pending ? this.writableLength : undefined;
  }

  /** The address from which the host has connected, or on which it was called; undefined while there is none. */
  get localAddress(): string | undefined {
    return this.address().address;
  }
  get localPort(): number | undefined {
    return this.address().port;
  }
  get localFamily(): "IPv4" | "IPv6" | undefined {
    return this.address().family;
  }
  /** The peer's address, as the host sees it; undefined before it is connected. */
  get remoteAddress(): string | undefined {
    return this.#peer()?.address;
  }
  get remotePort(): number | undefined {
    return this.#peer()?.port;
  }
  get remoteFamily(): "IPv4" | "IPv6" | undefined {
    return this.#peer()?.family;
  }
  #peer(): SocketAddress | undefined {
    const peer = this.#connection.raw?.endpoints?.peer;
    return peer && socketAddress(peer);
  }

  /** Of a Unix socket, once it is connected: who is at its other end, as the host's kernel knows it (SO_PEERCRED). */
  get peerCredentials(): PeerCredentials | undefined {
    const peer = this.#connection.raw?.peer;
    return peer && peerCredentials(peer);
  }

  /** The local address, or {} while there is none. */
  address(): Partial<SocketAddress> {
    const local = this.destroyed ? undefined : this.#connection.raw?.endpoints?.local;
    return local === undefined ? {} : socketAddress(local);
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

  /** As net.Socket: while connecting or open, it keeps the process alive, unless it was unreferenced. */
  ref(): this {
    this.#hold.referenced = true;
    return this;
  }

  unref(): this {
    this.#hold.referenced = false;
    return this;
  }

  /** Breaks the connection, once it is one: the peer gets a TCP reset. */
  resetAndDestroy(): this {
    if (this.connecting) return this.once("connect", () => this.resetAndDestroy());
    if (this.pending) return this.destroy(nodeError(Error, "ERR_SOCKET_CLOSED", "Socket is closed"));
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
    if (this.#init.onread !== undefined) this.#connection.raw?.unwant();
    return super.pause();
  }

  override resume(): this {
    if (this.#init.onread !== undefined) this.#connection.raw?.want();
    return super.resume();
  }

  override read(size?: number): ReturnType<Duplex["read"]> {
    const chunk = super.read(size);
    this.#connection.wasRead();
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
    this.#connection.wasUnpiped();
    return super.unpipe(destination);
  }

  override _read(): void {
    this.#connection.want();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: WriteCallback): void {
    this.#connection.write([chunk], callback);
  }

  override _writev(entries: { chunk: Buffer }[], callback: WriteCallback): void {
    this.#connection.write(
      entries.map((entry) => entry.chunk),
      callback,
    );
  }

  override _final(callback: WriteCallback): void {
    this.#connection.end(callback);
  }

  override _destroy(error: Error | null, callback: WriteCallback): void {
    clearTimeout(this.#timer);
    this.#connection.close(error, this.#resetting, callback);
  }
}

/** A socket's write() after the peer's end, where that ends this side: not the program's mistake, so not called one. */
function writeAfterEnd(this: GuestSocket, ...args: unknown[]): boolean {
  if (!this.writableEnded) return Duplex.prototype.write.apply(this, args as Parameters<Duplex["write"]>);
  const error = nodeError(Error, "EPIPE", "This socket has been ended by the other party");
  const callback = args.find((arg) => typeof arg === "function") as WriteCallback | undefined;
  if (callback !== undefined) process.nextTick(callback, error);
  this.destroy(error);
  return false;
}
