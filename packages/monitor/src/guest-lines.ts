// What is said of one guest to the main thread: its log lines, its refusals and violations, its coming and going. No line
// is dropped; a guest that causes more than the main thread takes, or than its policy allows in a second, is held: nothing
// of it is stepped until it may go on.

import type { Host } from "./host.ts";
import { type LineMessage, priced } from "./line-cost.ts";
import type { Limits } from "./policy/types.ts";
import type { LineQuota } from "./quotas.ts";

/** Lines that the main thread has not taken yet, and their bytes, before the guest must wait: bounds what it can make us hold. */
const LINES_AHEAD = 256;
const BYTES_AHEAD = 64 * 1024;

export class GuestLines {
  readonly #host: Host;
  readonly #limits: () => Limits;
  readonly #goOn: () => void;
  readonly #quota: LineQuota;
  /** Since the main thread was last known to have taken all. */
  #linesAhead = 0;
  #bytesAhead = 0;
  #held = false;

  /** `limits`: the policy's, as of now. `goOn` is called when the guest is held no more. */
  constructor(host: Host, quota: LineQuota, limits: () => Limits, goOn: () => void) {
    this.#host = host;
    this.#quota = quota;
    this.#limits = limits;
    this.#goOn = goOn;
  }

  get held(): boolean {
    return this.#held;
  }

  post(line: LineMessage): void {
    const { message, bytes } = priced(line);
    this.#host.post(message);
    this.#linesAhead++;
    this.#bytesAhead += bytes;
    this.#quota.add(bytes, this.#limits(), performance.now());
    if (this.#held) return;
    if (this.#linesAhead >= LINES_AHEAD || this.#bytesAhead >= BYTES_AHEAD) {
      this.#held = true;
      this.#host.whenTaken(() => {
        this.#linesAhead = 0;
        this.#bytesAhead = 0;
        this.#goOnWithinQuota();
      });
    } else this.#holdForQuota();
  }

  #goOnWithinQuota(): void {
    if (this.#holdForQuota()) return;
    this.#held = false;
    this.#goOn();
  }

  /** Past the quota the guest waits, also one that comes anew on an account that is used up. True: it does. */
  #holdForQuota(): boolean {
    const restMs = this.#quota.restMs(this.#limits(), performance.now());
    if (restMs === 0) return false;
    this.#held = true;
    this.#host.counters.add("quotaLines");
    this.#host.reactor.after(restMs, () => this.#goOnWithinQuota());
    return true;
  }
}
