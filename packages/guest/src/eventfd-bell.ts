// The bell of a guest that is a process: one eventfd to ring, one to wait on, and the attach socket, whose hang-up means
// that the monitor is gone. A small worker thread blocks on the two and posts a message; Node's own loop never does.
//
// Invariant: the worker can always be stopped by the stop eventfd, and is, before the process exits: a thread that blocks
// in poll() would hold the process up.

import { Worker } from "node:worker_threads";
import { closeFd, createEventfd, ringForeign } from "@ringway/linux";
import type { BellListener, GuestBell } from "./bell.ts";
import { resetError } from "./errors.ts";

/** What the worker posts. */
export const BellMessage = { RUNG: 1, GONE: 2, READY: 3 } as const;

/** What the worker is started with: descriptors. */
export interface BellWorkerData {
  readonly rung: number;
  readonly socket: number;
  readonly stop: number;
}

const running = new Set<EventfdBell>();

function stopAll(): void {
  for (const bell of running) bell.stop();
}

export class EventfdBell implements GuestBell {
  readonly #ring: number;
  readonly #data: BellWorkerData;
  #worker: Worker | undefined;
  #starting: NodeJS.Timeout | undefined;
  #referenced = false;
  #closed = false;

  /** Takes the three descriptors over: `ring` wakes the host, `rung` is rung by it, `socket` hangs up when it dies. */
  constructor(ring: number, rung: number, socket: number) {
    this.#ring = ring;
    this.#data = { rung, socket, stop: createEventfd() };
  }

  ring(): void {
    if (!this.#closed) ringForeign(this.#ring);
  }

  listen(listener: BellListener): void {
    const worker = new Worker(new URL("./bell-worker.js", import.meta.url), {
      workerData: this.#data,
      execArgv: [],
      name: "ringway-bell",
    });
    this.#worker = worker;
    worker.on("message", (message: number) => {
      if (this.#closed) return;
      if (message === BellMessage.RUNG) listener.bell();
      else if (message === BellMessage.READY) clearInterval(this.#starting);
      else listener.gone(resetError("read", new Error("the monitor closed the attach socket")));
    });
    worker.on("error", (error) => {
      if (!this.#closed) listener.gone(resetError("read", error));
    });
    worker.on("exit", () => {
      this.#worker = undefined;
      if (this.#closed) this.#closeDescriptors();
      else listener.gone(resetError("read", new Error("the thread that waits for the doorbell ended")));
    });
    // A thread takes some 30 ms to start; until then this one looks by itself.
    this.#starting = setInterval(() => listener.bell(), 1).unref();
    if (!this.#referenced) worker.unref();
    if (running.size === 0) process.on("exit", stopAll);
    running.add(this);
  }

  ref(): void {
    this.#referenced = true;
    this.#worker?.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#worker?.unref();
  }

  /** Tells the worker to end. */
  stop(): void {
    ringForeign(this.#data.stop);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#starting);
    running.delete(this);
    if (running.size === 0) process.off("exit", stopAll);
    closeFd(this.#ring);
    this.unref();
    if (this.#worker === undefined) this.#closeDescriptors();
    else this.stop();
  }

  #closeDescriptors(): void {
    for (const fd of Object.values(this.#data) as number[]) closeFd(fd);
  }
}
