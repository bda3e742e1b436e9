// Where the policy says `audit: required`, the way for guests that cause audit lines: shut while none can be written. A
// guest waits behind its first line; who causes none never comes here. What waits to be written is bounded: each guest
// waits behind its line, or where it ends, behind one for each stream that it had open; and past BYTES_WAITING_MAX,
// which only guests reach that cause lines and go, no guest begins.

/** Of lines that were caused while the gate was shut. */
const BYTES_WAITING_MAX = 1024 * 1024;

export class AuditGate {
  #isOpen = true;
  #bytesWaiting = 0;
  #waiting: (() => void)[] = [];

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** May a guest begin? */
  get takesGuests(): boolean {
    return this.#bytesWaiting < BYTES_WAITING_MAX;
  }

  /** Counts a line. */
  add(bytes: number): void {
    if (!this.#isOpen) this.#bytesWaiting += bytes;
  }

  /** Calls back when it is open again. */
  wait(callback: () => void): void {
    this.#waiting.push(callback);
  }

  /** As the main thread says. */
  set(isOpen: boolean): void {
    this.#isOpen = isOpen;
    if (!isOpen) return;
    this.#bytesWaiting = 0;
    for (const callback of this.#waiting.splice(0)) callback();
  }
}
