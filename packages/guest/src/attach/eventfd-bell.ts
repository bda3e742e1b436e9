// The bell of a guest that is a process: one eventfd to ring, one to wait on, and the attach socket, whose hang-up
// means that the monitor is gone.
//
// The monitor holds both eventfds too: it may make them block, and empty the one while this side is about to read it.
// So Node's loop never reads that one. The kernel waits for it, and rings an eventfd that nobody else has:
//
//   rung by the monitor ─▶ the poll is over: the kernel rings #own ─▶ the loop: drain, poll anew, tell the listener
//
// Rings between the drain and the new poll end that at once: none is lost.

import {
  AsyncPoll,
  check,
  closeFd,
  createEventfd,
  drainEventfd,
  duplicateFd,
  Errno,
  POLLIN,
  ringForeign,
} from "@ringway/linux";
import { errnoError, resetError } from "../errors.ts";
import type { BellListener, GuestBell } from "./bell.ts";
import { LoopWatch } from "./loop-watch.ts";

export class EventfdBell implements GuestBell {
  readonly #ring: number;
  readonly #rung: number;
  readonly #poll: AsyncPoll;
  readonly #socket: LoopWatch;
  #own: LoopWatch | undefined;
  #listener: BellListener | undefined;
  #closed = false;

  /** Takes the three descriptors over: `ring` wakes the host, `rung` is rung by it, `socket` hangs up when it dies. */
  constructor(ring: number, rung: number, socket: number) {
    this.#ring = ring;
    this.#rung = rung;
    this.#poll = new AsyncPoll(rung, POLLIN);
    this.#socket = new LoopWatch(socket);
  }

  ring(): void {
    if (!this.#closed) ringForeign(this.#ring);
  }

  /** Throws RingwayError (EINVAL) where the kernel cannot wait for what the monitor sent, SystemError (EMFILE). */
  listen(listener: BellListener): void {
    this.#listener = listener;
    this.#watch(createEventfd(), () => this.#heard());
    this.#wait();
    // The monitor sends nothing after its hello, so anything here, data too, is the end of it.
    const hungUp = (): void => this.#gone("the monitor closed the attach socket");
    this.#socket.start(hungUp, hungUp);
  }

  #heard(): void {
    try {
      const drained = drainEventfd(this.#rung);
      if (drained < 0) throw errnoError(-drained, { syscall: "read" });
      this.#wait();
    } catch (error) {
      this.#gone("the doorbell is lost", error);
      return;
    }
    this.#listener!.bell();
  }

  /** Has the kernel wait for the next ring. */
  #wait(): void {
    const submitted = this.#poll.submit(this.#own!.fd);
    if (submitted === 0) return;
    if (submitted !== -Errno.ENOSYS && submitted !== -Errno.EAGAIN) {
      throw errnoError(-submitted, { syscall: "io_submit" });
    }
    // It does not, or not for so many: the loop reads the monitor's eventfd itself.
    this.#own!.close();
    this.#watch(check(duplicateFd(this.#rung), "dup"), () => this.#listener!.bell());
  }

  /** Has the loop wait for `fd`, which it takes over. */
  #watch(fd: number, onRing: () => void): void {
    this.#own = new LoopWatch(fd);
    this.#own.start(onRing, (error) => this.#gone("the doorbell is lost", error));
  }

  #gone(sentence: string, cause?: unknown): void {
    this.#listener!.gone(resetError("read", new Error(sentence, { cause })));
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll.cancel();
    closeFd(this.#ring);
    closeFd(this.#rung);
    this.#own?.close();
    this.#socket.close();
  }
}
