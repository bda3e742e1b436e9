// The regions' thread as the main thread sees it: started before the first guest, ended after the last. And what the
// reactor and it tell each other: plain data.

import { MessageChannel, type MessagePort } from "node:worker_threads";
import { closeFd, createEventfd, type Mapping, NativeThread } from "@ringway/linux";

export interface UnmakeRegion {
  readonly id: number;
  readonly mapping: Mapping;
}

export interface UnmadeRegion {
  readonly id: number;
}

/** The reactor's end. */
export interface RegionPort {
  readonly port: MessagePort;
  /** Rung after each answer: the reactor sleeps in epoll, and sees no messages. */
  readonly wakeFd: number;
}

/** What the thread is given. */
export interface RegionThreadData {
  readonly regions: RegionPort;
}

export class RegionThread {
  readonly port: RegionPort;
  /** It can work; rejects where it cannot be had (ERR_WORKER_INIT_FAILED: no descriptors). */
  readonly ready: Promise<void>;
  readonly #thread: NativeThread;

  /** `failed` is told when it ends by itself. */
  constructor(failed: (error: Error) => void) {
    const wakeFd = createEventfd();
    const { port1, port2 } = new MessageChannel();
    this.port = { port: port2, wakeFd };
    this.#thread = new NativeThread(new URL("./regions-main.js", import.meta.url), {
      name: "regions",
      workerData: { regions: { port: port1, wakeFd } } satisfies RegionThreadData,
      transferList: [port1],
    });
    this.#thread.onFailure(failed);
    this.ready = this.#thread.ready();
  }

  /** Ends it, after `limitMs` whatever it does: a region that is left then is unmapped when the process ends. */
  async stop(limitMs: number): Promise<void> {
    if (await this.#thread.stop(limitMs)) closeFd(this.port.wakeFd);
  }
}
