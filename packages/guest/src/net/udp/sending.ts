// What a program sends on a UDP socket: whom it is for is found first, if need be by the host, and then it goes to the
// channel. What is sent before the socket is open waits for that.

import type { EventEmitter } from "node:events";
import { inet, parseIp } from "@ringway/control";
import { Errno } from "@ringway/linux";
import { errnoError } from "../../errors.ts";
import { type Sending, sendArguments } from "./arguments.ts";
import type { UdpSendCallback } from "./channel.ts";
import type { GuestUdpEvents } from "./incoming.ts";
import { addressBytes, findPeer, loopback } from "./peer.ts";
import type { UdpState } from "./state.ts";

export class UdpSending {
  readonly #state: UdpState;
  readonly #socket: EventEmitter<GuestUdpEvents>;

  constructor(state: UdpState, socket: EventEmitter<GuestUdpEvents>) {
    this.#state = state;
    this.#socket = socket;
  }

  /** Arguments in any of dgram's forms. */
  send(args: readonly unknown[]): void {
    const state = this.#state;
    const sending = sendArguments(args, state.isConnected);
    state.check();
    state.open();
    if (state.phase === "bound") this.#put(sending);
    else {
      const error = (): Error => errnoError(Errno.ECANCELED, { syscall: "send" });
      state.whenOpen(
        () => this.#put(sending),
        () => this.#failed(error(), sending.callback),
      );
    }
  }

  #put({ pieces, port, address, callback }: Sending): void {
    const state = this.#state;
    const { channel, family } = state;
    if (channel === undefined) return;
    if (state.isConnected) {
      channel.send(pieces, state.peer, callback);
      return;
    }
    const host = address || loopback(family);
    const literal = parseIp(host);
    if (literal !== undefined) {
      if (literal.length === addressBytes(family)) channel.send(pieces, inet(literal, port), callback);
      else this.#failed(errnoError(Errno.EINVAL, { syscall: "send", address: host, port }), callback);
      return;
    }
    findPeer(channel, family, port, host, "send").then(
      (peer) => {
        if (state.channel === channel && channel.open) channel.send(pieces, peer, callback);
      },
      (error: Error) => this.#failed(error, callback, true),
    );
  }

  /** As dgram: what failed to be sent is told to who asks, and a name that failed to everybody. */
  #failed(error: Error, callback: UdpSendCallback | undefined, isName = false): void {
    if (callback !== undefined) process.nextTick(callback, error);
    else if (isName && this.#state.phase !== "closed") {
      process.nextTick(() => this.#socket.emit("error", error));
    }
  }
}
