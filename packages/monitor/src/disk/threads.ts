// The disk workers as the main thread sees them: it starts them, before the first guest, and ends them.
//
// Invariant: a worker that does not come back from a system call is left where it is, with whatever memory and
// descriptors it has: nobody else may get those before the process ends.

import { randomInt } from "node:crypto";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { closeFd, createEventfd, NativeThread } from "@ringway/linux";
import type { GuestDescriptors } from "../accounts/descriptors.ts";
import type { DiskResult } from "./operations.ts";

const DISK_WORKERS = 4;

/** The reactor's ends: for its pool. */
export interface DiskPorts {
  readonly ports: readonly MessagePort[];
  /** Rung after each answer: the reactor sleeps in epoll, and sees no messages. */
  readonly wakeFd: number;
}

/** What a worker is given. */
export interface DiskWorkerData {
  readonly port: MessagePort;
  readonly wakeFd: number;
  readonly descriptors: GuestDescriptors;
  /** The same for all of them, and odd (mount/attributes.ts). */
  readonly deviceKey: number;
}

/** What a worker says of an operation. */
export interface DiskAnswer {
  readonly id: number;
  readonly result: DiskResult;
  /** Names that it looked up. */
  readonly lookups: number;
}

export class DiskThreads {
  readonly ports: DiskPorts;
  /** All of them can work; rejects where one cannot be had (ERR_WORKER_INIT_FAILED: no descriptors). */
  readonly ready: Promise<unknown>;
  readonly #threads: NativeThread[] = [];

  /** `failed` is told when one of them ends by itself. */
  constructor(descriptors: GuestDescriptors, failed: (error: Error) => void) {
    const wakeFd = createEventfd();
    const deviceKey = 2 * randomInt(2 ** 31) + 1;
    const ports: MessagePort[] = [];
    const ready: Promise<void>[] = [];
    for (let i = 0; i < DISK_WORKERS; i++) {
      const { port1, port2 } = new MessageChannel();
      const thread = new NativeThread(new URL("./disk-main.js", import.meta.url), {
        name: `disk-${i}`,
        workerData: { port: port1, wakeFd, descriptors, deviceKey } satisfies DiskWorkerData,
        transferList: [port1],
      });
      thread.onFailure(failed);
      ready.push(thread.ready());
      ports.push(port2);
      this.#threads.push(thread);
    }
    this.ports = { ports, wakeFd };
    this.ready = Promise.all(ready);
    // Whoever starts a monitor may have failed before it looks.
    this.ready.catch(() => {});
  }

  /** Ends them. Returns how many are still in a call after `limitMs`. */
  async stop(limitMs: number): Promise<number> {
    const stopped = await Promise.all(this.#threads.map((thread) => thread.stop(limitMs)));
    const stuck = stopped.filter((over) => !over).length;
    if (stuck === 0) closeFd(this.ports.wakeFd);
    return stuck;
  }
}
