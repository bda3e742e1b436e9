// What is said of one guest to the main thread: its log lines, its refusals and violations, its coming and going. No line
// is dropped; a guest that causes more than the main thread takes, or than its policy allows in a second, is held: nothing
// of it is stepped until it may go on.

import type { Host } from "./host.ts";
import type { LineQuota } from "./quotas.ts";
import type { FromReactor } from "./reactor/messages.ts";

/** Lines that the main thread has not taken yet, before the guest must wait: bounds what it can make us hold. */
const LINES_AHEAD = 256;

export class GuestLines {
  readonly #host: Host;
  readonly #perSecond: () => number;
  readonly #goOn: () => void;
  readonly #quota: LineQuota;
  /** Lines since the main thread was last known to have taken all. */
  #ahead = 0;
  #held = false;

  /** `perSecond`: the policy's limit, as of now. `goOn` is called when the guest is held no more. */
  constructor(host: Host, quota: LineQuota, perSecond: () => number, goOn: () => void) {
    this.#host = host;
    this.#quota = quota;
    this.#perSecond = perSecond;
    this.#goOn = goOn;
  }

  get held(): boolean {
    return this.#held;
  }

  post(message: FromReactor): void {
    this.#host.post(message);
    this.#ahead++;
    this.#quota.add(performance.now());
    if (this.#held) return;
    if (this.#ahead >= LINES_AHEAD) {
      this.#held = true;
      this.#host.whenTaken(() => {
        this.#ahead = 0;
        if (!this.#holdForQuota()) this.#release();
      });
    } else this.#holdForQuota();
  }

  /** Past the quota of a second the guest waits for the next. True: it does. */
  #holdForQuota(): boolean {
    const restMs = this.#quota.restMs(this.#perSecond(), performance.now());
    if (restMs === 0) return false;
    this.#held = true;
    this.#host.counters.add("quotaLines");
    this.#host.reactor.after(restMs, () => this.#release());
    return true;
  }

  #release(): void {
    this.#held = false;
    this.#goOn();
  }
}
