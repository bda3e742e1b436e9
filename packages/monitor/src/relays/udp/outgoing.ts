// Guest to peers: datagrams from the ring straight to sendmmsg(), as many at a time as there are.
//
//   TAKING ── the kernel takes no more ──▶ BLOCKED ── EPOLLOUT ──▶ TAKING        what is put waits in the ring (UDP-11)
//      ├── the guest is at a rate ──▶ WAITS ── its stream is run ──▶ TAKING       (LIM-2)
//      └── a request ──▶ the relay's, after the datagrams before it
//
// A datagram that the kernel refuses is told and passed over. One that fails because an earlier one came back (ICMP)
// was not looked at yet: it is tried once more, and the error told all the same.
// What they are is found out in gathering.ts.

import { Closed } from "@ringway/control";
import { type DatagramBatch, Errno, errnoMessage } from "@ringway/linux";
import { Price } from "../../accounts/prices.ts";
import { type NetworkBudget, USED_UP } from "../../guests/network-budget.ts";
import { Direction, type Stream } from "../../guests/stream.ts";
import { refusal } from "../../policy/refusal.ts";
import { Counter } from "../../reactor/counters.ts";
import type { RelayHost } from "../host.ts";
import type { Answers } from "./answers.ts";
import { Front, Gathering } from "./gathering.ts";
import type { Peers } from "./peers.ts";
import type { UdpSocket } from "./socket.ts";

/** What a step found. */
export const Taken = {
  /** Nothing to do until the guest, or the kernel, says so. */
  ALL: 0,
  /** Others get their turn. */
  BUDGET: 1,
  /** The next frame is a request. */
  REQUEST: 2,
  /** The guest has ended its direction, and all is taken. */
  END: 3,
} as const;
export type Taken = (typeof Taken)[keyof typeof Taken];

/**
 * Bytes taken in one step before others get their turn. A message of the kernel's counts as some of them, and so does
 * each datagram in it, however small; and so does a look that found none.
 */
const BUDGET_BYTES = 1024 * 1024;
const MESSAGE_COST_BYTES = 2048;
const DATAGRAM_COST_BYTES = 64;
/** Of who is followed, in one batch: half of what is staged (staged.ts), and one more may begin within it. */
const FOLLOWED_BYTES: number = 128 * 1024;

/** An earlier datagram came back; nothing is wrong with this one. */
const CAME_BACK: ReadonlySet<number> = new Set([
  Errno.ECONNREFUSED,
  Errno.EHOSTUNREACH,
  Errno.ENETUNREACH,
  Errno.ENOPROTOOPT,
  Errno.EPROTO,
  Errno.EACCES,
]);

export class Outgoing {
  sendable = true;
  /** The guest is at a rate, or a follower that paces has no room. */
  waits = false;
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #socket: UdpSocket;
  readonly #answers: Answers;
  readonly #gathering: Gathering;
  readonly #batch: DatagramBatch;
  #wasLimited = false;
  #retried = false;

  /** `peers`: those of a bound socket. */
  constructor(
    host: RelayHost,
    stream: Stream,
    socket: UdpSocket,
    answers: Answers,
    peers: Peers | undefined,
  ) {
    this.#host = host;
    this.#stream = stream;
    this.#socket = socket;
    this.#answers = answers;
    this.#gathering = new Gathering(host, stream, socket, answers, peers);
    this.#batch = host.datagrams.batch;
  }

  step(nowMs: number): Taken {
    const { toHost } = this.#stream.pipe;
    const { budget: ofGuest, share } = this.#stream.guest;
    const { network } = ofGuest;
    let budget = BUDGET_BYTES;
    for (;;) {
      // Before the ring: what was put before END is there once END is seen (RING-6).
      const closed = toHost.peerClosed();
      const readable = toHost.readable();
      if (readable === 0) {
        if (closed !== Closed.OPEN) return Taken.END;
        if (!toHost.wantsData && toHost.wantData()) continue;
        return Taken.ALL;
      }
      if (!this.sendable) {
        toHost.unwantData();
        return Taken.ALL;
      }
      // One batch at least, and then as many as the slice has time for: small ones cost far more than their bytes.
      if (budget <= 0 || (budget < BUDGET_BYTES && !share.mayGoOn(Price.DATAGRAMS))) return Taken.BUDGET;
      const isFollowed = this.#stream.tap !== undefined;
      if ((network.limited || this.#wasLimited || isFollowed) && !this.#mayGo(network)) {
        toHost.unwantData();
        return Taken.ALL;
      }
      const front = this.#gathering.gather(readable, nowMs);
      if (front === Front.REQUEST) return Taken.REQUEST;
      if (front === Front.PART) {
        if (closed === Closed.END) this.#socket.frames.end();
        toHost.wantData();
        // Whoever puts it byte by byte uses up the step.
        budget -= MESSAGE_COST_BYTES;
        if (toHost.readable() !== readable || toHost.peerClosed() !== closed) continue;
        return Taken.ALL;
      }
      if (front === Front.DATAGRAMS) budget -= this.#cost() + this.#flush(nowMs);
      else budget -= MESSAGE_COST_BYTES;
    }
  }

  /** By the rates and the budget of bytes of the guest, and by the room of those who follow. */
  #mayGo(network: NetworkBudget): boolean {
    const { tap } = this.#stream;
    this.#wasLimited = network.limited || tap !== undefined;
    this.waits = tap !== undefined && tap.room(tap.staging.bytes.length) === 0;
    if (this.waits) return false;
    const bytes = network.roomForWhole(Direction.TO_HOST, this.#stream);
    const datagrams = bytes > 0 ? network.roomForDatagrams(this.#stream) : 0;
    this.waits = datagrams === 0;
    this.#gathering.mostBytes = tap === undefined ? bytes : Math.min(bytes, FOLLOWED_BYTES);
    this.#gathering.mostDatagrams = Math.min(datagrams, this.#batch.capacity);
    if (bytes === USED_UP) this.#socket.usedUp();
    return !this.waits;
  }

  /** Of a batch, beside its bytes; also of what the kernel refuses, and comes in the next batch again. */
  #cost(): number {
    return this.#batch.messages * MESSAGE_COST_BYTES + this.#batch.added * DATAGRAM_COST_BYTES;
  }

  /** Hands the batch to the kernel; how many bytes that was. */
  #flush(nowMs: number): number {
    const socket = this.#socket;
    const gathering = this.#gathering;
    const batch = this.#batch;
    const sent = batch.flush(socket.fd);
    const error = -batch.error;
    const { network } = this.#stream.guest.budget;
    if (network.limited) network.spent(Direction.TO_HOST, batch.sentBytes, this.#stream, sent);
    this.#host.counters.add(Counter.datagramsToHost, sent);
    if (sent > 0) {
      gathering.tell(sent);
      this.#retried = false;
      socket.usedMs = nowMs;
    }
    if (error === 0) return gathering.take(sent);
    if (error === Errno.EAGAIN) {
      const bytes = gathering.take(sent);
      this.sendable = false;
      socket.awaitSpace();
      return bytes;
    }
    if (batch.joined > 0) {
      gathering.joinBytes = batch.joined;
      return gathering.take(sent);
    }
    const peer = gathering.endpointOf(sent);
    this.#answers.error(peer, refusal(error, `${socket.describe(peer)}: ${errnoMessage(error)}`));
    const again = !this.#retried && CAME_BACK.has(error);
    this.#retried = again;
    return gathering.take(again ? sent : sent + 1);
  }
}
