// How long to wait before the next attempt: twice as long after each failure, up to a bound, and a random half of it
// less, so that those who lost the same peer at the same time do not all come back at the same time.

import { requireKnown, requireWhole } from "./codec.ts";

export interface BackOffOptions {
  /** After the first failure. Default 100 ms. */
  readonly leastMs?: number;
  /** Default 30 s. */
  readonly mostMs?: number;
}

export class BackOff {
  readonly #leastMs: number;
  readonly #mostMs: number;
  #failures = 0;

  constructor(options: BackOffOptions = {}) {
    requireKnown(options, ["leastMs", "mostMs"]);
    const { leastMs = 100, mostMs = 30_000 } = options;
    requireWhole("leastMs", leastMs, 1, 2 ** 31 - 1);
    requireWhole("mostMs", mostMs, leastMs, 2 ** 31 - 1);
    this.#leastMs = leastMs;
    this.#mostMs = mostMs;
  }

  /** @param chance from 0 up to 1 */
  failed(chance: number): number {
    const full = Math.min(this.#mostMs, this.#leastMs * 2 ** Math.min(this.#failures++, 31));
    return Math.ceil(full * (1 - chance / 2));
  }

  succeeded(): void {
    this.#failures = 0;
  }
}
