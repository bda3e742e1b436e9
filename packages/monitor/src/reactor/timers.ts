// Deadlines, in milliseconds of the reactor's clock: a binary heap. Cancelled timers stay in it until they come up.

export interface Timer {
  readonly dueMs: number;
  /** Cleared when it has fired or was cancelled. */
  callback: (() => void) | undefined;
}

export class Timers {
  readonly #heap: Timer[] = [];

  /** Calls back once, at or after `dueMs`. */
  add(dueMs: number, callback: () => void): Timer {
    const timer: Timer = { dueMs, callback };
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.dueMs <= dueMs) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
    return timer;
  }

  cancel(timer: Timer | undefined): void {
    if (timer !== undefined) timer.callback = undefined;
  }

  /** Milliseconds until the first one, at least 0; undefined where there is none. */
  untilNextMs(nowMs: number): number | undefined {
    this.#dropCancelled();
    const first = this.#heap[0];
    return first === undefined ? undefined : Math.max(0, first.dueMs - nowMs);
  }

  /** Fires what is due. */
  run(nowMs: number): void {
    for (;;) {
      this.#dropCancelled();
      const first = this.#heap[0];
      if (first === undefined || first.dueMs > nowMs) return;
      const callback = first.callback!;
      first.callback = undefined;
      this.#pop();
      callback();
    }
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.callback === undefined) this.#pop();
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.dueMs < heap[child]!.dueMs) child++;
      if (heap[child]!.dueMs >= last.dueMs) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}
