// How fast single streams may be, beside what their guest and its key may: the operator's wish for a stream, as long as
// that is open. Both hold: bytes go by the lower of the two.

import { type RateLimit, UNLIMITED } from "../policy/types.ts";
import { type After, BYTES_GRAIN, Rate, type Waiter } from "./rates.ts";

/** By Direction. */
type Limits = readonly [toHost: RateLimit, toGuest: RateLimit];

export interface StreamRate {
  readonly limits: Limits;
  readonly rates: readonly [Rate, Rate];
}

const NONE: RateLimit = { perSecond: UNLIMITED, burst: UNLIMITED };

export class StreamRates {
  readonly #after: After;
  readonly #all: Map<Waiter, StreamRate> = new Map();

  constructor(after: After) {
    this.#after = after;
  }

  get some(): boolean {
    return this.#all.size > 0;
  }

  /** What is absent is as its guest's. Who waits for what was set before goes by this. */
  set(stream: Waiter, toHost: RateLimit = NONE, toGuest: RateLimit = NONE): void {
    const before = this.#all.get(stream);
    const limits: Limits = [toHost, toGuest];
    const rates = before?.rates ?? [new Rate(BYTES_GRAIN), new Rate(BYTES_GRAIN)];
    if (toHost === NONE && toGuest === NONE) this.#all.delete(stream);
    else this.#all.set(stream, { limits, rates });
    for (const way of [0, 1] as const) {
      rates[way].limitChanged(before?.limits[way] ?? NONE, limits[way], this.#after);
    }
  }

  /** Undefined: nothing was set for it. */
  of(stream: Waiter): StreamRate | undefined {
    return this.#all.get(stream);
  }

  /** It is over. */
  forget(stream: Waiter): void {
    for (const rate of this.#all.get(stream)?.rates ?? []) rate.forget(stream);
    this.#all.delete(stream);
  }
}
