// Worker threads that import this package.
//
// Invariant: no thread is terminated, by terminate() or by the end of the process, while it loads koffi. Termination makes
// the calls fail by which a native module registers itself, and koffi then aborts the whole process (SIGABRT).

import { setTimeout as delay } from "node:timers/promises";
import { Worker, type WorkerOptions, workerData } from "node:worker_threads";

/** How long the end of the process waits for a thread to have loaded, in milliseconds; it takes some 30. */
const LOAD_MS_MAX = 5000;

/** What a NativeThread passes to its module, beside the caller's `workerData`. */
interface ThreadData {
  /** One word: 0 while the thread loads. */
  readonly loaded: Int32Array;
}

const threads = new Set<NativeThread>();

/** The process ends as soon as this returns, and every thread with it. */
function waitForAll(): void {
  for (const thread of threads) thread.waitUntilLoaded();
}

/** A Worker whose module calls threadLoaded() first of all. `workerData` must be an object. */
export class NativeThread extends Worker {
  readonly #loaded: Int32Array;

  constructor(module: URL, options: WorkerOptions & { readonly workerData: object }) {
    const loaded = new Int32Array(new SharedArrayBuffer(4));
    super(module, { ...options, workerData: { ...options.workerData, loaded } satisfies ThreadData });
    this.#loaded = loaded;
    if (threads.size === 0) process.on("exit", waitForAll);
    threads.add(this);
    this.once("exit", () => {
      // One that failed to load ends here, too; but not while waitForAll() blocks, which then takes LOAD_MS_MAX.
      Atomics.store(loaded, 0, 1);
      threads.delete(this);
      if (threads.size === 0) process.off("exit", waitForAll);
    });
  }

  /** Blocks until the thread has loaded. */
  waitUntilLoaded(): void {
    Atomics.wait(this.#loaded, 0, 0, LOAD_MS_MAX);
  }

  override async terminate(): Promise<number> {
    const endMs = performance.now() + LOAD_MS_MAX;
    while (Atomics.load(this.#loaded, 0) === 0 && performance.now() < endMs) await delay(1);
    return await super.terminate();
  }
}

/** In the thread's module, once its imports are there: from now on it may be terminated. */
export function threadLoaded(): void {
  const { loaded } = workerData as ThreadData;
  Atomics.store(loaded, 0, 1);
  Atomics.notify(loaded, 0);
}
