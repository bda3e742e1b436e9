// What the kernel may hold of a guest's bytes, over all of its sockets (limits.socketBytes).
//
// A peer that does not read leaves what was sent to it in this host's memory, and a guest that does not read leaves
// there what its peers send: megabytes for each socket, out of one pool (tcp_mem) that all sockets of the machine
// share. So the sockets of an account borrow:
//
//   SHARE_BYTES   each socket has without asking, each way
//   the rest      is lent to those that move bytes, never more than a quarter of what is left to one: the first gets
//                 much, the thousandth little, none nothing. Before one gets less than it wants, others give back what
//                 they do not use.
//
// Invariant: what is lent is at most the limit; what the sockets hold is at most that and two shares for each.

/**
 * 4096 streams have 64 MiB so each way; enough for a request and its answer, and for a window of 16 KiB where all is
 * lent.
 */
export const SHARE_BYTES: number = 16 * 1024;
/** Less is not worth a system call. */
const GRAIN_BYTES = 4 * 1024;
/** How many others are asked to give back at a time. */
const RECLAIMED_AT_ONCE = 4;

export interface Borrower {
  /** Gives back what it does not use now. */
  shrink(): void;
}

export class SocketBudget {
  /** Sockets that may borrow, those included whose streams are over. */
  sockets = 0;
  /** The Unix sockets of them whose streams are over (relays/partings.ts). */
  partings = 0;
  /** And those of TCP: what a Unix socket's peer does not read is no reason to cut one of these short. */
  tcpPartings = 0;
  #lentBytes = 0;
  /** Who has borrowed, in the order in which they are asked to give back. */
  readonly #borrowers: Set<Borrower> = new Set();

  get lentBytes(): number {
    return this.#lentBytes;
  }

  /** Of `wantedBytes` more, those that the borrower gets. */
  borrow(borrower: Borrower, wantedBytes: number, limitBytes: number): number {
    if (this.#mostFor(limitBytes) < wantedBytes) this.#reclaim(borrower);
    const bytes = Math.min(wantedBytes, this.#mostFor(limitBytes));
    if (bytes < GRAIN_BYTES) return 0;
    this.#lentBytes += bytes;
    this.#borrowers.add(borrower);
    return bytes;
  }

  /** `rest`: what it keeps. */
  giveBack(borrower: Borrower, bytes: number, rest: number): void {
    this.#lentBytes -= bytes;
    if (rest === 0) this.#borrowers.delete(borrower);
  }

  #mostFor(limitBytes: number): number {
    return Math.floor((limitBytes - this.#lentBytes) / 4);
  }

  #reclaim(except: Borrower): void {
    let left = RECLAIMED_AT_ONCE;
    for (const borrower of this.#borrowers) {
      if (left-- === 0) return;
      if (borrower === except) continue;
      // To the end of the row: the next time others are asked.
      this.#borrowers.delete(borrower);
      this.#borrowers.add(borrower);
      borrower.shrink();
    }
  }
}
