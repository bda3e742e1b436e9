// What the host says to a guest beside datagrams: replies, the last error, and how many datagrams were lost. Each waits
// for room in the ring here, and nothing of the guest's is taken while a reply waits.
//
// Invariant: one error at the most waits (UDP-9), and as many replies as the guest has requests under way.

import {
  Done,
  FRAME_HEADER_BYTES,
  type FrameWriter,
  type InetAddress,
  type Message,
  type Refusal,
  udpMessages,
} from "@ringway/control";
import type { Stream } from "../../guests/stream.ts";
import { Replies } from "../replies.ts";

const { UdpError, UdpLost } = udpMessages;

/** Of UdpLost, which may have to stand before a datagram. */
export const LOST_BYTES: number = FRAME_HEADER_BYTES + 4;

export class Answers {
  readonly #stream: Stream;
  readonly #replies: Replies;
  readonly #writer: FrameWriter;
  /** The payload of a UdpError. */
  #error: Uint8Array | undefined;
  /** Datagrams lost since the stream was opened, and how many of them the guest knows of. */
  #lost = 0;
  #toldLost = 0;

  constructor(stream: Stream) {
    this.#stream = stream;
    this.#replies = new Replies(stream);
    this.#writer = stream.writer();
  }

  /** Does a reply wait? */
  get waiting(): boolean {
    return this.#replies.length > 0;
  }

  reply<T>(kind: Message<T>, requestId: number, value: T): void {
    this.#replies.reply(kind, requestId, value);
  }

  done(requestId: number): void {
    this.reply(Done, requestId, {});
  }

  fail(requestId: number, refusal: Refusal): void {
    this.#replies.fail(requestId, refusal);
  }

  /** A datagram to this peer was not sent, or came back. */
  error(peer: InetAddress, refusal: Refusal): void {
    const { errno, rule, reason } = this.#stream.guest.reports.answer(refusal);
    this.#error = UdpError.encode({ errno, peer, rule, reason });
  }

  lost(datagrams: number): void {
    this.#lost = (this.#lost + datagrams) >>> 0;
  }

  /** Puts what waits. False: there is no room yet, and the guest rings when there is. */
  flush(): boolean {
    if (!this.#replies.flush()) return false;
    if (this.#error !== undefined) {
      if (!this.#replies.offer(UdpError.type, 0, this.#error)) return false;
      this.#error = undefined;
    }
    if (this.#lost !== this.#toldLost) {
      if (!this.#putLost()) return false;
      this.#toldLost = this.#lost;
    }
    return true;
  }

  /** UdpLost. Where more comes than the guest reads, one stands before almost every datagram: no object is made. */
  #putLost(): boolean {
    const { toGuest } = this.#stream.pipe;
    if (!this.#replies.hasRoom(LOST_BYTES)) return false;
    if (toGuest.abandoned()) return true;
    toGuest.putU32(this.#lost, FRAME_HEADER_BYTES);
    this.#writer.publish(UdpLost.type, 0, LOST_BYTES - FRAME_HEADER_BYTES, this.#stream.signaller());
    return true;
  }
}
