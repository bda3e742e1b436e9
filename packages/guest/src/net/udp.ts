// A UDP socket, which behaves as node:dgram's Socket.
//
//   new ─ bind(), send() ─▶ opening ─ Opened of udp-bind ────▶ bound ─ close() ─▶ closed
//    └─── connect() ──────▶ opening ─ Opened of udp-connect ─▶ bound, connected
//                              └─ refused ─▶ new
//
// What is sent, or asked for, while it opens waits in line. A socket that is bound first and connects then keeps its
// own socket of the host's, and passes over what others send. One that was connected from the start, and that the host
// has ended because nobody used it, gets another one with the next send(), as through any NAT.
//
// Options and groups are the host's to set: what it refuses comes as 'error'.

import { EventEmitter } from "node:events";
import { isIP } from "node:net";
import {
  ConnectReply,
  ConnectRequest,
  Done,
  formatIp,
  HOST_MAX_BYTES,
  type InetAddress,
  inet,
  ListenReply,
  type Message,
  Protocol,
  parseIp,
  udpMessages,
} from "@ringway/control";
import { Errno, errnoName, invalidType } from "@ringway/linux";
import { onAbort } from "../abort.ts";
import { codeOf, cutOffError, type ErrorContext, errnoError, lookupError, replyError } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { Hold } from "../stream/hold.ts";
import { type OpenRequest, openStream } from "../stream/open-stream.ts";
import { type Rings, ringWish } from "../stream/room.ts";
import { type SocketAddress, socketAddress } from "./socket-address.ts";
import { nodeError, requireNumber } from "./socket-arguments.ts";
import {
  type Sending,
  sendArguments,
  sendPort,
  socketOptions,
  type UdpBindOptions,
  type UdpSocketOptions,
  type UdpType,
} from "./udp-arguments.ts";
import { UdpChannel, type UdpSendCallback, type UdpTarget } from "./udp-channel.ts";
import { groupRequest } from "./udp-groups.ts";

const {
  UdpBindFlags,
  UdpBindRequest,
  UdpInterface,
  UdpJoin,
  UdpLeave,
  UdpLookup,
  UdpOption,
  UdpPeer,
  UdpSet,
} = udpMessages;

/** Room for the largest datagram, and for bursts of what comes. */
const UDP_RINGS: Rings = { toHostBytes: 128 * 1024, toGuestBytes: 256 * 1024 };

/** As dgram's RemoteInfo. */
export interface UdpRemote {
  address: string;
  family: "IPv4" | "IPv6";
  port: number;
  size: number;
}

/** As dgram.Socket's, and one more. */
export interface GuestUdpEvents {
  listening: [];
  connect: [];
  message: [Buffer, UdpRemote];
  /** A datagram was not sent, or came back; or the host refused what was asked. The socket goes on. */
  error: [Error];
  close: [];
  /** Datagrams to this socket were lost in the host: how many so far, as `lost` has it too. */
  lost: [number];
}

/** What a datagram is made of. */
export type UdpPiece = string | NodeJS.ArrayBufferView;

/**
 * A UDP socket of the host's, as dgram.Socket: Guest.udp() makes it. Its 'error' is a RingwayError, a RefusedError
 * where the policy says no.
 */
export class GuestUdpSocket extends EventEmitter<GuestUdpEvents> implements AsyncDisposable {
  /** As dgram.Socket. */
  readonly type: UdpType;
  readonly #engine: Engine;
  readonly #options: UdpSocketOptions;
  readonly #hold: Hold;
  readonly #family: 4 | 6;
  #state: "new" | "opening" | "bound" | "closed" = "new";
  #connect: "no" | "connecting" | "connected" = "no";
  #channel: UdpChannel | undefined;
  #bound: InetAddress | undefined;
  #peer: InetAddress | undefined;
  /** The host's own socket is connected, and not this one alone. */
  #isHostConnected = false;
  /** Where it was connected to, in the program's words. */
  #target: { readonly port: number; readonly address: string } | undefined;
  #line: (() => void)[] = [];
  /** It is to be closed once it is open, or not. */
  #closing = false;
  #hasListened = false;
  #lost = 0;
  #groups = new Set<string>();
  #remote: { readonly peer: InetAddress; readonly text: string } | undefined;
  #stopSignal: () => void = () => {};

  /** @internal Use Guest.udp(). */
  static make(
    engine: Engine,
    options: UdpType | UdpSocketOptions | undefined,
    onMessage?: (data: Buffer, remote: UdpRemote) => void,
  ): GuestUdpSocket {
    return new GuestUdpSocket(engine, options, onMessage);
  }

  private constructor(
    engine: Engine,
    given: UdpType | UdpSocketOptions | undefined,
    onMessage?: (data: Buffer, remote: UdpRemote) => void,
  ) {
    super();
    const options = socketOptions(given);
    this.#engine = engine;
    this.#options = options;
    this.type = options.type;
    this.#family = options.type === "udp4" ? 4 : 6;
    this.#hold = new Hold(engine);
    if (typeof onMessage === "function") this.on("message", onMessage);
    const { signal } = options;
    if (signal === undefined) return;
    if (signal.aborted) this.close();
    else {
      this.#stopSignal = onAbort(signal, () => {
        if (this.#state !== "closed") this.close();
      });
    }
  }

  /** Datagrams to this socket that were lost in the host. The kernels on the way lose others, and say nothing. */
  get lost(): number {
    return this.#lost;
  }

  // ---- bind, connect

  bind(port?: number, address?: string, callback?: () => void): this;
  bind(port?: number, callback?: () => void): this;
  bind(callback?: () => void): this;
  bind(options: UdpBindOptions, callback?: () => void): this;
  bind(...args: unknown[]): this {
    this.#check();
    if (this.#state !== "new") throw nodeError(Error, "ERR_SOCKET_ALREADY_BOUND", "Socket is already bound");
    const last = args.at(-1);
    if (typeof last === "function") this.#onceListening(last as () => void);
    const [first, second] = args;
    const isWhole = typeof first === "object" && first !== null;
    const named = isWhole ? (first as UdpBindOptions).address : second;
    const port = isWhole ? (first as UdpBindOptions).port : first;
    const address = typeof named === "string" && named !== "" ? named : this.#unspecified();
    this.#bind(typeof port === "function" ? 0 : sendable(port), address);
    return this;
  }

  connect(port: number, address?: string, callback?: (error?: Error) => void): void;
  connect(port: number, callback?: (error?: Error) => void): void;
  connect(given: number, second?: unknown, third?: unknown): void {
    const port = sendPort(given);
    const callback = (typeof second === "function" ? second : third) as ((error?: Error) => void) | undefined;
    const address = typeof second === "function" || second === undefined ? "" : second;
    if (typeof address !== "string") throw invalidType("address", "of type string", address);
    if (this.#connect !== "no") throw alreadyConnected();
    this.#check();
    this.#connect = "connecting";
    this.#target = { port, address: address || this.#loopback() };
    const done = (error?: Error): void => this.#connected(error, callback);
    if (this.#state === "new") {
      if (callback !== undefined) this.once("connect", callback as () => void);
      this.#openConnected(done);
    } else if (this.#state === "opening") this.#line.push(() => this.#connectBound(done, callback));
    else this.#connectBound(done, callback);
  }

  disconnect(): void {
    if (this.#connect !== "connected") throw notConnected();
    this.#connect = "no";
    this.#peer = undefined;
    this.#target = undefined;
    if (!this.#isHostConnected) return;
    // The host's socket has one peer for good: the next one is another.
    this.#isHostConnected = false;
    this.#channel?.close();
    this.#channel = undefined;
    this.#state = "new";
    this.#bind(0, this.#unspecified());
  }

  // ---- send

  send(
    msg: UdpPiece | readonly UdpPiece[],
    port?: number,
    address?: string,
    callback?: UdpSendCallback,
  ): void;
  send(msg: UdpPiece | readonly UdpPiece[], port?: number, callback?: UdpSendCallback): void;
  send(msg: UdpPiece | readonly UdpPiece[], callback?: UdpSendCallback): void;
  send(
    msg: UdpPiece,
    offset: number,
    length: number,
    port?: number,
    address?: string,
    callback?: UdpSendCallback,
  ): void;
  send(msg: UdpPiece, offset: number, length: number, port?: number, callback?: UdpSendCallback): void;
  send(msg: UdpPiece, offset: number, length: number, callback?: UdpSendCallback): void;
  send(...args: unknown[]): void {
    const sending = sendArguments(args, this.#connect === "connected");
    this.#check();
    if (this.#state === "new") {
      if (this.#connect === "connected") this.#openConnected((error) => this.#reopened(error));
      else this.#bind(0, this.#unspecified());
    }
    if (this.#state === "bound") this.#send(sending);
    else this.#line.push(() => this.#send(sending));
  }

  // ---- addresses, options

  address(): SocketAddress {
    this.#check();
    if (this.#bound === undefined) throw errnoError(Errno.EBADF, { syscall: "getsockname" });
    return socketAddress(this.#bound);
  }

  remoteAddress(): SocketAddress {
    this.#check();
    if (this.#connect !== "connected" || this.#peer === undefined) throw notConnected();
    return socketAddress(this.#peer);
  }

  setBroadcast(on: boolean): void {
    this.#set("setBroadcast", UdpOption.BROADCAST, on ? 1 : 0);
  }

  setTTL(ttl: number): number {
    requireNumber(ttl, "ttl");
    return this.#setNumber("setTTL", UdpOption.TTL, ttl, 1);
  }

  setMulticastTTL(ttl: number): number {
    requireNumber(ttl, "ttl");
    return this.#setNumber("setMulticastTTL", UdpOption.MULTICAST_TTL, ttl, 0);
  }

  setMulticastLoopback(on: boolean): boolean {
    this.#set("setMulticastLoopback", UdpOption.MULTICAST_LOOP, on ? 1 : 0);
    return on;
  }

  setMulticastInterface(address: string): void {
    if (typeof address !== "string") throw invalidType("interfaceAddress", "of type string", address);
    this.#check();
    const syscall = "setMulticastInterface";
    const bytes = parseIp(address);
    if (bytes === undefined || bytes.length !== this.#addressBytes)
      throw errnoError(Errno.EINVAL, { syscall });
    this.#requireBound(syscall);
    this.#request(UdpInterface, { interface: inet(bytes, 0) }, { syscall });
  }

  addMembership(group: string, multicastInterface?: string): void {
    this.#change("addMembership", undefined, group, multicastInterface);
  }

  dropMembership(group: string, multicastInterface?: string): void {
    this.#change("dropMembership", undefined, group, multicastInterface);
  }

  addSourceSpecificMembership(source: string, group: string, multicastInterface?: string): void {
    this.#change("addSourceSpecificMembership", source, group, multicastInterface);
  }

  dropSourceSpecificMembership(source: string, group: string, multicastInterface?: string): void {
    this.#change("dropSourceSpecificMembership", source, group, multicastInterface);
  }

  /** The rings between guest and host: what they hold is what this socket buffers. */
  getRecvBufferSize(): number {
    return this.#buffer("recv", this.#channel?.receiveBytes);
  }

  getSendBufferSize(): number {
    return this.#buffer("send", this.#channel?.sendBytes);
  }

  /** Accepted: the host's kernel has the buffers. */
  setRecvBufferSize(size: number): void {
    this.#checkBuffer("recv", size);
  }

  setSendBufferSize(size: number): void {
    this.#checkBuffer("send", size);
  }

  getSendQueueSize(): number {
    return this.#channel?.unsentBytes ?? 0;
  }

  getSendQueueCount(): number {
    return this.#channel?.unsentCount ?? 0;
  }

  // ---- life

  ref(): this {
    this.#hold.referenced = true;
    return this;
  }

  unref(): this {
    this.#hold.referenced = false;
    return this;
  }

  close(callback?: () => void): this {
    if (typeof callback === "function") this.on("close", callback);
    if (this.#state === "opening") {
      this.#closing = true;
      return this;
    }
    this.#check();
    this.#close();
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "closed") return;
    await new Promise<void>((resolve) => void this.close(resolve));
  }

  #close(): void {
    this.#state = "closed";
    this.#stopSignal();
    this.#line = [];
    this.#channel?.close();
    this.#hold.atWork = false;
    process.nextTick(() => this.emit("close"));
  }

  // ---- opening

  #bind(port: number, address: string): void {
    const context = { syscall: "bind", address, port };
    const named = address === "localhost" ? this.#loopback() : address;
    const bytes = parseIp(named);
    const { SHARED, ONLY_IPV6 } = UdpBindFlags;
    const { reuseAddr, ipv6Only } = this.#options;
    const flags = (reuseAddr ? SHARED : 0) | (ipv6Only && this.#family === 6 ? ONLY_IPV6 : 0);
    this.#begin();
    if (bytes === undefined || bytes.length !== this.#addressBytes) {
      process.nextTick(() => this.#failed(errnoError(Errno.EINVAL, context)));
      return;
    }
    const body = UdpBindRequest.encode({ flags, address: inet(bytes, port) });
    this.#open(
      { protocol: Protocol.UDP_BIND, body, context },
      (reply) => ({ local: ListenReply.decode(reply).bound, peer: undefined }),
      (error) => error !== undefined && this.#failed(error),
    );
  }

  #openConnected(done: (error?: Error) => void): void {
    const { port, address } = this.#target!;
    const context = { syscall: "connect", address, port };
    this.#begin();
    const fail = (error: Error): void => {
      this.#state = "new";
      this.#hold.atWork = false;
      done(isIP(address) ? error : lookupError(error, address));
      this.#runLine();
    };
    if (Buffer.byteLength(address) > HOST_MAX_BYTES || address.includes("\0")) {
      process.nextTick(fail, errnoError(Errno.ENOENT, context));
      return;
    }
    const family = isIP(address);
    if (family !== 0 && family !== this.#family) {
      process.nextTick(fail, errnoError(Errno.EINVAL, context));
      return;
    }
    const body = ConnectRequest.encode({ host: address, port, timeoutMs: 0 });
    this.#open({ protocol: Protocol.UDP_CONNECT, body, context }, ConnectReply.decode, (error) =>
      error === undefined ? done() : fail(error),
    );
  }

  #begin(): void {
    this.#state = "opening";
    this.#hold.atWork = true;
  }

  /** `opened` is told why not, or nothing once the socket is bound. */
  #open(
    request: Omit<OpenRequest, "rings" | "signal">,
    decode: (body: Uint8Array) => { readonly local: InetAddress; readonly peer: InetAddress | undefined },
    opened: (error?: Error) => void,
  ): void {
    const engine = this.#engine;
    const rings = ringWish(this.#options.ringBytes, UDP_RINGS);
    openStream(engine, { ...request, rings }, decode).then(
      ({ stream, opened: { local, peer } }) => {
        if (!stream.open) {
          opened(cutOffError(request.context.syscall, engine.ended));
          return;
        }
        const channel: UdpChannel = new UdpChannel(
          stream,
          this.#family,
          peer === undefined,
          this.#targetOf(() => channel),
        );
        this.#channel = channel;
        this.#bound = local;
        this.#state = "bound";
        if (peer !== undefined) {
          this.#peer = peer;
          this.#isHostConnected = true;
        }
        this.#listens();
        opened();
        this.#runLine();
        engine.touch(() => channel.step());
      },
      (error: Error) => opened(error),
    );
  }

  /** Told once: the host's socket may be another later. */
  #listens(): void {
    if (this.#hasListened) return;
    this.#hasListened = true;
    this.emit("listening");
  }

  /** It is not bound: as dgram, it may be bound again, and what waits finds that out. */
  #failed(error: Error): void {
    this.#state = "new";
    this.#hold.atWork = false;
    // What was to be sent is dropped, as dgram does.
    this.#line = [];
    if (this.#closing) this.#close();
    this.emit("error", error);
  }

  #runLine(): void {
    const line = this.#line.splice(0);
    for (const each of line) if (this.#channel !== undefined) each();
    if (this.#closing && this.#state !== "closed") this.#close();
  }

  #connected(error: Error | undefined, callback: ((error?: Error) => void) | undefined): void {
    if (error === undefined) {
      this.#connect = "connected";
      process.nextTick(() => this.emit("connect"));
      return;
    }
    this.#connect = "no";
    this.#target = undefined;
    process.nextTick(() => {
      if (callback === undefined) this.emit("error", error);
      else {
        this.removeListener("connect", callback as () => void);
        callback(error);
      }
    });
  }

  #reopened(error: Error | undefined): void {
    if (error !== undefined) this.emit("error", error);
  }

  /** One that is bound already: its peer is the only one that it hears. */
  #connectBound(done: (error?: Error) => void, callback: ((error?: Error) => void) | undefined): void {
    if (callback !== undefined) this.once("connect", callback as () => void);
    const { port, address } = this.#target!;
    this.#resolve(port, address, "connect").then(
      (peer) => {
        this.#peer = peer;
        done();
      },
      (error: Error) => done(error),
    );
  }

  // ---- sending

  #send({ pieces, port, address, callback }: Sending): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    if (this.#connect === "connected") {
      channel.send(pieces, this.#peer, callback);
      return;
    }
    const host = address || this.#loopback();
    const literal = parseIp(host);
    if (literal !== undefined) {
      if (literal.length === this.#addressBytes) channel.send(pieces, inet(literal, port), callback);
      else this.#sendFailed(errnoError(Errno.EINVAL, { syscall: "send", address: host, port }), callback);
      return;
    }
    this.#resolve(port, host, "send").then(
      (peer) => {
        if (this.#channel === channel && channel.open) channel.send(pieces, peer, callback);
      },
      (error: Error) => this.#sendFailed(error, callback, true),
    );
  }

  /** As dgram: what failed to be sent is told to who asks, and a name that failed to everybody. */
  #sendFailed(error: Error, callback: UdpSendCallback | undefined, isName = false): void {
    if (callback !== undefined) process.nextTick(callback, error);
    else if (isName && this.#state !== "closed") process.nextTick(() => this.emit("error", error));
  }

  async #resolve(port: number, host: string, syscall: string): Promise<InetAddress> {
    const context = { syscall, address: host, port };
    const literal = parseIp(host);
    if (literal !== undefined) {
      if (literal.length === this.#addressBytes) return inet(literal, port);
      throw errnoError(Errno.EINVAL, context);
    }
    if (Buffer.byteLength(host) > HOST_MAX_BYTES || host.includes("\0")) {
      throw lookupError(errnoError(Errno.ENOENT, context), host);
    }
    try {
      return (await this.#channel!.call(UdpLookup, { port, host }, UdpPeer, context)).peer;
    } catch (error) {
      throw lookupError(error as Error, host);
    }
  }

  // ---- requests

  #setNumber(syscall: string, option: number, value: number, least: number): number {
    this.#check();
    if (!(value >= least && value <= 255)) throw errnoError(Errno.EINVAL, { syscall });
    this.#set(syscall, option, value);
    return value;
  }

  #set(syscall: string, option: number, value: number): void {
    this.#check();
    this.#requireBound(syscall);
    this.#request(UdpSet, { option, value: Math.trunc(value) }, { syscall });
  }

  #requireBound(syscall: string): void {
    if (this.#channel === undefined) throw errnoError(Errno.EBADF, { syscall });
  }

  #change(syscall: string, source: string | undefined, group: string, through: string | undefined): void {
    this.#check();
    const joins = syscall.startsWith("add");
    const { request, key } = groupRequest(syscall, this.#family, source, group, through);
    const isIn = this.#groups.has(key);
    if (joins && isIn) throw errnoError(Errno.EADDRINUSE, { syscall });
    if (!joins && !isIn) throw errnoError(Errno.EADDRNOTAVAIL, { syscall });
    if (joins) this.#groups.add(key);
    else this.#groups.delete(key);
    if (this.#state === "new") this.#bind(0, this.#unspecified());
    const ask = (): void =>
      this.#request(joins ? UdpJoin : UdpLeave, request, { syscall, address: group }, () => {
        if (joins) this.#groups.delete(key);
      });
    if (this.#state === "opening") this.#line.push(ask);
    else ask();
  }

  /** What the host refuses is an 'error'. */
  #request<T>(kind: Message<T>, value: T, context: ErrorContext, failed: () => void = () => {}): void {
    const channel = this.#channel!;
    channel.call(kind, value, Done, context).catch((error: Error) => {
      failed();
      if (channel.open && codeOf(error) !== "ECANCELED") this.emit("error", error);
    });
  }

  // ---- what the host tells

  #targetOf(channel: () => UdpChannel): UdpTarget {
    return {
      message: (data, peer) => {
        if (channel() === this.#channel) this.#message(data, peer);
      },
      error: (error) => {
        if (channel() === this.#channel) this.#error(error);
      },
      lost: (datagrams) => {
        this.#lost = datagrams;
        this.emit("lost", datagrams);
      },
      ended: (error) => {
        if (channel() === this.#channel) this.#ended(error);
      },
    };
  }

  #message(data: Buffer, from: InetAddress | undefined): void {
    const peer = from ?? this.#peer!;
    if (this.#connect === "connected" && from !== undefined && !isSame(from, this.#peer!)) return;
    let remote = this.#remote;
    if (remote === undefined || !isSame(remote.peer, peer)) {
      remote = { peer, text: formatIp(peer.address) };
      this.#remote = remote;
    }
    const family = peer.family === 4 ? "IPv4" : "IPv6";
    this.emit("message", data, { address: remote.text, family, port: peer.port, size: data.length });
  }

  #error({ errno, peer, rule, reason }: udpMessages.UdpError): void {
    // The socket is idle: no error of the program's, which sends again when it likes.
    if (this.#isHostConnected && errno === Errno.ETIMEDOUT) return;
    const cameBack = this.#isHostConnected && CAME_BACK.has(errnoName(errno));
    // Port 0: it concerns no peer (UDP-9).
    const to = peer.port === 0 ? {} : { address: formatIp(peer.address), port: peer.port };
    this.emit(
      "error",
      replyError({ errno, rule, reason }, { syscall: cameBack ? "recvmsg" : "send", ...to }),
    );
  }

  #ended(error: Error | undefined): void {
    this.#channel = undefined;
    if (error === undefined && this.#connect === "connected" && this.#isHostConnected) {
      this.#state = "new";
      return;
    }
    this.#state = "closed";
    this.#stopSignal();
    this.#hold.atWork = false;
    const told = codeOf(error) === "ERR_RINGWAY_DETACHED" ? undefined : error;
    process.nextTick(() => {
      if (told !== undefined) this.emit("error", told);
      this.emit("close");
    });
  }

  // ---- small things

  #check(): void {
    if (this.#state === "closed") throw nodeError(Error, "ERR_SOCKET_DGRAM_NOT_RUNNING", "Not running");
  }

  /** As dgram: called when it listens, and never where it does not. */
  #onceListening(callback: () => void): void {
    const stop = (): void => {
      this.removeListener("error", stop);
      this.removeListener("listening", listening);
    };
    const listening = (): void => {
      stop();
      callback.call(this);
    };
    this.on("error", stop);
    this.on("listening", listening);
  }

  #buffer(which: "recv" | "send", bytes: number | undefined): number {
    this.#check();
    if (bytes !== undefined) return bytes;
    const call = `uv_${which}_buffer_size`;
    const message = `Could not get or set buffer size: ${call} returned EBADF (bad file descriptor)`;
    throw nodeError(Error, "ERR_SOCKET_BUFFER_SIZE", message);
  }

  #checkBuffer(which: "recv" | "send", size: unknown): void {
    if (!(typeof size === "number" && size >>> 0 === size)) {
      throw nodeError(TypeError, "ERR_SOCKET_BAD_BUFFER_SIZE", "Buffer size must be a positive integer");
    }
    this.#buffer(which, this.#channel?.sendBytes);
  }

  get #addressBytes(): number {
    return this.#family === 4 ? 4 : 16;
  }

  #unspecified(): string {
    return this.#family === 4 ? "0.0.0.0" : "::";
  }

  #loopback(): string {
    return this.#family === 4 ? "127.0.0.1" : "::1";
  }
}

/** What an ICMP error makes of a datagram that was sent. */
const CAME_BACK: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOPROTOOPT",
]);

function sendable(port: unknown): number {
  return typeof port === "number" && port >= 0 && port <= 0xffff ? Math.trunc(port) : Number(port) || 0;
}

function isSame(a: InetAddress, b: InetAddress): boolean {
  if (a === b) return true;
  if (a.port !== b.port || a.address.length !== b.address.length) return false;
  for (let i = 0; i < a.address.length; i++) if (a.address[i] !== b.address[i]) return false;
  return true;
}

function notConnected(): Error {
  return nodeError(Error, "ERR_SOCKET_DGRAM_NOT_CONNECTED", "Not connected");
}

function alreadyConnected(): Error {
  return nodeError(Error, "ERR_SOCKET_DGRAM_IS_CONNECTED", "Already connected");
}
