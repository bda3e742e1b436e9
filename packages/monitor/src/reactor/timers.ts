// Deadlines, in milliseconds of the reactor's clock: a binary heap. Cancelled timers stay in it until they come up, or
// until they are most of it: then it is built anew without them.

export interface Timer {
  readonly dueMs: number;
  /** Cleared when it has fired or was cancelled. */
  callback: (() => void) | undefined;
}

/** Fewer cancelled ones than this are not worth the work. */
const CANCELLED_KEPT = 1024;

export class Timers {
  #heap: Timer[] = [];
  #cancelled = 0;

  /** Calls back once, at or after `dueMs`. */
  add(dueMs: number, callback: () => void): Timer {
    const timer: Timer = { dueMs, callback };
    this.#push(timer);
    return timer;
  }

  cancel(timer: Timer | undefined): void {
    if (timer?.callback === undefined) return;
    timer.callback = undefined;
    if (++this.#cancelled < CANCELLED_KEPT || this.#cancelled * 2 < this.#heap.length) return;
    const kept = this.#heap.filter(({ callback }) => callback !== undefined);
    this.#heap = [];
    this.#cancelled = 0;
    for (const each of kept) this.#push(each);
  }

  /** Milliseconds until the first one, at least 0; undefined where there is none. */
  untilNextMs(nowMs: number): number | undefined {
    this.#dropCancelled();
    const first = this.#heap[0];
    return first === undefined ? undefined : Math.max(0, first.dueMs - nowMs);
  }

  /** Fires what is due; `fired` is called after each. */
  run(nowMs: number, fired: () => void = () => {}): void {
    for (;;) {
      this.#dropCancelled();
      const first = this.#heap[0];
      if (first === undefined || first.dueMs > nowMs) return;
      const callback = first.callback!;
      first.callback = undefined;
      this.#pop();
      callback();
      fired();
    }
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.callback === undefined) {
      this.#cancelled--;
      this.#pop();
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.dueMs <= timer.dueMs) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
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
