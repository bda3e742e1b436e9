// What one UDP socket has borrowed of its guest's kernel memory (accounts/socket-budget.ts): room for the datagrams
// that wait there while the guest does not read. What is sent leaves at once.
//
//   FULL ── others need it, and nothing waits here ──▶ SMALL ── much has come since ──▶ FULL, or as much as there is
//
// The kernel takes one datagram more than there is room for: so the largest gets through also where a socket has its
// share alone.

import { inq, recvBuffer, setRecvBuffer } from "@ringway/linux";
import type { Account } from "../../accounts/accounts.ts";
import { type Borrower, SHARE_BYTES } from "../../accounts/socket-budget.ts";

export class UdpLoan implements Borrower {
  readonly #fd: number;
  readonly #account: Account;
  /** What the kernel gave it, in its own count. */
  readonly #freshBytes: number;
  #lentBytes = 0;
  /** The kernel was told how much there is room for. */
  #lowered = false;
  #receivedBytes = 0;

  constructor(fd: number, account: Account, limitBytes: number) {
    this.#fd = fd;
    this.#account = account;
    this.#freshBytes = Math.max(SHARE_BYTES, recvBuffer(fd));
    account.sockets.sockets++;
    this.#borrow(limitBytes);
  }

  /** So many bytes went on to the guest. */
  received(bytes: number, limitBytes: number): void {
    const has = SHARE_BYTES + this.#lentBytes;
    if (has >= this.#freshBytes) return;
    this.#receivedBytes += bytes;
    if (this.#receivedBytes >= 4 * has) this.#borrow(limitBytes);
  }

  shrink(): void {
    if (this.#lentBytes > 0 && inq(this.#fd) === 0) this.#giveBack();
  }

  end(): void {
    if (this.#lentBytes > 0) this.#giveBack();
    this.#account.sockets.sockets--;
  }

  #borrow(limitBytes: number): void {
    this.#receivedBytes = 0;
    const wanted = this.#freshBytes - SHARE_BYTES - this.#lentBytes;
    if (wanted <= 0) return;
    this.#lentBytes += this.#account.sockets.borrow(this, wanted, limitBytes);
    if (this.#lowered || SHARE_BYTES + this.#lentBytes < this.#freshBytes) this.#set();
  }

  #giveBack(): void {
    const lent = this.#lentBytes;
    this.#lentBytes = 0;
    this.#account.sockets.giveBack(this, lent, 0);
    this.#set();
  }

  /** The kernel doubles what it is told. */
  #set(): void {
    this.#lowered = true;
    setRecvBuffer(this.#fd, (SHARE_BYTES + this.#lentBytes) / 2);
  }
}
