// The time in which the guest of `ringway vm` must attach (--boot-timeout).
//
//   QEMU starts ── its doorbell answers ──> a machine ── the guest attaches ──> over, in time
//        └──────────────── the time is up ────┴──> over, late: what did not come is said
//
// Only the first boot counts: a machine that is reset later may take its time. One that ends by itself before that has
// failed, too: a kernel that panics under -no-reboot ends QEMU with 0.

import { Deadline } from "@ringway/linux";
import type { Monitor } from "@ringway/monitor";

export class BootLimit {
  readonly #deadline: Deadline;
  #hasMachine = false;
  #hasGuest = false;

  /** Calls `late` once with what did not come in time, unless the guest attaches, or it is cancelled. */
  constructor(monitor: Pick<Monitor, "once">, limitMs: number, late: (problem: string) => void) {
    this.#deadline = new Deadline(limitMs, () => late(this.#problem(limitMs)));
    monitor.once("guest", () => {
      this.#hasMachine = true;
    });
    monitor.once("attached", () => {
      this.#hasGuest = true;
      this.cancel();
    });
  }

  /** Whether a guest has attached, ever. */
  get hasGuest(): boolean {
    return this.#hasGuest;
  }

  cancel(): void {
    this.#deadline.cancel();
  }

  #problem(limitMs: number): string {
    const within = `within ${limitMs % 1000 === 0 ? `${limitMs / 1000} s` : `${limitMs} ms`} (--boot-timeout)`;
    return this.#hasMachine
      ? `no guest has attached ${within}: does it start ringway-agent, or a program that attaches?`
      : `QEMU has not opened its doorbell ${within}: the machine has not started`;
  }
}
