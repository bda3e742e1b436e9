// Eventfd doorbells: a counter in the kernel that only ever says "look again".
//
// Invariant: a bell that was rung is seen by the next drain or epoll_wait of the other side. A bell carries no data:
// a full counter (EAGAIN) is a bell that is already ringing.

import { check, Errno } from "./errno.ts";
import { failure, libcCall, outcome, scratch } from "./libc.ts";

const eventfdCall = libcCall("eventfd", "int", ["uint32_t", "int"]);
const readCall = libcCall("read", "intptr_t", ["int", "uintptr_t", "size_t"]);
const writeCall = libcCall("write", "intptr_t", ["int", "uintptr_t", "size_t"]);

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

const one = scratch(8);
one.bytes[0] = 1;
const count = scratch(8);

/** A new eventfd, non-blocking and close-on-exec, with nothing pending. Throws SystemError. */
export function createEventfd(): number {
  return check(outcome(eventfdCall(0, EFD_CLOEXEC | EFD_NONBLOCK)), "eventfd");
}

/** Rings: 0, also where the counter is full; or -errno (-EBADF, or -EINVAL where `fd` is no eventfd). Hot. */
export function ringEventfd(fd: number): number {
  for (;;) {
    if (writeCall(fd, one.address, 8) === 8) return 0;
    const error = failure();
    if (error === -Errno.EAGAIN) return 0;
    if (error !== -Errno.EINTR) return error;
  }
}

/** Takes what is pending: the number of rings since the last drain, 0 where none, or -errno. Hot. */
export function drainEventfd(fd: number): number {
  for (;;) {
    if (readCall(fd, count.address, 8) === 8) {
      return count.view.getUint32(0, true) + count.view.getUint32(4, true) * 2 ** 32;
    }
    const error = failure();
    if (error === -Errno.EAGAIN) return 0;
    if (error !== -Errno.EINTR) return error;
  }
}
