// Guest to peers: datagrams from the ring straight to sendmmsg(), as many at a time as there are.
//
//   TAKING ── the kernel takes no more ──▶ BLOCKED ── EPOLLOUT ──▶ TAKING        what is put waits in the ring (UDP-11)
//      ├── the guest is at a rate ──▶ WAITS ── its stream is run ──▶ TAKING       (LIM-2)
//      └── a request ──▶ the relay's, after the datagrams before it
//
// A datagram that the kernel refuses is told and passed over. One that fails because an earlier one came back (ICMP)
// was not looked at yet: it is tried once more, and the error told all the same.
//
// Invariant: of the first frame in the ring #done datagrams are sent, of all others none.

import {
  Closed,
  FRAME_HEADER_BYTES,
  type InetAddress,
  maxPayload,
  ProtocolError,
  type Refusal,
  UDP_IPV4_MAX_BYTES,
  UDP_IPV6_MAX_BYTES,
  udpMessages,
  Violation,
} from "@ringway/control";
import { type DatagramBatch, Errno, errnoMessage } from "@ringway/linux";
import { type NetworkBudget, USED_UP } from "../../guests/network-budget.ts";
import { Direction, type Stream } from "../../guests/stream.ts";
import { denial, refusal } from "../../policy/refusal.ts";
import { Counter } from "../../reactor/counters.ts";
import type { RelayHost } from "../host.ts";
import type { Answers } from "./answers.ts";
import type { Peer, Peers } from "./peers.ts";
import { nobody, type UdpSocket } from "./socket.ts";

const { UdpSend, UdpSendTo, datagramsOf } = udpMessages;

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

/** Bytes taken in one step before others get their turn; a datagram counts as some of them, however small. */
const BUDGET_BYTES = 1024 * 1024;
const DATAGRAM_COST_BYTES = 2048;
/** Above all sizes. */
const ANY_SIZE = 0x10000;

/** What lies at the front of the ring. */
const Front = { PART: 0, REQUEST: 1, PASSED: 2, DATAGRAMS: 3 } as const;
type Front = (typeof Front)[keyof typeof Front];

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
  /** The guest is at a rate. */
  waits = false;
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #socket: UdpSocket;
  readonly #answers: Answers;
  readonly #peers: Peers | undefined;
  readonly #type: number;
  /** Of a payload, what comes before the datagrams. */
  readonly #headBytes: number;
  readonly #maxPayload: number;
  /** Datagrams below this size may go as one message. */
  #joinBytes = ANY_SIZE;
  #done = 0;
  /** How many datagrams a batch may have, and how many bytes: as many datagrams as begin within them. */
  #mostDatagrams: number;
  #mostBytes = Number.POSITIVE_INFINITY;
  #wasLimited = false;
  #retried = false;
  // The frames of the batch: their bytes in the ring, their datagrams, up to which of them it has, and whose they are.
  #frames = 0;
  readonly #bytes: number[] = [];
  readonly #counts: number[] = [];
  readonly #ends: number[] = [];
  readonly #to: (Peer | undefined)[] = [];

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
    this.#peers = peers;
    this.#type = peers === undefined ? UdpSend.type : UdpSendTo.type;
    this.#headBytes = peers === undefined ? 4 : 28;
    this.#maxPayload = maxPayload(stream.pipe.toHost.capacity);
    this.#mostDatagrams = host.datagrams.batch.capacity;
  }

  step(nowMs: number): Taken {
    const { toHost } = this.#stream.pipe;
    const { network } = this.#stream.guest.budget;
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
      if (budget <= 0) return Taken.BUDGET;
      if ((network.limited || this.#wasLimited) && !this.#mayGo(network)) {
        toHost.unwantData();
        return Taken.ALL;
      }
      const front = this.#gather(readable, nowMs);
      if (front === Front.REQUEST) return Taken.REQUEST;
      if (front === Front.PART) {
        if (closed === Closed.END) this.#socket.frames.end();
        toHost.wantData();
        // Whoever puts it byte by byte uses up the step.
        budget -= DATAGRAM_COST_BYTES;
        if (toHost.readable() !== readable || toHost.peerClosed() !== closed) continue;
        return Taken.ALL;
      }
      budget -= DATAGRAM_COST_BYTES;
      if (front === Front.DATAGRAMS) budget -= this.#flush(nowMs);
    }
  }

  /** By the rates and the budget of bytes of the guest. */
  #mayGo(network: NetworkBudget): boolean {
    const bytes = network.roomForWhole(Direction.TO_HOST, this.#stream);
    const datagrams = bytes > 0 ? network.roomForDatagrams(this.#stream) : 0;
    this.waits = datagrams === 0;
    this.#wasLimited = network.limited;
    this.#mostBytes = bytes;
    this.#mostDatagrams = Math.min(datagrams, this.#host.datagrams.batch.capacity);
    if (bytes === USED_UP) this.#socket.usedUp();
    return !this.waits;
  }

  /** What is at the front of the ring; datagrams are in the batch then, as many as it takes. */
  #gather(readable: number, nowMs: number): Front {
    const { batch } = this.#host.datagrams;
    const { toHost } = this.#stream.pipe;
    batch.begin();
    this.#frames = 0;
    for (let at = 0; batch.added < this.#mostDatagrams && this.#mostBytes > 0; ) {
      const whole = this.#wholeFrame(at, readable);
      if (whole === 0) return this.#frames > 0 ? Front.DATAGRAMS : Front.PART;
      if (toHost.u32(at + 4) !== this.#type) return this.#frames > 0 ? Front.DATAGRAMS : Front.REQUEST;
      const bytes = whole - FRAME_HEADER_BYTES - this.#headBytes;
      if (bytes < 0) throw malformed("FRM-6", "payload is too short");
      const segment = toHost.u32(at + FRAME_HEADER_BYTES);
      const peer = this.#peerAt(at + FRAME_HEADER_BYTES + 4);
      const bad = this.#mistake(segment, bytes, peer, nowMs);
      if (bad !== undefined) {
        // Looked at again when it is the first: those before it may have to stay.
        if (this.#frames > 0) return Front.DATAGRAMS;
        this.#pass(bad, peer, whole);
        return Front.PASSED;
      }
      if (typeof peer === "object") peer.sentMs = nowMs;
      this.#addFrame(at, whole, segment, bytes, peer as Peer | undefined);
      at += whole;
    }
    return Front.DATAGRAMS;
  }

  /** Bytes of the frame there, or 0 while it is not all there. */
  #wholeFrame(at: number, readable: number): number {
    if (readable - at < FRAME_HEADER_BYTES) return 0;
    const length = this.#stream.pipe.toHost.u32(at);
    if (length > this.#maxPayload) {
      const text = `a frame's payload of ${length} bytes is over ${this.#maxPayload}`;
      throw new ProtocolError(Violation.FRAME_LENGTH, "FRM-3", text);
    }
    const whole = FRAME_HEADER_BYTES + length;
    return readable - at < whole ? 0 : whole;
  }

  /** The peer of a bound socket's frame; false: nobody can be that. */
  #peerAt(at: number): Peer | undefined | false {
    const peers = this.#peers;
    if (peers === undefined) return undefined;
    const { toHost } = this.#stream.pipe;
    const family = toHost.u32(at);
    const port = toHost.u32(at + 4);
    const a = toHost.u32(at + 8);
    const b = toHost.u32(at + 12);
    const c = toHost.u32(at + 16);
    const d = toHost.u32(at + 20);
    if ((family !== 4 && family !== 6) || port > 0xffff) throw malformed("TCP-2", "not an address");
    if (family === 4 && (b | c | d) !== 0) throw malformed("TCP-2", "padding is not zero");
    if (family !== this.#socket.family || port === 0 || (a | b | c | d) === 0) return false;
    return peers.know(port, a, b, c, d);
  }

  /** Why a frame's datagrams are not sent. */
  #mistake(
    segment: number,
    bytes: number,
    peer: Peer | undefined | false,
    nowMs: number,
  ): Refusal | undefined {
    if (peer === false) return refusal(Errno.EINVAL, "no datagram can go to this address");
    const most = this.#socket.family === 4 ? UDP_IPV4_MAX_BYTES : UDP_IPV6_MAX_BYTES;
    if (bytes > most) return refusal(Errno.EMSGSIZE, `a datagram has at most ${most} bytes`);
    if (datagramsOf(segment, bytes) === undefined) {
      return refusal(Errno.EINVAL, `${bytes} bytes are no train of datagrams of ${segment}`);
    }
    const refused = peer && this.#peers!.refusal(peer, nowMs);
    if (refused === undefined) return undefined;
    const { denied, isNew } = refused;
    if (isNew) {
      const { guest } = this.#stream;
      const what = this.#socket.describe(peer!.endpoint);
      guest.reports.audit(denial(guest, this.#socket.protocol, what, denied));
    }
    return denied;
  }

  /** Tells of the first frame, and takes it. */
  #pass(why: Refusal, peer: Peer | undefined | false, whole: number): void {
    this.#done = 0;
    this.#answers.error((peer === false ? undefined : peer?.endpoint) ?? nobody(this.#socket), why);
    this.#advance(whole);
  }

  #addFrame(at: number, whole: number, segment: number, bytes: number, peer: Peer | undefined): void {
    const { batch } = this.#host.datagrams;
    const index = this.#frames++;
    const count = datagramsOf(segment, bytes)!;
    // The guest may have put another frame in the place of one that was begun.
    if (index === 0 && this.#done >= count) this.#done = 0;
    const first = index === 0 ? this.#done : 0;
    const most = Math.min(count, first + this.#mostDatagrams - batch.added);
    const data = at + whole - bytes;
    let end = first;
    for (; end < most && this.#mostBytes > 0; end++) {
      const from = end * segment;
      const size = segment === 0 ? bytes : Math.min(segment, bytes - from);
      this.#mostBytes -= size;
      this.#add(batch, data + from, size, peer);
    }
    this.#bytes[index] = whole;
    this.#counts[index] = count;
    this.#ends[index] = end;
    this.#to[index] = peer;
  }

  #add(batch: DatagramBatch, at: number, bytes: number, peer: Peer | undefined): void {
    const { pipe, guest } = this.#stream;
    const { toHost } = pipe;
    const { address } = guest.memory;
    const toEnd = toHost.spanBytes(toHost.capacity);
    const first = at < toEnd ? Math.min(bytes, toEnd - at) : bytes;
    const around = address + toHost.spanOffset() + toEnd - toHost.capacity;
    batch.add(address + this.#offsetAt(at), first, around, bytes - first, peer, this.#joinBytes);
  }

  /** Where in the region the byte is that lies so far behind the first unread one. */
  #offsetAt(at: number): number {
    const { toHost } = this.#stream.pipe;
    const isAround = at >= toHost.spanBytes(toHost.capacity);
    return toHost.spanOffset() + at - (isAround ? toHost.capacity : 0);
  }

  /** Hands the batch to the kernel; how many bytes that was. */
  #flush(nowMs: number): number {
    const socket = this.#socket;
    const { batch } = this.#host.datagrams;
    const sent = batch.flush(socket.fd);
    const error = -batch.error;
    const { network } = this.#stream.guest.budget;
    if (network.limited) network.spent(Direction.TO_HOST, batch.sentBytes, sent);
    this.#host.counters.add(Counter.datagramsToHost, sent);
    if (sent > 0) {
      this.#retried = false;
      socket.usedMs = nowMs;
    }
    if (error === 0) return this.#consume(sent);
    if (error === Errno.EAGAIN) {
      const bytes = this.#consume(sent);
      this.sendable = false;
      socket.awaitSpace();
      return bytes;
    }
    if (batch.joined > 0) {
      this.#joinBytes = batch.joined;
      return this.#consume(sent);
    }
    const peer = this.#endpointOf(sent);
    this.#answers.error(peer, refusal(error, `${socket.describe(peer)}: ${errnoMessage(error)}`));
    const again = !this.#retried && CAME_BACK.has(error);
    this.#retried = again;
    return this.#consume(again ? sent : sent + 1);
  }

  /** Whom the batch's datagram with this number is for. */
  #endpointOf(datagram: number): InetAddress {
    let left = datagram + this.#done;
    for (let i = 0; i < this.#frames; i++) {
      if (left < this.#ends[i]!) return this.#to[i]?.endpoint ?? this.#socket.endpoint!;
      left -= this.#ends[i]!;
    }
    return this.#socket.endpoint!;
  }

  /** Takes so many of the batch's datagrams off the ring; how many bytes that was. */
  #consume(datagrams: number): number {
    let end = this.#done + datagrams;
    let bytes = 0;
    let i = 0;
    for (; i < this.#frames && end >= this.#counts[i]!; i++) {
      end -= this.#counts[i]!;
      const head = FRAME_HEADER_BYTES + this.#headBytes;
      this.#stream.moved(Direction.TO_HOST, this.#offsetAt(bytes + head), this.#bytes[i]! - head);
      bytes += this.#bytes[i]!;
    }
    this.#done = end;
    if (bytes > 0) this.#advance(bytes);
    return bytes;
  }

  #advance(bytes: number): void {
    if (this.#stream.pipe.toHost.advance(bytes)) this.#stream.signal();
  }
}

function malformed(clause: string, what: string): ProtocolError {
  return new ProtocolError(Violation.FRAME_MALFORMED, clause, what);
}
