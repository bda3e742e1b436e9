// What one socket has borrowed of its guest's kernel memory (socket-budget.ts), and how it is held to that.
//
//   sending     send() is given no more than is allowed: `unackedBytes` counts up with each, and is measured (SIOCOUTQ)
//               when it would pass `allowedBytes`; so one that moves bulk is asked once in some MiB. Who has had bytes
//               acknowledged since the last time, or has never borrowed, may borrow as much again; a peer that takes
//               nothing keeps what it has.
//   receiving   while the guest reads, bytes are in the kernel for a moment only. When the ring is full they stay: then
//               what the kernel may take in (SO_RCVBUF, which it raises by itself for one that reads fast) is borrowed,
//               and lowered to what was got. One that was lowered gets more as it goes on reading.
//
// The kernel's own tuning is left alone as long as there is enough: a fixed SO_SNDBUF or SO_RCVBUF would end it for
// good.

import { outq, recvBuffer, setRecvBuffer } from "@ringway/linux";
import type { Account } from "../accounts/accounts.ts";
import { type Borrower, SHARE_BYTES, type SocketBudget } from "../accounts/socket-budget.ts";

/**
 * Half as much again as the kernel's own bound of a send buffer (tcp_wmem): then a full buffer is what stops a stream
 * of bulk, of whose end there is an event, and never this.
 */
const SEND_BYTES_MAX = 6 * 1024 * 1024;
/** What the kernel gives a new socket to receive (tcp_rmem), in round figures. */
const FRESH_RECEIVE_BYTES = 128 * 1024;

/**
 * What the kernel charges a Unix socket for each piece sent, beside its bytes: a buffer's head and its smallest body.
 * Without it a record of no bytes would cost nothing here.
 */
export const UNIX_PIECE_BYTES = 768;

export class SocketLoan implements Borrower {
  /** Sent and not acknowledged, at the most. */
  unackedBytes = 0;
  allowedBytes: number = SHARE_BYTES;
  /** Received since SO_RCVBUF was last looked at. */
  #receivedBytes = 0;
  readonly #fd: number;
  readonly #account: Account;
  /** Else of a Unix stream. */
  readonly isTcp: boolean;
  #receiveLent = 0;
  /** SO_RCVBUF was lowered: the kernel does not raise it any more. */
  #lowered = false;
  /** The ring is full: what was received stays in the kernel. */
  #stalled = false;
  #parting = false;

  constructor(fd: number, account: Account, limitBytes: number, isTcp: boolean) {
    this.#fd = fd;
    this.#account = account;
    this.isTcp = isTcp;
    const { sockets } = account;
    sockets.sockets++;
    // So many that their fresh buffers alone are too much: those of the ones that come now are small from the start.
    if (sockets.sockets * FRESH_RECEIVE_BYTES > limitBytes) this.#lower(SHARE_BYTES);
  }

  #budget(): SocketBudget {
    return this.#account.sockets;
  }

  #sendLent(): number {
    return this.allowedBytes - SHARE_BYTES;
  }

  /** How many of `wantedBytes` may be sent now; 0: the peer must take some first. */
  allow(wantedBytes: number, limitBytes: number): number {
    const held = outq(this.#fd);
    if (held < 0) return wantedBytes; // send() tells why
    const moves = held < this.unackedBytes || this.#sendLent() === 0;
    this.unackedBytes = held;
    const missing = held + wantedBytes - this.allowedBytes;
    if (missing > 0 && moves) {
      const wanted = Math.min(Math.max(missing, this.allowedBytes), SEND_BYTES_MAX - this.allowedBytes);
      if (wanted > 0) this.allowedBytes += this.#budget().borrow(this, wanted, limitBytes);
    }
    const free = this.allowedBytes - held;
    // Not in crumbs.
    return free >= wantedBytes || free >= this.allowedBytes / 4 ? Math.min(free, wantedBytes) : 0;
  }

  /** The guest does not read: the kernel keeps what comes. */
  stalled(limitBytes: number): void {
    this.#stalled = true;
    if (this.#receiveLent === 0 || this.#receivedBytes >= this.#receiveLent) this.#borrowReceive(limitBytes);
  }

  /** Bytes went on to the guest. */
  received(bytes: number, limitBytes: number): void {
    this.#stalled = false;
    this.#receivedBytes += bytes;
    if (this.#lowered && this.#receivedBytes >= 4 * (SHARE_BYTES + this.#receiveLent)) {
      this.#borrowReceive(limitBytes);
    }
  }

  /** How many sockets of TCP of the account are parting. */
  get tcpPartings(): number {
    return this.#budget().tcpPartings;
  }

  /** There is a guest that what is counted here bounds, or there may be one again. */
  get countsForSomebody(): boolean {
    return this.#account.guests > 0 || this.#account.isKnown;
  }

  /** Its stream is over, and so many bytes are not acknowledged yet: keeps what it needs for them. */
  part(heldBytes: number): void {
    if (!this.#parting) {
      this.#parting = true;
      this.#countParting(1);
      // It may outlive the guest.
      this.#account.retain();
    }
    this.#giveBackReceive();
    this.#keepSend(heldBytes);
  }

  end(): void {
    this.#giveBackReceive();
    this.#keepSend(0);
    this.#budget().sockets--;
    if (!this.#parting) return;
    this.#countParting(-1);
    this.#account.release();
  }

  shrink(): void {
    const held = outq(this.#fd);
    if (held >= 0) {
      this.unackedBytes = held;
      this.#keepSend(held);
    }
    if (!this.#stalled && !this.#lowered) this.#giveBackReceive();
  }

  #borrowReceive(limitBytes: number): void {
    this.#receivedBytes = 0;
    const now = recvBuffer(this.#fd);
    const has = SHARE_BYTES + this.#receiveLent;
    const wanted = (this.#lowered ? 2 * has : now) - has;
    if (wanted <= 0) return;
    const got = this.#budget().borrow(this, wanted, limitBytes);
    this.#receiveLent += got;
    if (got < wanted || this.#lowered) this.#lower(has + got);
  }

  #countParting(by: 1 | -1): void {
    if (this.isTcp) this.#budget().tcpPartings += by;
    else this.#budget().partings += by;
  }

  /** The kernel doubles what it is told. */
  #lower(bytes: number): void {
    setRecvBuffer(this.#fd, bytes / 2);
    this.#lowered = true;
  }

  #keepSend(heldBytes: number): void {
    const keep = Math.max(0, Math.min(this.#sendLent(), heldBytes - SHARE_BYTES));
    const back = this.#sendLent() - keep;
    this.allowedBytes = SHARE_BYTES + keep;
    if (back > 0) this.#budget().giveBack(this, back, keep + this.#receiveLent);
  }

  #giveBackReceive(): void {
    const back = this.#receiveLent;
    this.#receiveLent = 0;
    if (back > 0) this.#budget().giveBack(this, back, this.#sendLent());
  }
}
