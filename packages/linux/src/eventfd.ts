// Eventfd doorbells: a counter in the kernel that only ever says "look again".
//
// Invariant: a bell that was rung is seen by the next drain or epoll_wait of the other side. A bell carries no data:
// a full counter (EAGAIN) is a bell that is already ringing.
//
// A descriptor that was passed on shares its flags with whoever got it: the other side may clear O_NONBLOCK at any
// time, and fill or empty the counter between our look and our call. So drainEventfd() asks with RWF_NOWAIT, and
// ringForeign() has the kernel ring (as the completion of an asynchronous poll that is ready at once), which never
// waits.

import { AsyncPoll } from "./aio.ts";
import { closeFd } from "./descriptor.ts";
import { Errno } from "./errno.ts";
import { failure, isX64, libcCall, outcome, putI64, putPath, scratch, syscall } from "./libc.ts";
import { POLLOUT } from "./poll.ts";
import { check } from "./system-error.ts";

const eventfdCall = libcCall("eventfd", "int", ["uint32_t", "int"]);
const memfdCreateCall = libcCall("memfd_create", "int", ["uintptr_t", "uint32_t"]);
const readCall = libcCall("read", "intptr_t", ["int", "uintptr_t", "size_t"]);
const writeCall = libcCall("write", "intptr_t", ["int", "uintptr_t", "size_t"]);

const preadv2Call = syscall(["int", "uintptr_t", "size_t", "int64_t", "intptr_t", "int"]);
const PREADV2 = isX64 ? 327 : 286;
const RWF_NOWAIT = 8;

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const MFD_CLOEXEC = 1;

const one = scratch(8);
one.bytes[0] = 1;
const count = scratch(8);
const iovec = scratch(16);
putI64(iovec.view, 0, count.address);
putI64(iovec.view, 8, 8);

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

/** A wait that is over at once. undefined: not made yet. */
let atOnce: AsyncPoll | undefined;

/**
 * For a file, which is always ready: nothing is put into a queue for it and taken out again, a sixth of such a ring.
 * Before Linux 5.1 nobody could wait for one; then for an eventfd. undefined: no descriptor is left.
 */
function createAtOnce(): AsyncPoll | undefined {
  const eventfd = outcome(eventfdCall(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (eventfd < 0) return undefined;
  putPath(count, "ready");
  const file = outcome(memfdCreateCall(count.address, MFD_CLOEXEC));
  if (file >= 0) {
    const poll = new AsyncPoll(file, POLLOUT);
    if (poll.submit(eventfd) === 0) {
      closeFd(eventfd);
      return poll;
    }
    closeFd(file);
  }
  return new AsyncPoll(eventfd, POLLOUT);
}

/**
 * ringEventfd() for a descriptor that the other side holds as well: never waits, whatever it does to flags and counter.
 * 0 or -errno. Where there is no asynchronous I/O it is ringEventfd(), and a hostile side could stop the caller. Hot.
 */
export function ringForeign(fd: number): number {
  atOnce ??= createAtOnce();
  if (atOnce === undefined) return ringEventfd(fd);
  const submitted = atOnce.submit(fd);
  return submitted === -Errno.ENOSYS || submitted === -Errno.EAGAIN ? ringEventfd(fd) : submitted;
}

/** Takes what is pending: the number of rings since the last drain, 0 where none, or -errno. Never waits. Hot. */
export function drainEventfd(fd: number): number {
  for (;;) {
    if (preadv2Call(PREADV2, fd, iovec.address, 1, -1, -1, RWF_NOWAIT) === 8) return taken();
    const error = failure();
    if (error === -Errno.EAGAIN) return 0;
    if (error === -Errno.EOPNOTSUPP || error === -Errno.ENOSYS) return drainByRead(fd);
    if (error !== -Errno.EINTR) return error;
  }
}

/** For kernels before 5.8: waits where the other side has cleared O_NONBLOCK. */
function drainByRead(fd: number): number {
  for (;;) {
    if (readCall(fd, count.address, 8) === 8) return taken();
    const error = failure();
    if (error === -Errno.EAGAIN) return 0;
    if (error !== -Errno.EINTR) return error;
  }
}

function taken(): number {
  return count.view.getUint32(0, true) + count.view.getUint32(4, true) * 2 ** 32;
}
