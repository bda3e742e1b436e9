// Sockets whose streams are over, while their peers have not acknowledged all that was sent to them.
//
//   add ─▶ WAITS ─ all acknowledged ────────────────▶ closed
//            └──── nothing more for a while ────────▶ closed, with a RST; a Unix socket WAITS on
//
// After a FIN the kernel would see to the rest by itself, but nobody would count what it holds for that: a guest that
// connects to a peer that does not read, sends, ends and begins anew could pin all there is. So the descriptor stays,
// and what the socket has borrowed. Without a FIN, it ends with a RST, which drops what the kernel has not sent yet.
// The guest has given it, as a program gives bytes to its kernel before it dies, and other kernels on its way here have
// said that it had arrived: so the RST waits for it, but not for long.
//
// A Unix socket has no RST, and nothing drops what its peer has not read; closed, nobody could see how long that stays.
// So it stays and counts until its peer has read all or is gone, however long. Only where nobody will ever attach to
// the account again, whom the count would bound, it is closed after a while: its peer can still read all of it.
//
// Only the descriptor is kept: the stream, its rings and its slot are free. No event tells of an acknowledgement: it is
// asked for, soon at first. An account has as many as it may have streams, of TCP and of Unix sockets each. Beyond that
// TCP's get their RST at once, and there are no new Unix sockets (unix-sockets.ts): each of those that there are may
// still come here.

import { closeFd, outq, setLingerZero } from "@ringway/linux";
import { SHARE_BYTES } from "../accounts/socket-budget.ts";
import type { Reactor } from "../reactor/reactor.ts";
import type { Timer } from "../reactor/timers.ts";
import type { SocketLoan } from "./socket-loan.ts";

const LOOK_MS_MIN = 2;
/**
 * In order, or with a RST. Or "unread": a Unix socket that is shut both ways. What its peer has not read the kernel
 * keeps until that reads it, or ends.
 */
type How = "end" | "reset" | "unread";
const LOOK_MS_MAX: Readonly<Record<How, number>> = { end: 200, reset: 200, unread: 5000 };
/** How long nothing may be acknowledged: the kernel's own patience is some minutes for the first. */
const STANDSTILL_MS: Readonly<Record<How, number>> = {
  end: 60_000,
  reset: 1000,
  unread: 60_000,
};

interface Parting {
  readonly fd: number;
  readonly how: How;
  readonly loan: SocketLoan;
  left: number;
  lookMs: number;
  stillMs: number;
  timer: Timer | undefined;
}

export class Partings {
  readonly #reactor: Reactor;
  readonly #all: Set<Parting> = new Set();

  constructor(reactor: Reactor) {
    this.#reactor = reactor;
  }

  /**
   * Ends `fd` after what its kernel has for the peer: with a RST, or in order, where its FIN was sent. `slot`: where it
   * is watched; `most`: how many the account may have of TCP.
   */
  add(fd: number, slot: number, how: How, loan: SocketLoan, most: number): void {
    // What is on its way is the kernel's to see to.
    const mayBeLeft = how === "end" ? SHARE_BYTES : 0;
    const left = how !== "unread" && loan.unackedBytes <= mayBeLeft ? 0 : outq(fd);
    if (left <= mayBeLeft || (how !== "unread" && loan.tcpPartings >= most)) {
      this.#reactor.unwatch(slot);
      close(fd, left <= SHARE_BYTES ? how : "reset");
      loan.end();
      return;
    }
    this.#reactor.forget(fd, slot);
    loan.part(left);
    const parting: Parting = { fd, how, loan, left, lookMs: LOOK_MS_MIN, stillMs: 0, timer: undefined };
    this.#all.add(parting);
    this.#wait(parting);
  }

  /** The monitor ends: all of them now. The kernel sees to those with a FIN. */
  close(): void {
    for (const { fd, how, timer } of this.#all) {
      this.#reactor.cancel(timer);
      close(fd, how);
    }
    this.#all.clear();
  }

  #wait(parting: Parting): void {
    parting.timer = this.#reactor.after(parting.lookMs, () => this.#look(parting));
  }

  #look(parting: Parting): void {
    const { fd, how, loan } = parting;
    const left = outq(fd);
    parting.stillMs = left < parting.left ? 0 : parting.stillMs + parting.lookMs;
    parting.left = left;
    const counts = how === "unread" && loan.countsForSomebody;
    if (left > 0 && (counts || parting.stillMs < STANDSTILL_MS[how])) {
      loan.part(left);
      parting.lookMs = Math.min(2 * parting.lookMs, LOOK_MS_MAX[how]);
      this.#wait(parting);
      return;
    }
    this.#all.delete(parting);
    close(fd, left > 0 && how !== "unread" ? "reset" : how);
    loan.end();
  }
}

function close(fd: number, how: How): void {
  if (how === "reset") setLingerZero(fd);
  closeFd(fd);
}
