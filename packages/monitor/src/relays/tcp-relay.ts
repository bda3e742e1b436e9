// A connected socket, of TCP or a Unix stream, and a pipe: bytes go from the ring straight to send() and from recv()
// straight into the ring; where somebody follows the stream by way of a copy, which is what they are told.
//
//   out: guest -> peer   FLOW ─ END and empty ─▶ SHUT (FIN sent)
//                          └─── the peer is gone ─▶ GONE (toHost closed: the guest's writer learns of it at once)
//   in:  peer -> guest   FLOW ─ recv gives 0  ─▶ SHUT (END set)
//                          └─── recv fails    ─▶ BROKEN ─ the guest has read all ─▶ RESET
//   Out over and in SHUT: the stream ends. RESET by the guest: both ways at once (TCP-4).
//
// A peer that breaks the connection takes nothing back: the kernel still holds what came before its RST, and as a
// direct client reads those bytes and then ECONNRESET, so does the guest. Its FIN stays its FIN, whatever follows: END
// is never made RESET. A pending error is told once, by send() or by recv(); #errorTaken remembers that send() had it.
//
// Until the guest's END is sent as a FIN, closing the socket sends a RST: also where the process ends by a signal, or
// is killed, no peer takes what it has for all there is.
//
// The socket is watched edge-triggered, once, for everything; #sendable and #receivable remember the edges. They are
// cleared only by EAGAIN or a short count, so no edge is missed; bytes wait in the ring or in the kernel, nowhere else.
// A recv() that comes to an urgent byte (MSG_OOB) ends there, with more behind it: from the first of them on, which
// epoll announces, a short count says nothing. The urgent byte itself is left out, as for a program that does not ask.
// How many in the kernel, #loan says; who may send no more for now asks again after a while, since no event tells what
// was acknowledged. Where the policy limits rates, what goes on is asked for first (guests/network-budget.ts): at its
// rate it waits in the ring, or in the kernel, until the stream is run; with its bytes used up it is reset (LIM-3).
//
// A Unix stream is the same with three differences. It has no RST: closing it with bytes unread is one, and without any
// its peer sees an end. A short recv() does not say that it is empty: one ends where a descriptor came along, which the
// kernel closes. And what the peer has not read stays in the kernel whatever happens to this end: partings.ts waits.
//
// Where the guest has nothing more to send, it signals what comes (RING-9): #outRests. Until then an event that tells
// of bytes from the peer alone is no reason to look at what the guest sends.

import { Closed, IO_MAX_BYTES } from "@ringway/control";
import {
  closeFd,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  Errno,
  inq,
  recv,
  send,
  setKeepAlive,
  setLingerZero,
  shutdownBoth,
  shutdownWrite,
} from "@ringway/linux";
import { SHARE_BYTES } from "../accounts/socket-budget.ts";
import { USED_UP } from "../guests/network-budget.ts";
import type { Relay } from "../guests/relay.ts";
import { Direction, type Stream } from "../guests/stream.ts";
import type { EventSource } from "../reactor/reactor.ts";
import type { Timer } from "../reactor/timers.ts";
import type { RelayHost } from "./host.ts";
import { PIECE_COST_BYTES } from "./piece-cost.ts";
import { SocketLoan, UNIX_PIECE_BYTES } from "./socket-loan.ts";
import { KEEP_ALIVE } from "./tcp-sockets.ts";

export const TCP_EVENTS: number = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;

/** Bytes moved each way in one step before others get their turn. */
const BUDGET_BYTES = 1024 * 1024;
/** From here on a piece is worth a ring of its own: the guest gets to work while this thread goes on. */
const RING_AT_ONCE_BYTES = 32 * 1024;
/** What to wait for on a full ring: a good part of it, so that bulk moves in few large pieces (RING-9). */
const WANT_SPACE_SHARE = 4;

/** How long until a socket that may send no more for now is asked what was acknowledged: at first, and at most. */
const ASK_MS_MIN = 1;
const ASK_MS_MAX = 200;

export class TcpRelay implements Relay, EventSource {
  readonly transfers = true;
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #fd: number;
  readonly #slot: number;
  #sendable = true;
  #receivable: boolean;
  /** The guest signals what it sends next. */
  #outRests = false;
  /** The next step is for bytes of the peer's, and nothing else. */
  #onlyIn = false;
  /** The peer's FIN, an error or urgent data was announced: a short recv() is not the end of what there is to know. */
  #shortIsNoEnd = false;
  /** The connection is no more, both ways; what it had brought can still be received. */
  #gone = false;
  #errorTaken: boolean;
  /** FIN was sent. */
  #outShut = false;
  /** Nothing goes out any more: #outShut, or toHost is closed. */
  #outOver = false;
  #inShut = false;
  #inBroken = false;
  #disposed = false;
  readonly #loan: SocketLoan;
  /** When to ask #loan again, after it has allowed nothing. */
  #asking: Timer | undefined;
  #askMs = ASK_MS_MIN;

  /**
   * Takes over `fd`, connected and non-blocking, and the slot at which it is watched for TCP_EVENTS; without one it is
   * watched now. Throws SystemError (ENOSPC, ENOMEM) where it cannot be; `fd` then stays the caller's. At a slot,
   * onEvents() is to be told what has happened so far; `errorTaken`: the peer has broken it already, and the caller has
   * taken the error.
   *
   * The caller has it linger for no time, and send what is small at once.
   */
  constructor(host: RelayHost, stream: Stream, fd: number, slot?: number, errorTaken = false, isTcp = true) {
    const { reactor } = host;
    this.#host = host;
    this.#stream = stream;
    this.#fd = fd;
    this.#errorTaken = errorTaken;
    this.#receivable = slot === undefined;
    this.#slot = slot ?? reactor.watch(fd, TCP_EVENTS, this);
    if (slot !== undefined) reactor.rewire(slot, this);
    this.#loan = new SocketLoan(fd, stream.guest.account, this.#limitBytes(), isTcp);
  }

  onEvents(events: number): void {
    if ((events & EPOLLOUT) !== 0) this.#sendable = true;
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) !== 0) this.#receivable = true;
    if ((events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) !== 0) this.#shortIsNoEnd = true;
    if ((events & EPOLLHUP) !== 0) this.#gone = true;
    this.#onlyIn = this.#outRests && !this.#shortIsNoEnd;
    this.#stream.run();
    // It may have to wait for its turn, and then more may have happened.
    this.#onlyIn = false;
  }

  step(): boolean {
    if (this.#onlyIn) {
      this.#onlyIn = false;
      const more = this.#stepIn();
      if (!this.#inShut && !this.#inBroken) return more;
    }
    const { toHost, toGuest } = this.#stream.pipe;
    if ((this.#outOver || this.#gone) && toHost.peerClosed() === Closed.RESET) {
      this.#reset();
      return false;
    }
    if (this.#gone && !this.#outOver) this.#closeOut();
    const outMore = this.#outOver ? false : this.#stepOut();
    if (this.#disposed) return false;
    const inMore = this.#inShut || this.#inBroken ? false : this.#stepIn();
    if (this.#disposed) return false;
    // As nearly always: neither way is over.
    if (!this.#outOver && !this.#gone && !this.#inBroken) return outMore || inMore;
    const dropping = this.#dropping();
    if (this.#inBroken || (this.#gone && dropping && !this.#inShut)) {
      if (dropping || toGuest.wantSpace(toGuest.capacity)) this.#reset();
      return false;
    }
    // With its FIN sent, a guest that reads no more is a program that has called close(): the kernel sees to the rest.
    if (this.#outOver && (this.#inShut || dropping)) {
      this.#stream.end();
      return false;
    }
    return outMore || inMore;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { reactor, keepAlives, partings } = this.#host;
    reactor.cancel(this.#asking);
    keepAlives.delete(this.#fd);
    const { streams } = this.#stream.guest.policy.policy.limits;
    if (!this.#loan.isTcp) {
      this.#partUnix(streams);
      return;
    }
    if (this.#gone) {
      reactor.unwatch(this.#slot);
      closeFd(this.#fd);
      this.#loan.end();
      return;
    }
    // Without a FIN, the peer must not take what it has for all there is.
    const how = this.#outShut ? "end" : "reset";
    partings.add(this.#fd, this.#slot, how, this.#loan, streams);
  }

  /** As close(2) does it: with bytes unread, the peer is to see that. */
  #partUnix(streams: number): void {
    if (this.#outShut || inq(this.#fd) === 0) {
      shutdownBoth(this.#fd);
      this.#host.partings.add(this.#fd, this.#slot, "unread", this.#loan, streams);
      return;
    }
    this.#host.reactor.unwatch(this.#slot);
    closeFd(this.#fd);
    this.#loan.end();
  }

  keepAlive(): void {
    this.#stream.perform(() => {
      if (!this.#disposed) setKeepAlive(this.#fd, ...KEEP_ALIVE);
    });
  }

  /** Guest to peer. True: the budget is used. */
  #stepOut(): boolean {
    const stream = this.#stream;
    const { toHost } = stream.pipe;
    const loan = this.#loan;
    const { network } = stream.guest.budget;
    let budget = BUDGET_BYTES;
    this.#outRests = false;
    for (;;) {
      const closed = toHost.peerClosed();
      if (closed === Closed.RESET) {
        this.#reset();
        return false;
      }
      const readable = toHost.readable();
      if (readable === 0) {
        if (closed === Closed.END) {
          this.#shutOut();
          return false;
        }
        if (!toHost.wantsData && toHost.wantData()) continue;
        this.#outRests = true;
        return false;
      }
      if (!this.#sendable) {
        toHost.unwantData();
        return false;
      }
      if (budget <= 0) return true;
      let length = this.#paced(toHost.spanBytes(readable));
      if (length > 0 && loan.unackedBytes + length > loan.allowedBytes) {
        length = this.#asking === undefined ? loan.allow(length, this.#limitBytes()) : 0;
        if (length === 0) this.#askAgain();
        else this.#askMs = ASK_MS_MIN;
      }
      if (length === 0) {
        toHost.unwantData();
        return false;
      }
      if (network.limited) {
        length = network.takeBytes(Direction.TO_HOST, length, stream);
        if (length <= 0) {
          toHost.unwantData();
          if (length === USED_UP) this.#reset();
          return false;
        }
      }
      const offset = toHost.spanOffset();
      // All that there is, and whatever comes is signalled: want-data was set before the ring was looked at (RING-9).
      const isLast = length === readable && closed === Closed.OPEN && toHost.wantsData;
      const sent = this.#send(offset, length);
      if (network.limited && sent < length)
        network.giveBytes(Direction.TO_HOST, length - Math.max(0, sent), stream);
      if (sent < 0) {
        if (sent === -Errno.EAGAIN) {
          this.#sendable = false;
          continue;
        }
        // EPIPE: the error was told before, or there was a FIN before the RST. recv() knows.
        if (sent !== -Errno.EPIPE) this.#errorTaken = true;
        this.#gone = true;
        this.#closeOut();
        return false;
      }
      budget -= Math.max(sent, PIECE_COST_BYTES);
      loan.unackedBytes += loan.isTcp ? sent : sent + UNIX_PIECE_BYTES;
      if (sent < length) this.#sendable = false;
      stream.moved(Direction.TO_HOST, offset, sent);
      if (toHost.advance(sent)) this.#signal(sent);
      if (isLast && sent === length && sent < RING_AT_ONCE_BYTES) {
        this.#outRests = true;
        return false;
      }
    }
  }

  /** No more than those who follow the stream have room for; 0: it stands still until they have. */
  #paced(length: number): number {
    const { tap } = this.#stream;
    return tap === undefined ? length : tap.room(length);
  }

  /** The next bytes of the ring, which lie there. Who is followed sends a copy, which is what is told. */
  #send(offset: number, length: number): number {
    const { tap, guest, pipe } = this.#stream;
    if (tap === undefined) return send(this.#fd, guest.memory.address + offset, length);
    const { staging } = tap;
    const bytes = staging.bytes.subarray(0, length);
    pipe.toHost.copy(bytes);
    const sent = send(this.#fd, staging.address, length);
    if (sent > 0) tap.took(Direction.TO_HOST, bytes.subarray(0, sent));
    return sent;
  }

  /** To where the ring has room. Of who is followed a copy is told, and put there. */
  #receive(offset: number, length: number): number {
    const { tap, guest, pipe } = this.#stream;
    if (tap === undefined) return recv(this.#fd, guest.memory.address + offset, length);
    const { staging } = tap;
    const got = recv(this.#fd, staging.address, length);
    if (got <= 0) return got;
    const bytes = staging.bytes.subarray(0, got);
    tap.took(Direction.TO_GUEST, bytes);
    pipe.toGuest.put(bytes);
    return got;
  }

  #limitBytes(): number {
    return this.#stream.guest.policy.policy.limits.socketBytes;
  }

  #askAgain(): void {
    if (this.#asking !== undefined) return;
    this.#asking = this.#host.reactor.after(this.#askMs, () => {
      this.#asking = undefined;
      this.#stream.run();
    });
    this.#askMs = Math.min(2 * this.#askMs, ASK_MS_MAX);
  }

  #shutOut(): void {
    this.#outShut = true;
    this.#outOver = true;
    if (this.#loan.isTcp) setLingerZero(this.#fd, false);
    // Both ways are over then, and closing it sends the FIN.
    if (this.#inShut && this.#loan.unackedBytes <= SHARE_BYTES) return;
    // ENOTCONN: the peer is gone, which recv() tells.
    shutdownWrite(this.#fd);
  }

  /** The peer takes no more: the guest's next write fails, while it still reads (RING-7). */
  #closeOut(): void {
    this.#outOver = true;
    this.#receivable = true;
    this.#shortIsNoEnd = true;
    this.#stream.pipe.toHost.close();
    this.#stream.signal();
  }

  /** Does nobody read what the peer sends (TCP-5)? */
  #dropping(): boolean {
    return this.#stream.pipe.toGuest.abandoned() || this.#stream.guest.departed;
  }

  /** Peer to guest. True: the budget is used. */
  #stepIn(): boolean {
    const stream = this.#stream;
    const { toGuest } = stream.pipe;
    const loan = this.#loan;
    const { network } = stream.guest.budget;
    let budget = BUDGET_BYTES;
    while (this.#receivable) {
      if (budget <= 0) return true;
      let offset = 0;
      // Of what the guest no longer reads (TCP-5).
      let length = IO_MAX_BYTES;
      const dropping = this.#dropping();
      if (!dropping) {
        const writable = toGuest.writable();
        if (writable === 0) {
          if (toGuest.wantSpace(toGuest.capacity / WANT_SPACE_SHARE)) continue;
          loan.stalled(this.#limitBytes());
          return false;
        }
        toGuest.unwantSpace();
        offset = toGuest.spanOffset();
        length = this.#paced(toGuest.spanBytes(writable));
        if (length === 0) {
          loan.stalled(this.#limitBytes());
          return false;
        }
      }
      if (network.limited) {
        length = network.takeBytes(Direction.TO_GUEST, length, stream);
        if (length <= 0) {
          // As behind a full ring: what comes meanwhile stays in the kernel.
          loan.stalled(this.#limitBytes());
          if (length === USED_UP) this.#reset();
          return false;
        }
      }
      const got = dropping
        ? recv(this.#fd, this.#host.scratch.address, length)
        : this.#receive(offset, length);
      if (network.limited && got < length)
        network.giveBytes(Direction.TO_GUEST, length - Math.max(0, got), stream);
      if (got > 0) {
        budget -= Math.max(got, PIECE_COST_BYTES);
        if (got < length && loan.isTcp && !this.#shortIsNoEnd) this.#receivable = false;
        if (dropping) continue;
        loan.received(got, this.#limitBytes());
        stream.moved(Direction.TO_GUEST, offset, got);
        if (toGuest.advance(got)) this.#signal(got);
      } else if (got === 0 && !this.#errorTaken) {
        this.#inShut = true;
        toGuest.end();
        stream.signal();
        return false;
      } else if (got === -Errno.EAGAIN && !this.#gone) {
        this.#receivable = false;
      } else {
        this.#inBroken = true;
        this.#gone = true;
        if (!this.#outOver) this.#closeOut();
        return false;
      }
    }
    return false;
  }

  #signal(bytes: number): void {
    if (bytes >= RING_AT_ONCE_BYTES) this.#stream.signalNow();
    else this.#stream.signal();
  }

  /** The guest gets ECONNRESET, the peer, if it is still there, a RST. */
  #reset(): void {
    this.#outShut = false;
    this.#stream.reset();
  }
}
