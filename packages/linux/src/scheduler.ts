// Giving way to others on the same processor: busy polling must not starve whoever it waits for, and work that can wait
// must not delay what cannot.

import { libcCall } from "./libc.ts";

const niceCall = libcCall("nice", "int", ["int"]);
const schedYieldCall = libcCall("sched_yield", "int", []);

/** Lets another runnable thread go first (sched_yield(2)). Never fails on Linux. */
export function yieldProcessor(): void {
  schedYieldCall();
}

/**
 * This thread, and no other of the process, steps back by so many degrees of nice(2), up to 19. Never fails: it asks
 * for less.
 */
export function stepBack(degrees: number): void {
  niceCall(degrees);
}
