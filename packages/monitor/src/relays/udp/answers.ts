// What the host says to a guest beside datagrams: replies, the last error, and how many datagrams were lost. Each waits
// for room in the ring here, and nothing of the guest's is taken while a reply waits.
//
// Invariant: one error at the most waits (UDP-9), and as many replies as the guest has requests under way.

import {
  Done,
  ErrorReply,
  FRAME_HEADER_BYTES,
  type InetAddress,
  type Message,
  type Refusal,
  udpMessages,
} from "@ringway/control";
import type { Stream } from "../../guests/stream.ts";

const { UdpError, UdpLost } = udpMessages;

/** Of UdpLost, which may have to stand before a datagram. */
export const LOST_BYTES: number = FRAME_HEADER_BYTES + 4;

interface Waiting {
  readonly type: number;
  readonly requestId: number;
  readonly payload: Uint8Array;
}

export class Answers {
  readonly #stream: Stream;
  readonly #writer: ReturnType<Stream["writer"]>;
  #replies: Waiting[] = [];
  #error: Waiting | undefined;
  /** Datagrams lost since the stream was opened, and how many of them the guest knows of. */
  #lost = 0;
  #toldLost = 0;

  constructor(stream: Stream) {
    this.#stream = stream;
    this.#writer = stream.writer();
  }

  /** Does a reply wait? */
  get waiting(): boolean {
    return this.#replies.length > 0;
  }

  reply<T>(kind: Message<T>, requestId: number, value: T): void {
    this.#replies.push({ type: kind.type, requestId, payload: kind.encode(value) });
  }

  done(requestId: number): void {
    this.reply(Done, requestId, {});
  }

  fail(requestId: number, refusal: Refusal): void {
    this.reply(ErrorReply, requestId, this.#stream.guest.reports.answer(refusal));
  }

  /** A datagram to this peer was not sent, or came back. */
  error(peer: InetAddress, refusal: Refusal): void {
    const { errno, rule, reason } = this.#stream.guest.reports.answer(refusal);
    const payload = UdpError.encode({ errno, peer, rule, reason });
    this.#error = { type: UdpError.type, requestId: 0, payload };
  }

  lost(datagrams: number): void {
    this.#lost = (this.#lost + datagrams) >>> 0;
  }

  /** Puts what waits. False: there is no room yet, and the guest rings when there is. */
  flush(): boolean {
    while (this.#replies.length > 0) {
      if (!this.#put(this.#replies[0]!)) return false;
      this.#replies.shift();
    }
    if (this.#error !== undefined) {
      if (!this.#put(this.#error)) return false;
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
    for (;;) {
      if (toGuest.abandoned()) return true;
      if (toGuest.writable() >= LOST_BYTES) break;
      if (!toGuest.wantSpace(LOST_BYTES)) return false;
    }
    toGuest.putU32(LOST_BYTES - FRAME_HEADER_BYTES, 0);
    toGuest.putU32(UdpLost.type, 4);
    toGuest.putU32(0, 8);
    toGuest.putU32(this.#lost, FRAME_HEADER_BYTES);
    if (toGuest.advance(LOST_BYTES)) this.#stream.signal();
    return true;
  }

  #put({ type, requestId, payload }: Waiting): boolean {
    const { toGuest } = this.#stream.pipe;
    for (;;) {
      if (toGuest.abandoned()) return true;
      if (this.#writer.write(type, requestId, payload, this.#stream.signal)) return true;
      if (!toGuest.wantSpace(FRAME_HEADER_BYTES + payload.length)) return false;
    }
  }
}
