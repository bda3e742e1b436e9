// The time in which the guest of `ringway vm` must attach (--boot-timeout).
//
//   QEMU starts ── its doorbell answers ──> a machine ── the guest attaches ──> over, in time
//        └──────────────── the time is up ────┴──> over, late: what did not come is said
//
// Only the first boot counts: a machine that is reset later may take its time.

import { Deadline } from "@ringway/linux";
import type { Monitor } from "@ringway/monitor";

export class BootLimit {
  readonly #deadline: Deadline;
  #hasMachine = false;

  /** Calls `late` once with what did not come in time, unless the guest attaches, or it is cancelled. */
  constructor(monitor: Pick<Monitor, "once">, limitMs: number, late: (problem: string) => void) {
    this.#deadline = new Deadline(limitMs, () => late(this.#problem(limitMs)));
    monitor.once("guest", () => {
      this.#hasMachine = true;
    });
    monitor.once("attached", () => this.cancel());
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
