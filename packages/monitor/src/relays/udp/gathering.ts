// What lies at the front of a guest's ring of datagrams: those go into the thread's batch, straight from where they
// are, as many as it takes. Where somebody follows the stream they go from a copy (staged.ts).
//
// Invariant: of the first frame in the ring #done datagrams are sent, of all others none.

import {
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
import { type DatagramBatch, Errno } from "@ringway/linux";
import type { Stream } from "../../guests/stream.ts";
import { denial, refusal } from "../../policy/refusal.ts";
import type { RelayHost } from "../host.ts";
import type { Answers } from "./answers.ts";
import type { BatchFrames } from "./frames.ts";
import type { Peer, Peers } from "./peers.ts";
import { nobody, type UdpSocket } from "./socket.ts";
import { StagedDatagrams } from "./staged.ts";

const { UdpSend, UdpSendTo, datagramsOf } = udpMessages;

/** Above all sizes. */
const ANY_SIZE = 0x10000;
/** Before the datagrams of a frame: their size, and where they go. */
const SEGMENT_BYTES = 4;
const ADDRESS_BYTES = 24;
const SINGLE_HEAD_BYTES: number = FRAME_HEADER_BYTES + SEGMENT_BYTES;
/** Of a ring, what a batch takes at the most, but for small ones: the guest fills the rest meanwhile. */
const BATCH_SHARE = 4;
const BATCH_BYTES_MIN: number = 32 * 1024;

/** What lies at the front of the ring. */
export const Front = {
  /** No whole frame. */
  PART: 0,
  /** A request. */
  REQUEST: 1,
  /** Datagrams that do not go: they were told of, and are taken. */
  PASSED: 2,
  /** Datagrams, which the batch has. */
  DATAGRAMS: 3,
} as const;
export type Front = (typeof Front)[keyof typeof Front];

export class Gathering {
  /** Datagrams below this size may go as one message. */
  joinBytes: number = ANY_SIZE;
  /** How many datagrams a batch may have, and how many bytes: as many datagrams as begin within them. */
  mostDatagrams: number;
  mostBytes: number = Number.POSITIVE_INFINITY;
  readonly #stream: Stream;
  readonly #socket: UdpSocket;
  readonly #answers: Answers;
  readonly #peers: Peers | undefined;
  readonly #batch: DatagramBatch;
  readonly #frames: BatchFrames;
  readonly #type: number;
  /** Of a payload, what comes before the datagrams. */
  readonly #headBytes: number;
  readonly #maxPayload: number;
  /** The largest datagram that can be sent. */
  readonly #mostSize: number;
  readonly #batchBytes: number;
  /** Of this batch, so many bytes are left. */
  #mayAdd = 0;
  #done = 0;
  /** Of a stream that somebody follows, what the batch has. */
  readonly #staged: StagedDatagrams = new StagedDatagrams();

  /** `peers`: those of a bound socket. */
  constructor(
    host: RelayHost,
    stream: Stream,
    socket: UdpSocket,
    answers: Answers,
    peers: Peers | undefined,
  ) {
    this.#stream = stream;
    this.#socket = socket;
    this.#answers = answers;
    this.#peers = peers;
    this.#batch = host.datagrams.batch;
    this.#frames = host.datagrams.frames;
    this.#type = peers === undefined ? UdpSend.type : UdpSendTo.type;
    this.#headBytes = peers === undefined ? SEGMENT_BYTES : SEGMENT_BYTES + ADDRESS_BYTES;
    this.#maxPayload = maxPayload(stream.pipe.toHost.capacity);
    this.#mostSize = socket.family === 4 ? UDP_IPV4_MAX_BYTES : UDP_IPV6_MAX_BYTES;
    this.#batchBytes = Math.max(stream.pipe.toHost.capacity / BATCH_SHARE, BATCH_BYTES_MIN);
    this.mostDatagrams = this.#batch.capacity;
  }

  /** What is at the front of the ring; datagrams are in the batch then, as many as it takes. */
  gather(readable: number, nowMs: number): Front {
    const batch = this.#batch;
    const frames = this.#frames;
    const { toHost } = this.#stream.pipe;
    batch.begin();
    frames.begin();
    this.#staged.begin();
    this.#mayAdd = Math.min(this.mostBytes, this.#batchBytes);
    let at = this.#peers === undefined && this.#done === 0 ? this.#gatherSingles(readable) : 0;
    while (batch.added < this.mostDatagrams && this.#mayAdd > 0) {
      const whole = this.#wholeFrame(at, readable);
      if (whole === 0) return frames.count > 0 ? Front.DATAGRAMS : Front.PART;
      if (toHost.u32(at + 4) !== this.#type) return frames.count > 0 ? Front.DATAGRAMS : Front.REQUEST;
      const bytes = whole - FRAME_HEADER_BYTES - this.#headBytes;
      if (bytes < 0) throw malformed("FRM-6", "payload is too short");
      const segment = toHost.u32(at + FRAME_HEADER_BYTES);
      const peer = this.#peerAt(at + FRAME_HEADER_BYTES + 4);
      const bad = this.#mistake(segment, bytes, peer, nowMs);
      if (bad !== undefined) {
        // Looked at again when it is the first: those before it may have to stay.
        if (frames.count > 0) return Front.DATAGRAMS;
        this.#pass(bad, peer, whole);
        return Front.PASSED;
      }
      if (typeof peer === "object") peer.sentMs = nowMs;
      this.#addFrame(at, whole, segment, bytes, peer as Peer | undefined);
      at += whole;
    }
    return Front.DATAGRAMS;
  }

  /**
   * The single datagrams at the front of a connected socket's ring: nobody is looked up or judged for them. Those of
   * one size, one behind the other, go as one run. How many bytes they are; what comes behind them, and all that is
   * wrong, is gather()'s. Hot.
   */
  #gatherSingles(readable: number): number {
    const { toHost } = this.#stream.pipe;
    const mostSize = Math.min(this.#mostSize, this.#maxPayload - SEGMENT_BYTES);
    const toEnd = toHost.spanBytes(toHost.capacity);
    let left = this.mostDatagrams;
    let at = 0;
    while (left > 0 && this.#mayAdd > 0 && readable - at >= SINGLE_HEAD_BYTES) {
      const length = toHost.u32(at);
      const bytes = length - SEGMENT_BYTES;
      const whole = SINGLE_HEAD_BYTES + bytes;
      if (bytes < 0 || bytes > mostSize || readable - at < whole) break;
      if (toHost.u32(at + 4) !== UdpSend.type || toHost.u32(at + FRAME_HEADER_BYTES) !== 0) break;
      // What lies around the ring's end is none of a run.
      const inOne = Math.trunc(((at < toEnd ? Math.min(toEnd, readable) : readable) - at) / whole);
      const most = Math.min(left, inOne, Math.ceil(this.#mayAdd / bytes));
      const frames = 1 + toHost.repeats(at + whole, whole, most - 1, length, UdpSend.type, 0);
      this.#addRun(at, bytes, frames);
      left -= frames;
      at += frames * whole;
    }
    return at;
  }

  #addRun(at: number, bytes: number, frames: number): void {
    const data = at + SINGLE_HEAD_BYTES;
    const offset = this.#offsetAt(data);
    const whole = SINGLE_HEAD_BYTES + bytes;
    if (frames === 1 || this.#stream.tap !== undefined) {
      for (let i = 0; i < frames; i++) this.#add(this.#batch, data + i * whole, bytes, undefined);
    } else {
      const address = this.#stream.guest.memory.address + offset;
      this.#batch.addRun(address, bytes, whole, frames, undefined, this.joinBytes);
    }
    this.#frames.addRun(frames, whole, offset);
    this.#mayAdd -= frames * bytes;
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
    const most = this.#mostSize;
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
    const batch = this.#batch;
    const frames = this.#frames;
    const count = datagramsOf(segment, bytes)!;
    const isFirst = frames.count === 0;
    // The guest may have put another frame in the place of one that was begun.
    if (isFirst && this.#done >= count) this.#done = 0;
    const first = isFirst ? this.#done : 0;
    const most = Math.min(count, first + this.mostDatagrams - batch.added);
    const data = at + whole - bytes;
    let end = first;
    for (; end < most && this.#mayAdd > 0; end++) {
      const from = end * segment;
      const size = segment === 0 ? bytes : Math.min(segment, bytes - from);
      this.#mayAdd -= size;
      this.#add(batch, data + from, size, peer);
    }
    frames.add(whole, this.#offsetAt(data), count, end, peer?.endpoint);
  }

  #add(batch: DatagramBatch, at: number, bytes: number, peer: Peer | undefined): void {
    const { pipe, guest, tap } = this.#stream;
    const { toHost } = pipe;
    if (tap !== undefined) {
      const staged = this.#staged.stage(tap, toHost, at, bytes, peer?.endpoint);
      batch.add(staged, bytes, 0, 0, peer, this.joinBytes);
      return;
    }
    const { address } = guest.memory;
    const toEnd = toHost.spanBytes(toHost.capacity);
    const first = at < toEnd ? Math.min(bytes, toEnd - at) : bytes;
    const around = address + toHost.spanOffset() + toEnd - toHost.capacity;
    batch.add(address + this.#offsetAt(at), first, around, bytes - first, peer, this.joinBytes);
  }

  /** Where in the region the byte is that lies so far behind the first unread one. */
  #offsetAt(at: number): number {
    const { toHost } = this.#stream.pipe;
    const isAround = at >= toHost.spanBytes(toHost.capacity);
    return toHost.spanOffset() + at - (isAround ? toHost.capacity : 0);
  }

  /** Whom the batch's datagram with this number is for. */
  endpointOf(datagram: number): InetAddress {
    return this.#frames.endpointOf(this.#done + datagram) ?? this.#socket.endpoint!;
  }

  /** Who follows the stream is told of so many of the batch's datagrams: those that the kernel has. */
  tell(datagrams: number): void {
    if (this.#stream.tap !== undefined) this.#staged.tell(this.#stream.tap, datagrams);
  }

  /** Takes so many of the batch's datagrams off the ring; how many bytes that was. */
  take(datagrams: number): number {
    const frames = this.#frames;
    const bytes = frames.take(this.#stream, this.#done + datagrams, FRAME_HEADER_BYTES + this.#headBytes);
    this.#done = frames.begun;
    if (bytes > 0) this.#advance(bytes);
    return bytes;
  }

  #advance(bytes: number): void {
    // Who waits for room gets to work while this thread goes on.
    if (this.#stream.pipe.toHost.advance(bytes)) this.#stream.signalNow();
  }
}

function malformed(clause: string, what: string): ProtocolError {
  return new ProtocolError(Violation.FRAME_MALFORMED, clause, what);
}
