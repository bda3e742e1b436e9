// A time limit on Node's loop that looks at what has happened first. The loop runs timers before it looks at sockets: in a process
// that was stopped for a while (SIGSTOP, a suspended machine) a timer alone would end what has its answer there already.
//
//   timers ── due ──▶ sockets: the answer may come, and cancel ──▶ immediates: over

export class Deadline {
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  /** Calls back once, unless it is cancelled. */
  constructor(ms: number, over: () => void) {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#immediate = setImmediate(over);
    }, ms);
  }

  cancel(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
  }
}
