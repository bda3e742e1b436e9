// Options and groups of a UDP socket: they are the host's to set, and what it refuses comes as 'error'.

import type { EventEmitter } from "node:events";
import { Done, inet, type Message, parseIp, udpMessages } from "@ringway/control";
import { Errno, invalidType } from "@ringway/linux";
import { codeOf, type ErrorContext, errnoError } from "../../errors.ts";
import { nodeError, requireNumber } from "../socket-arguments.ts";
import type { UdpChannel } from "./channel.ts";
import { groupRequest } from "./groups.ts";
import type { GuestUdpEvents } from "./incoming.ts";
import { addressBytes } from "./peer.ts";
import type { UdpState } from "./state.ts";

const { UdpInterface, UdpJoin, UdpLeave, UdpSet } = udpMessages;

export class UdpOptions {
  readonly #state: UdpState;
  readonly #socket: EventEmitter<GuestUdpEvents>;

  constructor(state: UdpState, socket: EventEmitter<GuestUdpEvents>) {
    this.#state = state;
    this.#socket = socket;
  }

  /** `syscall` is the call's name, and `option` one of UdpOption. */
  set(syscall: string, option: number, value: number): void {
    const channel = this.#channel(syscall);
    this.#request(channel, UdpSet, { option, value: Math.trunc(value) }, { syscall });
  }

  /** From `least` to 255. */
  setHops(syscall: string, option: number, value: unknown, least: number): number {
    requireNumber(value, "ttl");
    this.#state.check();
    if (!(value >= least && value <= 255)) throw errnoError(Errno.EINVAL, { syscall });
    this.set(syscall, option, value);
    return value;
  }

  setInterface(syscall: string, address: unknown): void {
    if (typeof address !== "string") throw invalidType("interfaceAddress", "of type string", address);
    const { family } = this.#state;
    this.#state.check();
    const bytes = parseIp(address);
    if (bytes === undefined || bytes.length !== addressBytes(family)) {
      throw errnoError(Errno.EINVAL, { syscall });
    }
    const channel = this.#channel(syscall);
    this.#request(channel, UdpInterface, { interface: inet(bytes, 0) }, { syscall });
  }

  /** Joins a group or leaves it, as the call's name says. */
  change(syscall: string, source: string | undefined, group: string, through: string | undefined): void {
    const state = this.#state;
    state.check();
    const joins = syscall.startsWith("add");
    const { request, key } = groupRequest(syscall, state.family, source, group, through);
    const { groups } = state;
    const isIn = groups.has(key);
    if (joins && isIn) throw errnoError(Errno.EADDRINUSE, { syscall });
    if (!joins && !isIn) throw errnoError(Errno.EADDRNOTAVAIL, { syscall });
    if (joins) groups.add(key);
    else groups.delete(key);
    state.bindAnywhere();
    state.whenOpen(() => {
      const context = { syscall, address: group };
      this.#request(state.channel!, joins ? UdpJoin : UdpLeave, request, context, () => {
        if (joins) groups.delete(key);
      });
    });
  }

  /** Bytes of a buffer, which a ring is. */
  bufferBytes(which: "recv" | "send"): number {
    this.#state.check();
    const { channel } = this.#state;
    if (channel !== undefined) return which === "recv" ? channel.receiveBytes : channel.sendBytes;
    const call = `uv_${which}_buffer_size`;
    const message = `Could not get or set buffer size: ${call} returned EBADF (bad file descriptor)`;
    throw nodeError(Error, "ERR_SOCKET_BUFFER_SIZE", message);
  }

  /** As dgram does before it sets one. */
  checkBuffer(which: "recv" | "send", size: unknown): void {
    if (!(typeof size === "number" && size >>> 0 === size)) {
      throw nodeError(TypeError, "ERR_SOCKET_BAD_BUFFER_SIZE", "Buffer size must be a positive integer");
    }
    this.bufferBytes(which);
  }

  /** Throws where it is closed, or not bound. */
  #channel(syscall: string): UdpChannel {
    this.#state.check();
    const { channel } = this.#state;
    if (channel === undefined) throw errnoError(Errno.EBADF, { syscall });
    return channel;
  }

  #request<T>(
    channel: UdpChannel,
    kind: Message<T>,
    value: T,
    context: ErrorContext,
    failed: () => void = () => {},
  ): void {
    channel.call(kind, value, Done, context).catch((error: Error) => {
      failed();
      if (channel.open && codeOf(error) !== "ECANCELED") this.#socket.emit("error", error);
    });
  }
}
