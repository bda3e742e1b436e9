// How late the reactor sees what comes: it is asked again and again while somebody scrapes the metrics, and left alone
// where nobody does, since each question wakes it.
//
// One question waits at a time. What those behind it would have waited, had they been asked meanwhile, counts as well:
// a reactor that stands still for a second is late for all that comes in it.

import { Histogram } from "../reactor/histogram.ts";
import type { ReactorHandle } from "./reactor-handle.ts";

const EVERY_MS = 250;
/** After the last scrape: longer than anybody waits between two. */
const KEPT_ON_MS = 10 * 60_000;
const LAG_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export class LagProbe {
  readonly times: Histogram = new Histogram(LAG_SECONDS);
  readonly #reactor: ReactorHandle;
  #untilMs = 0;
  #isOn = false;

  constructor(reactor: ReactorHandle) {
    this.#reactor = reactor;
  }

  /** Somebody wants to know. */
  keepOn(): void {
    this.#untilMs = performance.now() + KEPT_ON_MS;
    if (this.#isOn) return;
    this.#isOn = true;
    this.#ask();
  }

  #ask(): void {
    this.#reactor.lag().then(
      (seconds) => {
        for (let left = seconds; left > 0; left -= EVERY_MS / 1000) this.times.observe(left);
        this.#isOn = performance.now() < this.#untilMs;
        if (this.#isOn) setTimeout(() => this.#ask(), EVERY_MS).unref();
      },
      // Nobody is there any more.
      () => {},
    );
  }
}
