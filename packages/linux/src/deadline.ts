// Time limits of a process that may stand still for a while (SIGSTOP, a suspended machine), and then goes on: what has
// happened in time counts, however late it is looked at.
//
//   timers ── due ──▶ sockets, messages: the answer may come, and cancel ──▶ immediates: over
//
// Node's loop runs timers before it looks at sockets: a timer alone would end what has its answer there already. And
// another thread of this process stood still as well: its answer needs a moment. So time is counted in steps, each of
// which counts once, however long it took; and where the last of them was late, there is one more.

/** A process that stands still once loses an eighth of its time. */
const STEPS = 8;

export class Deadline {
  readonly #stepMs: number;
  readonly #over: () => void;
  #left = STEPS;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  /** Calls back once, unless it is cancelled. */
  constructor(ms: number, over: () => void) {
    this.#stepMs = Math.floor(ms / STEPS);
    this.#over = over;
    this.#step(ms - (STEPS - 1) * this.#stepMs);
  }

  cancel(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
  }

  #step(ms: number): void {
    const startMs = performance.now();
    this.#timer = setTimeout(() => {
      const isLate = performance.now() - startMs > 2 * ms;
      this.#left--;
      if (this.#left > 0 || (this.#left === 0 && isLate)) this.#step(this.#stepMs);
      else this.#immediate = setImmediate(this.#over);
    }, ms);
  }
}

/** What `promise` resolves with; undefined where it takes longer. */
export async function within<T>(promise: Promise<T>, limitMs: number): Promise<T | undefined> {
  let deadline: Deadline | undefined;
  const over = new Promise<undefined>((resolve) => {
    deadline = new Deadline(limitMs, () => resolve(undefined));
  });
  try {
    return await Promise.race([promise, over]);
  } finally {
    deadline?.cancel();
  }
}

/** Blocks until words[index] is no longer `value`, or is notified: false where that takes longer. */
export function waitWithin(words: Int32Array, index: number, value: number, limitMs: number): boolean {
  for (let left = STEPS; left >= 0; left--) {
    if (Atomics.wait(words, index, value, limitMs / STEPS) !== "timed-out") return true;
  }
  return false;
}
