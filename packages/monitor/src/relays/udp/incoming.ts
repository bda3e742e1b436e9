// Peers to guest: datagrams from recvmmsg() into the ring, as many at a time as it has room for.
//
//   TAKING ── the ring is full ──▶ WAITING ── the guest has read ──▶ TAKING      what comes waits in the kernel
// (UDP-10)
//      └── the guest is at a rate ──▶ WAITING ── its stream is run ──▶ TAKING      (LIM-2)
//
// How large the next datagram is nobody knows before it is taken. So no more are taken than fit if they are as large as
// those lately; what does not fit all the same is kept here, in order, KEPT_BYTES_MAX at the most, and what is past
// that is lost. So is what the kernel drops, and one that never fits. Loss is told before the datagram that came after
// it.
//
// Nor what the next one adds to a rate: where there is one no more are taken than it has room for at their largest, and
// one at least, which is owed.
//
// Invariant: while anything is kept, nothing is taken from the kernel.

import { performance } from "node:perf_hooks";
import { encodeFrame, FRAME_HEADER_BYTES, UDP_TRAIN_MAX, udpMessages } from "@ringway/control";
import { type DatagramInbox, droppedDatagrams, Errno, errnoMessage } from "@ringway/linux";
import { type NetworkBudget, USED_UP } from "../../guests/network-budget.ts";
import { Direction, type Stream } from "../../guests/stream.ts";
import { refusal } from "../../policy/refusal.ts";
import { Counter } from "../../reactor/counters.ts";
import type { RelayHost } from "../host.ts";
import { type Answers, LOST_BYTES } from "./answers.ts";
import type { Peer, Peers } from "./peers.ts";
import type { UdpSocket } from "./socket.ts";
import { tellDatagrams } from "./told.ts";

const { UdpReceived, UdpReceivedFrom } = udpMessages;

/**
 * Bytes given in one step before others get their turn. A message of the kernel's, which may be a train, counts as some
 * of them, however small.
 */
const BUDGET_BYTES = 1024 * 1024;
const MESSAGE_COST_BYTES = 2048;
/** One of the largest, and what a few small ones take. */
const KEPT_BYTES_MAX = 128 * 1024;
/** What the first datagram is taken for. */
const FIRST_GUESS_BYTES = 2048;
/** From here on bytes are worth a ring of their own: the guest gets to work while this thread goes on. */
const RING_AT_ONCE_BYTES = 32 * 1024;
/** What to wait for on a full ring: a good part of it. */
const WANT_SPACE_SHARE = 4;
/** As large as the kernel makes a train, or more. */
const TRAIN_MAX_BYTES = 64 * 1024;
/** Of who is followed, messages taken at once: those who follow have room for as many of the largest. */
const FOLLOWED_MAX = 3;

export class Incoming {
  receivable = true;
  /** An error was announced: a short count is not the end of what there is to know. */
  failed = false;
  /** The guest is at a rate, or a follower that paces has no room. */
  waits = false;
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #socket: UdpSocket;
  readonly #answers: Answers;
  readonly #peers: Peers | undefined;
  readonly #headBytes: number;
  /** Of those lately, the largest frame. */
  #guessBytes = FIRST_GUESS_BYTES;
  #kept: { readonly frame: Uint8Array; readonly peer: Peer | undefined }[] = [];
  #keptBytes = 0;
  /** How many the kernel has dropped, as far as it is counted. */
  #drops = 0;
  /** Datagrams waited in the kernel: it may have dropped some, and nothing may come after them. */
  #waited = false;

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
    this.#headBytes = peers === undefined ? 4 : 28;
  }

  /** True: the budget is used. */
  step(nowMs: number): boolean {
    const { toGuest } = this.#stream.pipe;
    const { inbox } = this.#host.datagrams;
    const { network } = this.#stream.guest.budget;
    let budget = BUDGET_BYTES;
    if (!this.#flushKept()) return false;
    while (this.receivable) {
      if (toGuest.abandoned()) return false;
      if (budget <= 0) return true;
      const each = this.#guessBytes + LOST_BYTES;
      const writable = toGuest.writable();
      if (writable < Math.min(each, toGuest.capacity)) {
        this.#waited = true;
        const wanted = Math.max(each, toGuest.capacity / WANT_SPACE_SHARE);
        if (toGuest.wantSpace(Math.min(wanted, toGuest.capacity))) continue;
        return false;
      }
      toGuest.unwantSpace();
      let most = Math.max(1, Math.min(inbox.capacity, Math.floor(writable / each)));
      if (network.limited || this.waits) {
        most = Math.min(most, this.#mayTake(network));
        if (most === 0) return false;
      }
      const { tap } = this.#stream;
      if (tap !== undefined) {
        most = Math.min(most, FOLLOWED_MAX);
        if (tap.room(FOLLOWED_MAX * TRAIN_MAX_BYTES) === 0) {
          // Not idle: what comes waits in the kernel, which drops what is past its room.
          this.waits = true;
          this.#waited = true;
          return false;
        }
      }
      const count = inbox.receive(this.#socket.fd, most);
      if (count < 0) {
        budget -= MESSAGE_COST_BYTES;
        this.#nothing(-count);
      } else budget -= this.#take(inbox, count, most, nowMs);
      // What was kept meanwhile waits for its room as well.
      if (!this.#answers.flush() || !this.#flushKept()) return false;
    }
    return false;
  }

  /** Of the kernel's messages, by the rates and the budget of bytes of the guest: each is a train at its largest. */
  #mayTake(network: NetworkBudget): number {
    const bytes = network.roomForWhole(Direction.TO_GUEST, this.#stream);
    const datagrams = bytes > 0 ? network.roomForDatagrams(this.#stream) : 0;
    this.waits = datagrams === 0;
    // Taken a few at a time, a queue that is full does not show: what the kernel has dropped is always asked for.
    this.#waited = true;
    if (bytes === USED_UP) this.#socket.usedUp();
    if (this.waits) return 0;
    return Math.max(1, Math.floor(Math.min(bytes / TRAIN_MAX_BYTES, datagrams / UDP_TRAIN_MAX)));
  }

  /** The kernel has given none. */
  #nothing(errno: number): void {
    if (errno === Errno.EAGAIN) {
      this.receivable = false;
      this.failed = false;
      if (this.#waited) this.#countDrops();
      this.#waited = false;
      return;
    }
    const { endpoint } = this.#socket;
    const reason = `${this.#socket.describe(endpoint)}: ${errnoMessage(errno)}`;
    if (endpoint !== undefined) this.#answers.error(endpoint, refusal(errno, reason));
  }

  #countDrops(): void {
    const drops = droppedDatagrams(this.#socket.fd);
    if (drops >= 0) this.#dropped(drops);
  }

  /** Returns what it costs. */
  #take(inbox: DatagramInbox, count: number, most: number, nowMs: number): number {
    // After a wait the kernel is asked until it has none: then what it has dropped is counted.
    if (count < most && !this.failed && !this.#waited) this.receivable = false;
    else this.#waited ||= count === inbox.capacity;
    let cost = 0;
    let largest = 0;
    for (let i = 0; i < count; i++) {
      // No answer of the kernel's where it has dropped none.
      if (inbox.drops[i] !== 0) this.#dropped(inbox.drops[i]!);
      const bytes = inbox.length(i);
      cost += bytes + MESSAGE_COST_BYTES;
      largest = Math.max(largest, bytes);
      const peer = this.#peerOf(inbox, i, nowMs);
      if (peer !== false) this.#give(inbox, i, bytes, peer);
    }
    this.#guessBytes = Math.max(largest + FRAME_HEADER_BYTES + this.#headBytes, this.#guessBytes >>> 1, 64);
    this.#socket.received(cost, nowMs);
    if (cost >= RING_AT_ONCE_BYTES) this.#stream.signalNow();
    return cost;
  }

  /** `drops`: how many the kernel has dropped since the socket was made. */
  #dropped(drops: number): void {
    const lost = (drops - this.#drops) >>> 0;
    // An older count may come with a datagram that waited: nothing goes back.
    if (lost === 0 || lost >= 2 ** 31) return;
    this.#drops = drops;
    this.#lost(lost);
  }

  #lost(datagrams: number): void {
    this.#answers.lost(datagrams);
    this.#host.counters.add(Counter.datagramsLost, datagrams);
  }

  /** Who has sent; false: a client's own socket hears those alone that it has sent to (UDP-3). */
  #peerOf(inbox: DatagramInbox, i: number, nowMs: number): Peer | undefined | false {
    const peers = this.#peers;
    if (peers === undefined) return undefined;
    const port = inbox.port(i);
    const a = inbox.addressWord(i, 0);
    const isFour = this.#socket.family === 4;
    const b = isFour ? 0 : inbox.addressWord(i, 1);
    const c = isFour ? 0 : inbox.addressWord(i, 2);
    const d = isFour ? 0 : inbox.addressWord(i, 3);
    const peer = this.#socket.isOwn ? peers.find(port, a, b, c, d) : peers.know(port, a, b, c, d);
    if (peer === undefined || (this.#socket.isOwn && !peers.isAwaited(peer, nowMs))) return false;
    return peer;
  }

  /** One message of the kernel's: a datagram, or a train, which may have to be more than one. */
  #give(inbox: DatagramInbox, i: number, bytes: number, peer: Peer | undefined): void {
    const segment = inbox.segments[i]!;
    if (segment === 0 || bytes <= segment) {
      this.#put(inbox, i, 0, 0, bytes, 1, peer);
      return;
    }
    const most = segment * UDP_TRAIN_MAX;
    for (let from = 0; from < bytes; from += most) {
      const part = Math.min(most, bytes - from);
      const count = Math.ceil(part / segment);
      this.#put(inbox, i, count === 1 ? 0 : segment, from, part, count, peer);
    }
  }

  #put(
    inbox: DatagramInbox,
    i: number,
    segment: number,
    from: number,
    bytes: number,
    datagrams: number,
    peer: Peer | undefined,
  ): void {
    const { toGuest } = this.#stream.pipe;
    const head = FRAME_HEADER_BYTES + this.#headBytes;
    const whole = head + bytes;
    if (whole > toGuest.capacity) {
      this.#lost(datagrams);
      return;
    }
    const fits = this.#kept.length === 0 && this.#answers.flush() && toGuest.writable() >= whole;
    if (!fits && this.#keptBytes + whole > KEPT_BYTES_MAX) {
      this.#lost(datagrams);
      return;
    }
    const { network } = this.#stream.guest.budget;
    if (network.limited) network.spent(Direction.TO_GUEST, bytes, this.#stream, datagrams);
    this.#host.counters.add(Counter.datagramsToGuest, datagrams);
    const start = inbox.dataOffset(i) + from;
    const data = inbox.data.subarray(start, start + bytes);
    if (this.#stream.tap !== undefined)
      tellDatagrams(this.#stream.tap, Direction.TO_GUEST, data, segment, peer?.endpoint);
    if (fits) {
      this.#putHead(inbox, i, segment, bytes);
      toGuest.put(data, head);
      this.#published(whole, peer);
      return;
    }
    this.#kept.push({ frame: this.#encode(inbox, i, segment, data), peer });
    this.#keptBytes += whole;
  }

  #putHead(inbox: DatagramInbox, i: number, segment: number, bytes: number): void {
    const { toGuest } = this.#stream.pipe;
    toGuest.putU32(this.#headBytes + bytes, 0);
    toGuest.putU32(this.#peers === undefined ? UdpReceived.type : UdpReceivedFrom.type, 4);
    toGuest.putU32(0, 8);
    toGuest.putU32(segment, 12);
    if (this.#peers === undefined) return;
    const isFour = this.#socket.family === 4;
    toGuest.putU32(this.#socket.family, 16);
    toGuest.putU32(inbox.port(i), 20);
    for (let word = 0; word < 4; word++) {
      toGuest.putU32(isFour && word > 0 ? 0 : inbox.addressWord(i, word), 24 + 4 * word);
    }
  }

  /** The frame that #put would put. */
  #encode(inbox: DatagramInbox, i: number, segment: number, data: Uint8Array): Uint8Array {
    if (this.#peers === undefined) {
      return encodeFrame(UdpReceived.type, 0, UdpReceived.encode({ segment, data }));
    }
    const words = [0, 1, 2, 3].slice(0, this.#socket.family === 4 ? 1 : 4);
    const address = new Uint8Array(Uint32Array.from(words, (word) => inbox.addressWord(i, word)).buffer);
    const peer = { family: this.#socket.family, port: inbox.port(i), address };
    return encodeFrame(UdpReceivedFrom.type, 0, UdpReceivedFrom.encode({ segment, peer, data }));
  }

  #published(whole: number, peer: Peer | undefined): void {
    // Whom the guest has heard it may answer (UDP-7).
    if (peer !== undefined) peer.heardMs = performance.now();
    const { toGuest } = this.#stream.pipe;
    const head = FRAME_HEADER_BYTES + this.#headBytes;
    const isAround = head >= toGuest.spanBytes(toGuest.capacity);
    const offset = toGuest.spanOffset() + head - (isAround ? toGuest.capacity : 0);
    this.#stream.moved(Direction.TO_GUEST, offset, whole - head);
    if (toGuest.advance(whole)) this.#stream.signal();
  }

  /** Puts what is kept. False: there is no room for all of it yet. */
  #flushKept(): boolean {
    const { toGuest } = this.#stream.pipe;
    while (this.#kept.length > 0) {
      const { frame, peer } = this.#kept[0]!;
      if (toGuest.abandoned()) {
        this.#kept = [];
        this.#keptBytes = 0;
        return true;
      }
      if (toGuest.writable() < frame.length) {
        this.#waited = true;
        if (toGuest.wantSpace(frame.length)) continue;
        return false;
      }
      toGuest.put(frame);
      this.#published(frame.length, peer);
      this.#kept.shift();
      this.#keptBytes -= frame.length;
    }
    return true;
  }
}
