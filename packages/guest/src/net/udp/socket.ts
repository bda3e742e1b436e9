// A UDP socket, which behaves as node:dgram's Socket: its calls, and its events. What it is at a time is in state.ts.

import { EventEmitter } from "node:events";
import { udpMessages } from "@ringway/control";
import { Errno, invalidType } from "@ringway/linux";
import { errnoError } from "../../errors.ts";
import type { Engine } from "../../stream/engine.ts";
import { type SocketAddress, socketAddress } from "../socket-address.ts";
import { nodeError } from "../socket-arguments.ts";
import {
  bindArguments,
  notConnected,
  sendPort,
  socketOptions,
  type UdpBindOptions,
  type UdpSocketOptions,
  type UdpType,
} from "./arguments.ts";
import type { UdpSendCallback } from "./channel.ts";
import type { GuestUdpEvents, UdpRemote } from "./incoming.ts";
import { UdpOptions } from "./options.ts";
import { unspecified } from "./peer.ts";
import { UdpSending } from "./sending.ts";
import { UdpState } from "./state.ts";

const { UdpOption } = udpMessages;

/** What a datagram is made of. */
export type UdpPiece = string | NodeJS.ArrayBufferView;

/**
 * A UDP socket of the host's, as dgram.Socket: Guest.udp() makes it. Its 'error' is a RingwayError, a RefusedError
 * where the policy says no.
 */
export class GuestUdpSocket extends EventEmitter<GuestUdpEvents> implements AsyncDisposable {
  /** As dgram.Socket. */
  readonly type: UdpType;
  readonly #state: UdpState;
  readonly #sending: UdpSending;
  readonly #options: UdpOptions;

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
    this.type = options.type;
    if (typeof onMessage === "function") this.on("message", onMessage);
    this.#state = new UdpState(engine, options, this);
    this.#sending = new UdpSending(this.#state, this);
    this.#options = new UdpOptions(this.#state, this);
  }

  /** Datagrams to this socket that were lost in the host. The kernels on the way lose others, and say nothing. */
  get lost(): number {
    return this.#state.incoming.lost;
  }

  // ---- bind, connect

  bind(port?: number, address?: string, callback?: () => void): this;
  bind(port?: number, callback?: () => void): this;
  bind(callback?: () => void): this;
  bind(options: UdpBindOptions, callback?: () => void): this;
  bind(...args: unknown[]): this {
    const state = this.#state;
    state.check();
    if (state.phase !== "new") throw nodeError(Error, "ERR_SOCKET_ALREADY_BOUND", "Socket is already bound");
    const { port, address, callback } = bindArguments(args);
    if (callback !== undefined) this.#onceListening(callback);
    state.bind(port, address ?? unspecified(state.family));
    return this;
  }

  connect(port: number, address?: string, callback?: (error?: Error) => void): void;
  connect(port: number, callback?: (error?: Error) => void): void;
  connect(given: number, second?: unknown, third?: unknown): void {
    const port = sendPort(given);
    const callback = (typeof second === "function" ? second : third) as ((error?: Error) => void) | undefined;
    const address = typeof second === "function" || second === undefined ? "" : second;
    if (typeof address !== "string") throw invalidType("address", "of type string", address);
    this.#state.connect(port, address, callback);
  }

  disconnect(): void {
    this.#state.disconnect();
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
    this.#sending.send(args);
  }

  // ---- addresses, options

  address(): SocketAddress {
    this.#state.check();
    const { bound } = this.#state;
    if (bound === undefined) throw errnoError(Errno.EBADF, { syscall: "getsockname" });
    return socketAddress(bound);
  }

  remoteAddress(): SocketAddress {
    this.#state.check();
    const { peer } = this.#state;
    if (peer === undefined) throw notConnected();
    return socketAddress(peer);
  }

  setBroadcast(on: boolean): void {
    this.#options.set("setBroadcast", UdpOption.BROADCAST, on ? 1 : 0);
  }

  setTTL(ttl: number): number {
    return this.#options.setHops("setTTL", UdpOption.TTL, ttl, 1);
  }

  setMulticastTTL(ttl: number): number {
    return this.#options.setHops("setMulticastTTL", UdpOption.MULTICAST_TTL, ttl, 0);
  }

  setMulticastLoopback(on: boolean): boolean {
    this.#options.set("setMulticastLoopback", UdpOption.MULTICAST_LOOP, on ? 1 : 0);
    return on;
  }

  setMulticastInterface(address: string): void {
    this.#options.setInterface("setMulticastInterface", address);
  }

  addMembership(group: string, multicastInterface?: string): void {
    this.#options.change("addMembership", undefined, group, multicastInterface);
  }

  dropMembership(group: string, multicastInterface?: string): void {
    this.#options.change("dropMembership", undefined, group, multicastInterface);
  }

  addSourceSpecificMembership(source: string, group: string, multicastInterface?: string): void {
    this.#options.change("addSourceSpecificMembership", source, group, multicastInterface);
  }

  dropSourceSpecificMembership(source: string, group: string, multicastInterface?: string): void {
    this.#options.change("dropSourceSpecificMembership", source, group, multicastInterface);
  }

  /** The rings between guest and host: what they hold is what this socket buffers. */
  getRecvBufferSize(): number {
    return this.#options.bufferBytes("recv");
  }

  getSendBufferSize(): number {
    return this.#options.bufferBytes("send");
  }

  /** Accepted: the host's kernel has the buffers. */
  setRecvBufferSize(size: number): void {
    this.#options.checkBuffer("recv", size);
  }

  setSendBufferSize(size: number): void {
    this.#options.checkBuffer("send", size);
  }

  getSendQueueSize(): number {
    return this.#state.channel?.unsentBytes ?? 0;
  }

  getSendQueueCount(): number {
    return this.#state.channel?.unsentCount ?? 0;
  }

  // ---- life

  ref(): this {
    this.#state.hold.referenced = true;
    return this;
  }

  unref(): this {
    this.#state.hold.referenced = false;
    return this;
  }

  close(callback?: () => void): this {
    if (typeof callback === "function") this.on("close", callback);
    this.#state.close();
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state.phase === "closed") return;
    await new Promise<void>((resolve) => void this.close(resolve));
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
}
