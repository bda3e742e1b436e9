// Lookups that no server has answered, for whoever looks after the host: a line of the log for each name, with why. A
// name that does not exist is no failure.
//
// Guests choose the names, and ask again: in a second each name has one line, and so have NAMES_MAX names. How many
// others there were is in the next line.

const WINDOW_MS = 1000;
const NAMES_MAX = 4;

/** Writes a line. */
type Log = (fields: { readonly lookup: string; readonly others?: number }, text: string) => void;

export class FailedLookups {
  readonly #log: Log;
  readonly #nowMs: () => number;
  readonly #told: Set<string> = new Set();
  #endMs = 0;
  #untold = 0;

  constructor(log: Log, nowMs: () => number = () => performance.now()) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  /** `what`: a name or an address. */
  failed(what: string, why: string): void {
    const nowMs = this.#nowMs();
    if (nowMs >= this.#endMs) {
      this.#told.clear();
      this.#endMs = nowMs + WINDOW_MS;
    }
    if (this.#told.has(what)) return;
    if (this.#told.size >= NAMES_MAX) {
      this.#untold++;
      return;
    }
    this.#told.add(what);
    const others = this.#untold === 0 ? {} : { others: this.#untold };
    this.#untold = 0;
    this.#log({ lookup: what, ...others }, `no answer about ${what}: ${why}`);
  }
}
