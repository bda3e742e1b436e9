// The thread that waits for a bell: Node's own loop never blocks on one. It posts what it heard; this is the side that listens
// to it, and that ends it.
//
// Invariant: the thread can always be stopped by the stop eventfd, and is, before the process exits: a thread that blocks in
// poll() would hold the process up. The descriptors are closed once it has ended, not before.

import { closeFd, createEventfd, NativeThread, ringForeign } from "@ringway/linux";
import type { BellListener } from "./bell.ts";
import { resetError } from "./errors.ts";

/** What the thread posts. */
export const BellMessage = { RUNG: 1, GONE: 2, READY: 3 } as const;

/** Descriptors to wait on: an eventfd and a socket whose hang-up is the monitor's end; or one byte channel that is both. */
export type BellDescriptors =
  | { readonly kind: "eventfd"; readonly rung: number; readonly socket: number }
  | { readonly kind: "channel"; readonly channel: number };

export interface BellWorkerData {
  readonly on: BellDescriptors;
  readonly stop: number;
}

const running = new Set<BellThread>();

function stopAll(): void {
  for (const thread of running) thread.stop();
}

export class BellThread {
  /** Resolves once the thread has ended after end(), and all descriptors are closed. */
  readonly ended: Promise<void>;
  readonly #data: BellWorkerData;
  readonly #hangUp: string;
  #onEnded: () => void = () => {};
  #worker: NativeThread | undefined;
  #starting: NodeJS.Timeout | undefined;
  #referenced = false;
  #ending = false;

  /** Takes the descriptors over. `hangUp` says what it means that the monitor's end is gone. */
  constructor(on: BellDescriptors, hangUp: string) {
    this.#data = { on, stop: createEventfd() };
    this.#hangUp = hangUp;
    this.ended = new Promise((resolve) => {
      this.#onEnded = resolve;
    });
  }

  start(listener: BellListener): void {
    const worker = new NativeThread(new URL("./bell-worker.js", import.meta.url), {
      workerData: this.#data,
      execArgv: [],
      name: "ringway-bell",
    });
    this.#worker = worker;
    worker.on("message", (message: number) => {
      if (this.#ending) return;
      if (message === BellMessage.RUNG) listener.bell();
      else if (message === BellMessage.READY) clearInterval(this.#starting);
      else listener.gone(resetError("read", new Error(this.#hangUp)));
    });
    worker.on("error", (error) => {
      if (!this.#ending) listener.gone(resetError("read", error));
    });
    worker.on("exit", () => {
      this.#worker = undefined;
      if (this.#ending) this.#closeDescriptors();
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
    if (!this.#ending) this.#worker?.unref();
  }

  /** Tells the thread to end. */
  stop(): void {
    ringForeign(this.#data.stop);
  }

  /** Reports no more. `awaited`: the process stays until the thread is gone, which takes no time that people notice. */
  end(awaited = false): void {
    if (this.#ending) return;
    this.#ending = true;
    clearInterval(this.#starting);
    running.delete(this);
    if (running.size === 0) process.off("exit", stopAll);
    if (this.#worker === undefined) {
      this.#closeDescriptors();
      return;
    }
    if (awaited) this.#worker.ref();
    else this.#worker.unref();
    this.stop();
  }

  #closeDescriptors(): void {
    const { on, stop } = this.#data;
    const waited = on.kind === "eventfd" ? [on.rung, on.socket] : [on.channel];
    for (const fd of [...waited, stop]) closeFd(fd);
    this.#onEnded();
  }
}
