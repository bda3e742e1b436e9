// Worker threads that import this package, and how they end: while they load, and while they wait in a system call.
//
//   LOADING ── threadLoaded() ──> FREE <── inCalls() ──> BUSY
//                                  │                      │ its call is over
//                                ENDING ─────────────── ENDING ──> HELD
//
// Who writes the word: its thread all of it, but ENDING, which stop() and the end of the process put there.
//
// Invariants. No thread is terminated, by terminate() or by the end of the process, while it loads koffi: termination
// makes the calls fail by which a native module registers itself, and koffi then aborts the whole process (SIGABRT).
// And Node joins every thread before the process ends, so none is joined that waits in a system call: it may never come
// back (a dead disk). A process with such a thread ends by _exit(2).

import { setTimeout as delay } from "node:timers/promises";
import { parentPort, Worker, type WorkerOptions, workerData } from "node:worker_threads";
import { waitWithin } from "./deadline.ts";
import { libcCall } from "./libc.ts";

const exitCall = libcCall("_exit", "void", ["int"]);

/** How long the end of the process waits for a thread to have loaded, in milliseconds; it takes some 30. */
const LOAD_MS_MAX = 5000;
/** How long it then waits for threads that are in a call: beyond that they are taken for stuck. */
const CALL_MS_MAX = 1000;
/** How often stop() looks. */
const STOP_CHECK_MS = 2;

const State = { LOADING: 0, FREE: 1, BUSY: 2, ENDING: 3, HELD: 4 } as const;

/** What a NativeThread passes to its module, beside the caller's `workerData`. */
interface ThreadData {
  /** One word: a State. */
  readonly state: Int32Array;
}

export interface NativeThreadOptions extends WorkerOptions {
  readonly workerData: object;
  /** Makes a thread that waits in inCalls() for work look at stopAsked(). */
  readonly wake?: () => void;
}

const threads = new Set<NativeThread>();

/**
 * Node's options for the threads: this program's, as Workers take them over by themselves; but none where one is
 * --input-type, which Workers of `node -e` stumble over. (To filter would not do: a Worker refuses options of V8.)
 */
const NODE_OPTIONS: { execArgv?: string[] } = process.execArgv.some((option) =>
  option.startsWith("--input-type"),
)
  ? { execArgv: [] }
  : {};

/** The last thing that this process does: no thread is waited for, nothing is flushed, no handler runs. */
export function exitNow(code: number): never {
  exitCall(code);
  throw new Error("unreachable");
}

/** The process ends as soon as this returns: Node then joins every thread. */
function endAll(code: number): void {
  const all = [...threads];
  for (const thread of all) thread.waitUntilLoaded();
  const stuck = all.filter((thread) => !thread.askToEnd());
  const endMs = performance.now() + CALL_MS_MAX;
  if (stuck.some((thread) => !thread.waitUntilHeld(endMs))) exitNow(code);
}

/** A Worker whose module calls threadLoaded() first of all. What it prints is onPrint()'s, or lost. */
export class NativeThread extends Worker {
  readonly #state: Int32Array;
  readonly #wake: (() => void) | undefined;
  #isStuck = false;
  /** What it prints is lost. */
  #isSilent = false;
  /** Somebody wants its end. */
  #isAsked = false;

  constructor(module: URL, { wake, ...options }: NativeThreadOptions) {
    const state = new Int32Array(new SharedArrayBuffer(4));
    // Without streams of its own, Node would make the process's, and so set O_NONBLOCK for everybody who shares those.
    super(module, {
      stdout: true,
      stderr: true,
      ...NODE_OPTIONS,
      ...options,
      workerData: { ...options.workerData, state } satisfies ThreadData,
    });
    this.#state = state;
    this.#wake = wake;
    // Nothing of it waits in memory.
    this.stdout.resume();
    this.stderr.resume();
    if (threads.size === 0) process.on("exit", endAll);
    threads.add(this);
    this.once("exit", () => {
      // One that failed to load ends here, too; but not while waitUntilLoaded() blocks, which then takes LOAD_MS_MAX.
      Atomics.compareExchange(state, 0, State.LOADING, State.FREE);
      threads.delete(this);
      if (threads.size === 0) process.off("exit", endAll);
    });
  }

  /**
   * Its first message, threadReady()'s: it can work, and from then on keeps the process from nothing. Rejects where it
   * cannot be had (ERR_WORKER_INIT_FAILED: no descriptors). Whoever waits may do so late: nobody is told of a rejection
   * before.
   */
  ready(): Promise<void> {
    const ready = new Promise<void>((resolve, reject) => {
      this.once("error", reject);
      this.once("message", () => {
        this.unref();
        resolve();
      });
    });
    ready.catch(() => {});
    return ready;
  }

  /**
   * `failed` is told, once, where the thread ends unasked by an error that nobody caught, or with another code than 0.
   */
  onFailure(failed: (error: Error) => void): void {
    const tell = (error: Error): void => {
      if (this.#isAsked) return;
      this.#isAsked = true;
      failed(error);
    };
    this.on("error", tell);
    this.on("messageerror", tell);
    this.on("exit", (code) => {
      if (code !== 0) tell(new Error(`the thread ended by itself, with ${code}`));
    });
  }

  /** `printed` gets what the thread prints, Node's warnings for one. */
  onPrint(printed: (text: string) => void): void {
    for (const stream of [this.stdout, this.stderr]) stream.setEncoding("utf8").on("data", printed);
  }

  /** It keeps the process from nothing any more. What it prints from now on is lost: who reads that waits for it. */
  override unref(): void {
    super.unref();
    if (this.#isSilent) return;
    this.#isSilent = true;
    for (const stream of [this.stdout, this.stderr]) {
      // The thread may print all the same, or print no more and end: neither is an error here.
      stream.on("error", () => {});
      if (!stream.readableEnded) stream.push(null);
    }
  }

  /** Blocks until the thread has loaded. */
  waitUntilLoaded(): void {
    waitWithin(this.#state, 0, State.LOADING, LOAD_MS_MAX);
  }

  /** It begins no more calls. True: it is in none either, and may be terminated. */
  askToEnd(): boolean {
    const before = Atomics.exchange(this.#state, 0, State.ENDING);
    if (before === State.HELD) Atomics.store(this.#state, 0, State.HELD);
    if (before === State.FREE || before === State.HELD) return true;
    this.#wake?.();
    return false;
  }

  /** Blocks until the call that it was in is over, at most until `endMs`. False: it is not. */
  waitUntilHeld(endMs: number): boolean {
    const leftMs = this.#isStuck ? 0 : Math.max(0, endMs - performance.now());
    return Atomics.wait(this.#state, 0, State.ENDING, leftMs) !== "timed-out";
  }

  /**
   * Ends the thread as soon as it is in no call. False where it still is after `limitMs`: it then stays until the
   * process ends, and keeps that from nothing.
   */
  async stop(limitMs: number): Promise<boolean> {
    this.#isAsked = true;
    // By looks, not by the clock: while the whole process stood still, the thread did not come on either.
    let looks = limitMs / STOP_CHECK_MS;
    for (; this.#is(State.LOADING) && looks > 0; looks--) await delay(STOP_CHECK_MS);
    if (!this.#is(State.LOADING) && !this.askToEnd()) {
      for (; this.#is(State.ENDING) && looks > 0; looks--) await delay(STOP_CHECK_MS);
      this.#isStuck = this.#is(State.ENDING);
    }
    if (this.#isStuck || this.#is(State.LOADING)) {
      this.unref();
      return false;
    }
    await super.terminate();
    return true;
  }

  #is(state: number): boolean {
    return Atomics.load(this.#state, 0) === state;
  }

  override async terminate(): Promise<number> {
    this.#isAsked = true;
    for (let looks = LOAD_MS_MAX / STOP_CHECK_MS; this.#is(State.LOADING) && looks > 0; looks--) {
      await delay(STOP_CHECK_MS);
    }
    return await super.terminate();
  }
}

// ── In the thread ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Once its imports are there: from now on it may be terminated. */
export function threadLoaded(): void {
  const { state } = workerData as ThreadData;
  Atomics.store(state, 0, State.FREE);
  Atomics.notify(state, 0);
}

/** Its module has run, for a thread whose ready() somebody waits for. */
export function threadReady(): void {
  parentPort!.postMessage("ready");
}

/**
 * Does `work`, whose system calls may wait: until it is over the thread is not terminated. Does not return when it is
 * to end.
 */
export function inCalls<T>(work: () => T): T {
  const { state } = workerData as ThreadData;
  if (Atomics.compareExchange(state, 0, State.FREE, State.BUSY) !== State.FREE) hold();
  try {
    return work();
  } finally {
    if (Atomics.compareExchange(state, 0, State.BUSY, State.FREE) !== State.BUSY) hold();
  }
}

/** For work that waits for more: where it is to end, the thread stops here. */
export function holdIfStopping(): void {
  const { state } = workerData as ThreadData;
  if (Atomics.load(state, 0) === State.ENDING) hold();
}

/** Termination ends the wait. */
function hold(): never {
  const { state } = workerData as ThreadData;
  Atomics.store(state, 0, State.HELD);
  Atomics.notify(state, 0);
  for (;;) Atomics.wait(state, 0, State.HELD);
}
