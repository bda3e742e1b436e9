// Giving way to others on the same processor: busy polling must not starve whoever it waits for.

import { libcCall } from "./libc.ts";

const schedYieldCall = libcCall("sched_yield", "int", []);

/** Lets another runnable thread go first (sched_yield(2)). Never fails on Linux. */
export function yieldProcessor(): void {
  schedYieldCall();
}
