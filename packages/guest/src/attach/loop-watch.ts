// A descriptor of any kind in Node's own event loop, which by itself takes pipes, sockets and terminals only. It is
// given a pipe, and then the pipe's descriptor is made to name what is to be watched (dup2): the loop polls and reads
// a number, whatever is behind it. So a bell wakes the program with one switch between threads and none of its own.
//
// Invariant: the replacement comes before the loop has seen the number, in the same turn. What cannot be polled, at
// which the loop would abort the process, is refused before.
//
// The loop reads what is ready: it waits there where somebody else shares the descriptor's flags, has made it block,
// and reads first. So it is given only what this process has opened, or was given by whoever started it.

import { type ConnectOpts, Socket, type SocketConstructorOpts } from "node:net";
import { check, closeFd, createPipe, Errno, isPollable, replaceFd, setNonBlocking } from "@ringway/linux";
import { errnoError } from "../errors.ts";

/** What a read takes at the most: a bell's bytes mean nothing, so all watches read into the same ones. */
const ignored = new Uint8Array(4096);

export class LoopWatch {
  /** Resolves after close(), when the descriptor is closed. */
  readonly closed: Promise<void>;
  #fd: number;
  #socket: Socket | undefined;
  #closing = false;
  #referenced = false;
  #onClosed: () => void = () => {};

  /** Takes `fd` over. Watches nothing before start(). */
  constructor(fd: number) {
    this.#fd = fd;
    this.closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
  }

  /** The descriptor, for writing to it: start() gives it another number. -1 once it is closed. */
  get fd(): number {
    return this.#socket?.destroyed ? -1 : this.#fd;
  }

  /**
   * Reads whatever comes and calls `onBytes` for it; `onEnd` once, at the end, or with the error. Neither is called
   * before this turn is over, or after close(). Throws RingwayError (EPERM) where the descriptor cannot be waited
   * for, SystemError (EMFILE).
   */
  start(onBytes: () => void, onEnd: (error?: Error) => void): void {
    const fd = this.#fd;
    if (!isPollable(fd)) throw errnoError(Errno.EPERM, { syscall: "epoll_ctl" });
    const [number, writer] = createPipe();
    closeFd(writer);
    const callback = (): boolean => {
      if (!this.#closing) onBytes();
      return true;
    };
    const options: SocketConstructorOpts & ConnectOpts = {
      fd: number,
      readable: true,
      writable: false,
      onread: { buffer: ignored, callback },
    };
    const socket = new Socket(options);
    check(replaceFd(fd, number), "dup3");
    setNonBlocking(number, true);
    closeFd(fd);
    this.#fd = number;
    this.#socket = socket;
    let failure: Error | undefined;
    socket.on("error", (error) => {
      failure = error;
    });
    socket.on("close", () => {
      this.#onClosed();
      if (!this.#closing) onEnd(failure);
    });
    if (!this.#referenced) socket.unref();
  }

  /** Starts unreferenced. While referenced, it keeps the process alive. */
  ref(): void {
    this.#referenced = true;
    // One that is gone would keep a listener for each call, until it connects.
    if (this.#socket?.destroyed === false) this.#socket.ref();
  }

  unref(): void {
    this.#referenced = false;
    if (this.#socket?.destroyed === false) this.#socket.unref();
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    if (this.#socket !== undefined) {
      this.#socket.destroy();
    } else {
      closeFd(this.#fd);
      this.#fd = -1;
      this.#onClosed();
    }
  }
}
