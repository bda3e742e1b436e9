// Pieces of work that are nobody's: guests' coming and going. A neighbour's round trip passes the reactor twice, and
// meets one of them and not two: while guests are there, a piece has its turn a while after whatever asked for it, and
// after the piece before.
//
//   put() ── first in the line, and rested ──▶ runFirst() ── rests, where guests are there ──▶ the next

import { performance } from "node:perf_hooks";
import { TaskQueue } from "./tasks.ts";

/** Between two pieces: some round trips. A guest that comes and goes has five, and there may be 250 a second. */
const REST_MS = 0.2;

export class Pieces {
  readonly #queue: TaskQueue = new TaskQueue();
  /** The first of them does not begin before this moment. */
  #dueMs = Number.NEGATIVE_INFINITY;

  get some(): boolean {
    return this.#queue.length > 0;
  }

  /** Somebody asks for `run`, beside guests or alone. */
  put(run: () => void, besideGuests: boolean): void {
    if (besideGuests && !this.some) this.#rest();
    this.#queue.put({ queued: false, run });
  }

  /** Is there one, and is it time for it? */
  isDue(): boolean {
    return this.some && performance.now() >= this.#dueMs;
  }

  /** Of the first. */
  untilDueMs(nowMs: number): number {
    return Math.max(0, this.#dueMs - nowMs);
  }

  runFirst(besideGuests: boolean): void {
    this.#queue.runFirst();
    if (besideGuests) this.#rest();
  }

  #rest(): void {
    this.#dueMs = performance.now() + REST_MS;
  }
}
