// When the loop looks for work before it sleeps, and when it does not: counts only, no clock of its own.
//
// A poll that finds something spares two switches between threads; one that finds nothing has cost its whole time. And
// each gives way to whoever else wants this processor (sched_yield), where a thread that computes stays until the
// kernel's next tick, milliseconds later: one that has yielded is not woken. A thread that sleeps is, and goes first.

/** Polls that find nothing before polling pauses, and how many sleeps it then skips. */
const MISSES_MAX = 8;
const PAUSE_SLEEPS = 32;
/** A poll that ends so much too late says that somebody else wants the processor for long. */
const LATE_MS = 0.2;
const LATE_PAUSE_SLEEPS = 256;

export class Polling {
  #misses = 0;
  #pause = 0;

  /** Before each sleep: look for work first? */
  begin(): boolean {
    if (this.#pause === 0) return true;
    this.#pause--;
    return false;
  }

  /** There was work. */
  hit(): void {
    this.#misses = 0;
  }

  /** There was none, and the poll ended `lateMs` after its time. */
  miss(lateMs: number): void {
    this.#misses++;
    if (lateMs <= LATE_MS && this.#misses < MISSES_MAX) return;
    this.#misses = 0;
    this.#pause = lateMs > LATE_MS ? LATE_PAUSE_SLEEPS : PAUSE_SLEEPS;
  }
}
