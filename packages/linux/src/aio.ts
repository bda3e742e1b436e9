// Asynchronous polls (io_submit(2), IOCB_CMD_POLL): the kernel waits until a descriptor is ready, and then rings an
// eventfd by itself. Whatever others who hold the two do to their flags and counters, nobody here waits.
//
// Each thread has one context. Invariant: it never runs out of room for completions, which nobody reads: they are
// thrown away long before.

import { cancel, createContext, EVENT_BYTES, IOCB_BYTES, submit, takeEvents } from "./aio-context.ts";
import { Errno } from "./errno.ts";
import { putI64, type Scratch, scratch } from "./libc.ts";

const IOCB_CMD_POLL = 5;
const IOCB_FLAG_RESFD = 1;
/**
 * Requests and completions that the kernel keeps for us, and how many are submitted before completions are thrown away.
 */
const COMPLETIONS = 64;
const SUBMITS_PER_REAP = 32;

interface Context {
  readonly id: number;
  /** Where the kernel puts completions. */
  readonly events: Scratch;
  sinceReap: number;
}

/** undefined: not tried yet; null: this kernel, or a filter of system calls, has no asynchronous I/O. */
let context: Context | null | undefined;

function begin(): Context | null {
  const id = createContext(COMPLETIONS);
  return id === undefined ? null : { id, events: scratch(EVENT_BYTES * COMPLETIONS), sinceReap: 0 };
}

function reap(context: Context): void {
  context.sinceReap = 0;
  takeEvents(context.id, COMPLETIONS, context.events.address);
}

/** One wait, again and again. */
export class AsyncPoll {
  // struct iocb: data u64 | key u32, rw_flags u32 | opcode u16, prio i16, fd u32 | buf u64 | nbytes u64 | offset u64 |
  // reserved u64 | flags u32, resfd u32
  readonly #request: Scratch = scratch(IOCB_BYTES);
  readonly #requests: Scratch = scratch(8);
  readonly #result: Scratch = scratch(EVENT_BYTES);

  /** Until `fd` has one of `events` (POLL*). Whoever holds this keeps `fd` open. */
  constructor(fd: number, events: number) {
    const { view, address } = this.#request;
    view.setUint16(16, IOCB_CMD_POLL, true);
    view.setUint32(20, fd, true);
    putI64(view, 24, events);
    view.setUint32(56, IOCB_FLAG_RESFD, true);
    putI64(this.#requests.view, 0, address);
  }

  /**
   * Has `eventfd` rung once, as soon as it is so; the wait before must be over, or cancelled. 0 or -errno: -ENOSYS
   * where there is no asynchronous I/O, -EAGAIN where too much is under way, -EINVAL for what cannot be polled or rung.
   * Never waits. Hot.
   */
  submit(eventfd: number): number {
    if (context === undefined) context = begin();
    if (context === null) return -Errno.ENOSYS;
    this.#request.view.setInt32(60, eventfd, true);
    if (++context.sinceReap >= SUBMITS_PER_REAP) reap(context);
    let submitted = submit(context.id, 1, this.#requests.address);
    if (submitted === -Errno.EAGAIN) {
      reap(context);
      submitted = submit(context.id, 1, this.#requests.address);
    }
    return Math.min(submitted, 0);
  }

  /** Ends a wait that is under way. */
  cancel(): void {
    if (context) cancel(context.id, this.#request.address, this.#result.address);
  }
}
