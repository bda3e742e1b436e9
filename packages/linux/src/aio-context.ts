// The kernel's asynchronous I/O (io_setup(2), io_submit(2), io_getevents(2)), as aio.ts and read-batch.ts use it: a
// context, which takes requests (struct iocb) and keeps their completions (struct io_event) until somebody takes them.
//
// A context is its thread's, and lives as long as the process.

import { Errno } from "./errno.ts";
import { isX64, outcome, scratch, syscall } from "./libc.ts";

const setupCall = syscall(["uint32_t", "uintptr_t"]);
const submitCall = syscall(["uintptr_t", "intptr_t", "uintptr_t"]);
const cancelCall = syscall(["uintptr_t", "uintptr_t", "uintptr_t"]);
const getEventsCall = syscall(["uintptr_t", "intptr_t", "intptr_t", "uintptr_t", "uintptr_t"]);

const SYS = {
  setup: isX64 ? 206 : 0,
  getEvents: isX64 ? 208 : 4,
  submit: isX64 ? 209 : 2,
  cancel: isX64 ? 210 : 3,
};

export const IOCB_BYTES = 64;
export const EVENT_BYTES = 32;

/** No time: completions that are there are taken, none is waited for. */
const now = scratch(16);

/** With room for so many completions; undefined: this kernel, or a filter of system calls, has no asynchronous I/O. */
export function createContext(completions: number): number | undefined {
  const id = scratch(8);
  if (outcome(setupCall(SYS.setup, completions, id.address)) < 0) return undefined;
  return Number(id.view.getBigUint64(0, true));
}

/** `requests`: where the requests' addresses are. How many the kernel has taken, or -errno of the first. Hot. */
export function submit(context: number, count: number, requests: number): number {
  return outcome(submitCall(SYS.submit, context, count, requests));
}

/** Takes completions that are there, `most` at the most. Hot. */
export function takeEvents(context: number, most: number, events: number): number {
  return outcome(getEventsCall(SYS.getEvents, context, 0, most, events, now.address));
}

/** Takes `count` completions, when all of them are there. Hot. */
export function awaitEvents(context: number, count: number, events: number): number {
  for (;;) {
    const taken = outcome(getEventsCall(SYS.getEvents, context, count, count, events, 0));
    if (taken !== -Errno.EINTR) return taken;
  }
}

export function cancel(context: number, request: number, result: number): void {
  cancelCall(SYS.cancel, context, request, result);
}
