// Lookups that no server has answered, for whoever looks after the host: a line of the log for each name, with why. A
// name that does not exist is no failure.
//
// Guests choose the names, and ask again: in a second each name has one line, of the guest that asked first, and so
// have NAMES_MAX names. How many others there were is in the next line: names, each once, of which OTHERS_MAX are told
// apart.

const WINDOW_MS = 1000;
const NAMES_MAX = 4;
const OTHERS_MAX = 1024;

/** Writes a line. */
type Log = (
  fields: { readonly guest: string; readonly lookup: string; readonly others?: number },
  text: string,
) => void;

export class FailedLookups {
  readonly #log: Log;
  readonly #nowMs: () => number;
  readonly #told: Set<string> = new Set();
  #endMs = 0;
  readonly #untold: Set<string> = new Set();

  constructor(log: Log, nowMs: () => number = () => performance.now()) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  /** `what`: a name or an address; `guest`: who wanted to know. */
  failed(what: string, why: string, guest: string): void {
    const nowMs = this.#nowMs();
    if (nowMs >= this.#endMs) {
      this.#told.clear();
      this.#endMs = nowMs + WINDOW_MS;
    }
    if (this.#told.has(what)) return;
    if (this.#told.size >= NAMES_MAX) {
      if (this.#untold.size < OTHERS_MAX) this.#untold.add(what);
      return;
    }
    this.#told.add(what);
    // It has its line now.
    this.#untold.delete(what);
    const others = this.#untold.size === 0 ? {} : { others: this.#untold.size };
    this.#untold.clear();
    this.#log({ guest, lookup: what, ...others }, `no answer about ${what}: ${why}`);
  }
}
