// Whether to look again before sleeping: for a short time after activity, and only while that pays.
//
// A window that ends with work found spares a wake-up through the kernel; one that ends without has cost its whole
// time. The score counts the one against the other; while it is low, only every 16th window is tried.

const SCORE_MAX = 32;
const SCORE_LOW = 8;
const PROBE_EVERY = 16;
/**
 * A processor that comes back so much too late has somebody else on it for long: a program that sleeps instead is
 * woken in time.
 */
const LATE_MS = 0.2;
const LATE_PAUSE_SLEEPS = 256;

export class BusyPoll {
  readonly #windowMs: number;
  #open = false;
  #until = 0;
  #score: number = SCORE_MAX / 2;
  #skipped = 0;
  /** Windows that are not opened. */
  #pause = 0;

  constructor(windowUs: number) {
    this.#windowMs = windowUs / 1000;
  }

  /** There is nothing to do. True: look again. */
  look(): boolean {
    if (!this.#open) return this.#begin();
    if (performance.now() < this.#until) return true;
    this.#open = false;
    this.#score = Math.max(0, this.#score - 1);
    return false;
  }

  /** The processor was given up, and came back. */
  yielded(): void {
    if (performance.now() <= this.#until + LATE_MS) return;
    this.#open = false;
    this.#pause = LATE_PAUSE_SLEEPS;
  }

  /** There was something to do. */
  found(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#score = Math.min(SCORE_MAX, this.#score + 1);
  }

  /** The host was given something to do: an answer may come. True: look for it. */
  restart(): boolean {
    if (!this.#open) return this.#begin();
    this.#until = performance.now() + this.#windowMs;
    return true;
  }

  #begin(): boolean {
    if (this.#windowMs === 0) return false;
    if (this.#pause > 0) {
      this.#pause--;
      return false;
    }
    if (this.#score < SCORE_LOW && ++this.#skipped % PROBE_EVERY !== 0) return false;
    this.#open = true;
    this.#until = performance.now() + this.#windowMs;
    return true;
  }
}
