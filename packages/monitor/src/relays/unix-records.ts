// A connected Unix socket of type SEQPACKET and a pipe: each record is a frame on the ring (PROTOCOL.md UNX-5).
//
//   out: guest -> peer   FLOW ─ END and empty ─▶ SHUT
//                          └─── the peer is gone ─▶ GONE (toHost closed: the guest's writer learns of it at once)
//   in:  peer -> guest   FLOW ─ no more records ─▶ SHUT (END set)
//                          └─── recv fails      ─▶ BROKEN ─ the guest has read all ─▶ RESET
//   Out over and in SHUT: the stream ends. A record that is too long either way: RESET at once.
//
// As TcpRelay has it, whose edges and loan these are as well. No record waits here: the guest's stays in the ring until
// the kernel has taken it, a record of the peer's in the kernel until the ring has room for all of it. Where the policy
// limits rates it waits in the same places, and with the guest's bytes used up the stream is reset (LIM-2, LIM-3).

import { Closed, FRAME_HEADER_BYTES, unixMessages } from "@ringway/control";
import {
  closeFd,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  Errno,
  inq,
  NO_MORE_RECORDS,
  nextRecordBytes,
  outq,
  receiveRecord,
  SystemError,
  send,
  shutdownBoth,
  shutdownWrite,
  tellRecords,
} from "@ringway/linux";
import { type NetworkBudget, USED_UP } from "../guests/network-budget.ts";
import type { Relay } from "../guests/relay.ts";
import { Direction, type Stream } from "../guests/stream.ts";
import type { EventSource } from "../reactor/reactor.ts";
import type { Timer } from "../reactor/timers.ts";
import type { RelayHost } from "./host.ts";
import { Replies } from "./replies.ts";
import { SocketLoan, UNIX_PIECE_BYTES } from "./socket-loan.ts";
import { TCP_EVENTS } from "./tcp-relay.ts";
import { unknownRequest } from "./unknown.ts";

const { RECORD_MAX_BYTES, UnixReceived, UnixSend } = unixMessages;

/** Moved each way in one step before others get their turn: a record counts as so many bytes at least. */
const BUDGET_BYTES = 1024 * 1024;
const RECORD_COST_BYTES = 4 * 1024;
/** How long until a socket that may send no more for now is asked what its peer has read. */
const ASK_MS = 5;

export class RecordsRelay implements Relay, EventSource {
  readonly transfers = true;
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #signal: () => void;
  readonly #fd: number;
  readonly #slot: number;
  readonly #frames: ReturnType<Stream["frames"]>;
  readonly #writer: ReturnType<Stream["writer"]>;
  /** An Error at the most: what comes behind its request waits for it. */
  readonly #replies: Replies;
  readonly #loan: SocketLoan;
  /** The longest record that its frame has room for. */
  readonly #mostIn: number;
  #asking: Timer | undefined;
  #sendable = true;
  #receivable = true;
  #gone = false;
  #outShut = false;
  #outOver = false;
  #inShut = false;
  #inBroken = false;
  /** The peer went with records unread. The kernel tells it once, and before what the peer had sent. */
  #failed = false;
  #disposed = false;

  /** As TcpRelay's: throws SystemError where `fd` cannot be taken over, and it stays the caller's. */
  constructor(host: RelayHost, stream: Stream, fd: number) {
    this.#host = host;
    this.#stream = stream;
    this.#signal = stream.signaller();
    this.#fd = fd;
    this.#frames = stream.frames();
    this.#writer = stream.writer();
    this.#replies = new Replies(stream);
    this.#mostIn = Math.min(RECORD_MAX_BYTES, stream.pipe.toGuest.capacity - FRAME_HEADER_BYTES);
    const told = tellRecords(fd);
    if (told < 0) throw new SystemError(-told, "setsockopt");
    this.#slot = host.reactor.watch(fd, TCP_EVENTS, this);
    this.#loan = new SocketLoan(fd, stream.guest.account, this.#limitBytes(), false);
  }

  onEvents(events: number): void {
    if ((events & EPOLLOUT) !== 0) this.#sendable = true;
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) !== 0) this.#receivable = true;
    if ((events & EPOLLHUP) !== 0) this.#gone = true;
    this.#stream.run();
  }

  step(): boolean {
    const { toHost, toGuest } = this.#stream.pipe;
    if (toHost.peerClosed() === Closed.RESET) {
      this.#stream.reset();
      return false;
    }
    if (this.#gone && !this.#outOver) this.#closeOut();
    const outMore = this.#outOver ? false : this.#stepOut();
    if (this.#disposed) return false;
    const inMore = this.#inShut || this.#inBroken ? false : this.#stepIn();
    if (this.#disposed) return false;
    const dropping = this.#dropping();
    if (this.#inBroken || (this.#gone && dropping && !this.#inShut)) {
      if (dropping || toGuest.wantSpace(toGuest.capacity)) this.#stream.reset();
      return false;
    }
    if (this.#outOver && (this.#inShut || dropping)) {
      this.#stream.end();
      return false;
    }
    return outMore || inMore;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { reactor, partings } = this.#host;
    reactor.cancel(this.#asking);
    if (this.#outShut || inq(this.#fd) === 0) {
      shutdownBoth(this.#fd);
      const { streams } = this.#stream.guest.policy.policy.limits;
      partings.add(this.#fd, this.#slot, "unread", this.#loan, streams);
      return;
    }
    reactor.unwatch(this.#slot);
    closeFd(this.#fd);
    this.#loan.end();
  }

  #limitBytes(): number {
    return this.#stream.guest.policy.policy.limits.socketBytes;
  }

  /** Does nobody read what the peer sends (TCP-5)? */
  #dropping(): boolean {
    return this.#stream.pipe.toGuest.abandoned() || this.#stream.guest.departed;
  }

  /** Guest to peer. True: the budget is used. */
  #stepOut(): boolean {
    const { toHost } = this.#stream.pipe;
    for (let budget = BUDGET_BYTES; this.#flushReply(); ) {
      if (budget <= 0) return true;
      // Before the ring: what was put before END is there once END is seen (RING-6).
      const closed = toHost.peerClosed();
      const readable = toHost.readable();
      const bytes = this.#frames.nextBytes();
      if (bytes < 0) {
        if (closed === Closed.END) {
          this.#frames.end();
          this.#shutOut();
          return false;
        }
        // A part of a frame stays: only what is new by now is a reason to look again.
        toHost.wantData();
        // Whoever puts it byte by byte uses up the step.
        budget -= RECORD_COST_BYTES;
        if (toHost.readable() !== readable || toHost.peerClosed() !== closed) continue;
        return false;
      }
      if (!this.#take(bytes)) return false;
      budget -= Math.max(bytes, RECORD_COST_BYTES);
    }
    return false;
  }

  /** The next frame. False: it stays, or nothing goes any more. */
  #take(bytes: number): boolean {
    const type = this.#frames.type();
    if (type === UnixSend.type) {
      if (bytes <= RECORD_MAX_BYTES) return this.#send(bytes);
      this.#stream.reset();
      return false;
    }
    this.#replies.fail(this.#frames.requestId(), unknownRequest(type));
    this.#frames.skip(bytes, this.#signal);
    return true;
  }

  /** Gives the kernel the record that the next frame is. False: it does not take it now, or not any more. */
  #send(bytes: number): boolean {
    if (!this.#sendable || this.#asking !== undefined || !this.#mayLend(bytes + UNIX_PIECE_BYTES))
      return false;
    const { network } = this.#stream.guest.budget;
    if (network.limited && !this.#mayGo(network, Direction.TO_HOST)) return false;
    const { tap } = this.#stream;
    if (tap !== undefined && tap.room(Math.max(1, bytes)) === 0) return false;
    const { scratch } = this.#host;
    this.#frames.copy(scratch.bytes.subarray(0, bytes));
    const sent = send(this.#fd, scratch.address, bytes);
    if (network.limited && sent > 0) network.spent(Direction.TO_HOST, sent, this.#stream);
    if (sent >= 0) {
      this.#stream.moved(Direction.TO_HOST, this.#stream.pipe.toHost.spanOffset(), bytes);
      tap?.took(Direction.TO_HOST, scratch.bytes.subarray(0, bytes));
      this.#frames.skip(bytes, this.#signal);
      this.#loan.unackedBytes += sent + UNIX_PIECE_BYTES;
      return true;
    }
    if (sent === -Errno.EAGAIN) this.#sendable = false;
    else if (sent === -Errno.EMSGSIZE) this.#stream.reset();
    else {
      this.#gone = true;
      // EPIPE is no end of what the peer had sent: recv() tells.
      if (sent !== -Errno.EPIPE) this.#failed = true;
      this.#closeOut();
    }
    return false;
  }

  /** By the rate and the budget of bytes of the guest. False: it waits, or the stream is reset. */
  #mayGo(network: NetworkBudget, direction: Direction): boolean {
    const room = network.roomForWhole(direction, this.#stream);
    if (room === USED_UP) this.#stream.reset();
    return room > 0;
  }

  /** A record goes whole: where nothing is under way it always may. */
  #mayLend(bytes: number): boolean {
    const loan = this.#loan;
    if (loan.unackedBytes + bytes <= loan.allowedBytes || loan.allow(bytes, this.#limitBytes()) >= bytes)
      return true;
    if (outq(this.#fd) === 0) return true;
    this.#asking = this.#host.reactor.after(ASK_MS, () => {
      this.#asking = undefined;
      this.#stream.run();
    });
    return false;
  }

  /** Sends the Error that waits. False: there is no room yet. */
  #flushReply(): boolean {
    // Nothing follows END.
    if (this.#inShut) this.#replies.drop();
    return this.#replies.flush();
  }

  #shutOut(): void {
    this.#outShut = true;
    this.#outOver = true;
    // ENOTCONN: the peer is gone, which recv() tells.
    shutdownWrite(this.#fd);
  }

  /** The peer takes no more: the guest's next write fails, while it still reads (RING-7). */
  #closeOut(): void {
    this.#outOver = true;
    this.#receivable = true;
    this.#stream.pipe.toHost.close();
    this.#stream.signal();
  }

  /** Peer to guest. True: the budget is used. */
  #stepIn(): boolean {
    const { toGuest } = this.#stream.pipe;
    const { scratch } = this.#host;
    const { network } = this.#stream.guest.budget;
    for (let budget = BUDGET_BYTES; this.#receivable; ) {
      if (budget <= 0) return true;
      const dropping = this.#dropping();
      // An Error that waits goes first: what it answers came before. Once nothing goes out, only here.
      if (!dropping && !(this.#flushReply() && this.#roomForNext())) return false;
      const tap = dropping ? undefined : this.#stream.tap;
      const isPaced = tap !== undefined && tap.room(this.#mostIn) === 0;
      if (isPaced || (network.limited && !this.#mayGo(network, Direction.TO_GUEST))) {
        // As behind a full ring: what comes meanwhile stays in the kernel.
        if (!this.#disposed) this.#loan.stalled(this.#limitBytes());
        return false;
      }
      const got = receiveRecord(this.#fd, scratch.address, dropping ? RECORD_MAX_BYTES : this.#mostIn);
      if (network.limited && got > 0) network.spent(Direction.TO_GUEST, got, this.#stream);
      if (got >= 0) {
        budget -= Math.max(got, RECORD_COST_BYTES);
        if (dropping) continue;
        this.#loan.received(got, this.#limitBytes());
        this.#stream.moved(Direction.TO_GUEST, toGuest.spanOffset(), got);
        const payload = scratch.bytes.subarray(0, got);
        tap?.took(Direction.TO_GUEST, payload);
        this.#writer.write(UnixReceived.type, 0, payload, this.#signal);
      } else if (got === NO_MORE_RECORDS && !this.#failed) {
        this.#inShut = true;
        toGuest.end();
        this.#stream.signal();
        return false;
      } else if (got === -Errno.EAGAIN) {
        this.#receivable = false;
      } else if (got === -Errno.EMSGSIZE) {
        if (!dropping) {
          this.#stream.reset();
          return false;
        }
        budget -= RECORD_MAX_BYTES;
      } else if (got !== NO_MORE_RECORDS && !this.#failed) {
        this.#failed = true;
      } else {
        this.#inBroken = true;
        this.#gone = true;
        if (!this.#outOver) this.#closeOut();
        return false;
      }
    }
    return false;
  }

  /** Has the ring room for the next record? Where it has not for the longest, the next one's length decides. */
  #roomForNext(): boolean {
    const { toGuest } = this.#stream.pipe;
    for (;;) {
      if (toGuest.writable() >= this.#mostIn + FRAME_HEADER_BYTES) break;
      const next = nextRecordBytes(this.#fd);
      if (next === -Errno.EAGAIN) {
        // One that comes from here on may be longer than the room: it has an event of its own.
        this.#receivable = false;
        return false;
      }
      if (next < 0 && !this.#failed) {
        // Told once, and told here.
        this.#failed = true;
        continue;
      }
      const needed = Math.min(Math.max(next, 0), this.#mostIn) + FRAME_HEADER_BYTES;
      if (toGuest.writable() >= needed) break;
      // Whoever reads no more needs no room.
      if (toGuest.abandoned()) break;
      if (toGuest.wantSpace(needed)) continue;
      this.#loan.stalled(this.#limitBytes());
      return false;
    }
    toGuest.unwantSpace();
    return true;
  }
}
