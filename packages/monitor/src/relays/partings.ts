// Sockets whose streams are over, while their peers have not acknowledged all that was sent to them.
//
//   add ─▶ WAITS ─ all acknowledged, or nothing more for STANDSTILL_MS ─▶ closed, with a RST
//
// A RST drops what the kernel has not sent yet. The guest has given it, as a program gives bytes to its kernel before it dies; and they
// came from other kernels on their way here, which said that they had arrived. So the RST waits for them, but not for a peer that does
// not read. Only the descriptor is kept: the stream, its rings and its slot are free. No event tells of an acknowledgement: it is asked
// for, soon at first.

import { closeFd, outq, setLingerZero } from "@ringway/linux";
import type { Reactor } from "../reactor/reactor.ts";
import type { Timer } from "../reactor/timers.ts";

const LOOK_MS_MIN = 2;
const LOOK_MS_MAX = 200;
const STANDSTILL_MS = 1000;

interface Parting {
  readonly fd: number;
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

  /** Closes `fd` with a RST, after the bytes that its kernel has. Not watched any more. */
  reset(fd: number): void {
    const left = outq(fd);
    if (left <= 0) {
      close(fd);
      return;
    }
    const parting: Parting = { fd, left, lookMs: LOOK_MS_MIN, stillMs: 0, timer: undefined };
    this.#all.add(parting);
    this.#wait(parting);
  }

  /** The monitor ends: all of them now. */
  close(): void {
    for (const { fd, timer } of this.#all) {
      this.#reactor.cancel(timer);
      close(fd);
    }
    this.#all.clear();
  }

  #wait(parting: Parting): void {
    parting.timer = this.#reactor.after(parting.lookMs, () => this.#look(parting));
  }

  #look(parting: Parting): void {
    const left = outq(parting.fd);
    parting.stillMs = left < parting.left ? 0 : parting.stillMs + parting.lookMs;
    parting.left = left;
    if (left > 0 && parting.stillMs < STANDSTILL_MS) {
      parting.lookMs = Math.min(2 * parting.lookMs, LOOK_MS_MAX);
      this.#wait(parting);
      return;
    }
    this.#all.delete(parting);
    close(parting.fd);
  }
}

function close(fd: number): void {
  setLingerZero(fd);
  closeFd(fd);
}
