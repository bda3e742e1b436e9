// Messages on a Unix socket of type SEQPACKET, and the descriptors that they carry (SCM_RIGHTS). A message keeps its
// bounds.
//
// Invariant: a descriptor that came with a message is either in the result or closed: never left open unnamed.

import { closeFd } from "./descriptor.ts";
import { Errno } from "./errno.ts";
import { addressOf, failure, libcCall, outcome, scratch } from "./libc.ts";
import { POLLIN, PollSet } from "./poll.ts";

const sendmsgCall = libcCall("sendmsg", "intptr_t", ["int", "uintptr_t", "int"]);
const recvCall = libcCall("recv", "intptr_t", ["int", "uintptr_t", "size_t", "int"]);
const setsockoptCall = libcCall("setsockopt", "int", ["int", "int", "int", "uintptr_t", "uint32_t"]);
const recvmsgCall = libcCall("recvmsg", "intptr_t", ["int", "uintptr_t", "int"]);

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SO_PASSCRED = 16;
const MSG_PEEK = 0x02;
const MSG_CTRUNC = 0x08;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;

// struct msghdr (64-bit):  name ptr 0 | name length u32 8 | iov ptr 16 | iov count u64 24 |
//                          control ptr 32 | control bytes u64 40 | flags i32 48          = 56
// struct iovec:            base ptr 0 | bytes u64 8                                       = 16
// struct cmsghdr:          bytes u64 0, this header included | level i32 8 | type i32 12   = 16, then the descriptors
// musl has 32-bit lengths with padding in these places, which in little-endian is the same.
const header = scratch(56 + 16);
const iovecOffset = 56;
const passCredentials = scratch(4);
const controlHeaderBytes = 16;

/** The most descriptors in one message: Linux's SCM_MAX_FD. */
export const maxFdsPerMessage = 253;
const control = scratch(controlHeaderBytes + maxFdsPerMessage * 4 + 4);

/**
 * Sends one message, of at least one byte, with copies of `fds`: the bytes sent, which are all of them; or -errno
 * (-EAGAIN, -EPIPE, -EMSGSIZE, -EINVAL where there are no bytes or too many descriptors). The caller keeps its own
 * `fds`.
 */
export function sendWithFds(fd: number, bytes: Uint8Array, fds: readonly number[] = []): number {
  // An empty message could not be told from the end.
  if (bytes.length === 0 || fds.length > maxFdsPerMessage) return -Errno.EINVAL;
  const payload = new Uint8Array(bytes).buffer;
  const controlBytes = fds.length === 0 ? 0 : controlHeaderBytes + fds.length * 4;
  putHeader(addressOf(payload), bytes.length, controlBytes);
  if (controlBytes > 0) {
    control.view.setBigUint64(0, BigInt(controlBytes), true);
    control.view.setInt32(8, SOL_SOCKET, true);
    control.view.setInt32(12, SCM_RIGHTS, true);
    fds.forEach((each, i) => {
      control.view.setInt32(controlHeaderBytes + i * 4, each, true);
    });
  }
  for (;;) {
    const count = sendmsgCall(fd, header.address, MSG_NOSIGNAL | MSG_DONTWAIT);
    // The copy must live until here: a use after the call, so that it is not collected during it.
    if (count >= 0) return Math.min(count, payload.byteLength);
    const error = failure();
    if (error !== -Errno.EINTR) return error;
  }
}

/** One message and the descriptors that came with it, which are the caller's to close. No bytes: the end. */
export interface Message {
  readonly bytes: Uint8Array;
  readonly fds: number[];
}

/**
 * Receives one message, waiting at most `timeoutMs` for it (0: not at all; -1: without limit). -EAGAIN where there is
 * none; -EMSGSIZE where it has more bytes than `maxBytes`, or more descriptors than `maxFds`, or this process has no
 * room for them: whatever came is closed and the message is lost; -ECONNRESET, ... Descriptors are close-on-exec.
 */
export function receiveWithFds(
  fd: number,
  maxBytes: number,
  maxFds: number,
  timeoutMs = 0,
): Message | number {
  const ready = timeoutMs === 0 ? 0 : waitReadable(fd, timeoutMs);
  if (ready < 0) return ready;
  const payload = new ArrayBuffer(maxBytes);
  const fdRoom = Math.min(maxFds, maxFdsPerMessage);
  // Not rounded up to the alignment: with room for one more the kernel would give one more. Without room for any it
  // would say nothing of those it drops, so there is always the header.
  putHeader(addressOf(payload), maxBytes, controlHeaderBytes + fdRoom * 4);
  let count: number;
  for (;;) {
    count = recvmsgCall(fd, header.address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count >= 0) break;
    const error = failure();
    if (error !== -Errno.EINTR) return error;
  }
  const fds = takeFds();
  const flags = header.view.getInt32(48, true);
  if ((flags & (MSG_TRUNC | MSG_CTRUNC)) !== 0 || fds.length > maxFds) {
    for (const each of fds) closeFd(each);
    return -Errno.EMSGSIZE;
  }
  return { bytes: new Uint8Array(payload, 0, count), fds };
}

/** What receiveRecord() gives where there is none any more. */
export const NO_MORE_RECORDS = -1_000_000;

/**
 * Has each record told from the end, for receiveRecord(): of a socket that is connected. 0 or -errno.
 */
export function tellRecords(fd: number): number {
  passCredentials.view.setInt32(0, 1, true);
  const count = setsockoptCall(fd, SOL_SOCKET, SO_PASSCRED, passCredentials.address, 4);
  return count >= 0 ? count : failure();
}

/**
 * Receives one record into memory, of a socket that tellRecords() has seen: its bytes, 0 as well; NO_MORE_RECORDS;
 * -EMSGSIZE where it is longer, and lost; -EAGAIN, -ECONNRESET, ... Descriptors that come along are closed by the
 * kernel. Never waits.
 *
 * An empty record and the end are both 0 bytes. With a record the kernel has credentials to give, and says so where
 * there is no room for them.
 */
export function receiveRecord(fd: number, address: number, maxBytes: number): number {
  putHeader(address, maxBytes, 0);
  const count = recvmsgCall(fd, header.address, MSG_DONTWAIT);
  if (count < 0) return failure();
  const flags = header.view.getInt32(48, true);
  if ((flags & MSG_TRUNC) !== 0) return -Errno.EMSGSIZE;
  return count === 0 && (flags & MSG_CTRUNC) === 0 ? NO_MORE_RECORDS : count;
}

/**
 * Has a message come that nobody has received? Of a socket that is shut, so that none comes any more. Looking changes
 * nothing, but for what tellRecords() sets.
 */
export function hasMessage(fd: number): boolean {
  tellRecords(fd);
  putHeader(0, 0, 0);
  let count = -Errno.ECONNRESET;
  // An error that is pending is told once, before what has come.
  for (let tries = 0; count === -Errno.ECONNRESET && tries < 2; tries++) {
    count = outcome(recvmsgCall(fd, header.address, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT));
  }
  if (count < 0) return count !== -Errno.EAGAIN;
  // As in receiveRecord(): an empty message, and the end.
  return count > 0 || (header.view.getInt32(48, true) & MSG_CTRUNC) !== 0;
}

/** How many bytes the next record has, which stays; 0 where there is none; or -errno. Never waits. */
export function nextRecordBytes(fd: number): number {
  const count = recvCall(fd, 0, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
  return count >= 0 ? count : failure();
}

/** Waits until there is something to receive: 0, -EAGAIN when the time is over, or another -errno. */
function waitReadable(fd: number, timeoutMs: number): number {
  const set = new PollSet([{ fd, events: POLLIN }]);
  const end = performance.now() + timeoutMs;
  let left = timeoutMs;
  for (;;) {
    const count = set.wait(left);
    if (count < 0) return count;
    if (count > 0) return 0;
    if (timeoutMs < 0) continue;
    left = Math.ceil(end - performance.now());
    if (left <= 0) return -Errno.EAGAIN;
  }
}

function putHeader(payload: number, payloadBytes: number, controlBytes: number): void {
  const { view } = header;
  header.bytes.fill(0);
  view.setBigUint64(16, BigInt(header.address + iovecOffset), true);
  view.setBigUint64(24, 1n, true);
  if (controlBytes > 0) view.setBigUint64(32, BigInt(control.address), true);
  view.setBigUint64(40, BigInt(controlBytes), true);
  view.setBigUint64(iovecOffset, BigInt(payload), true);
  view.setBigUint64(iovecOffset + 8, BigInt(payloadBytes), true);
}

/** The descriptors of all SCM_RIGHTS in the control area. */
function takeFds(): number[] {
  const fds: number[] = [];
  const end = header.view.getUint32(40, true);
  let at = 0;
  while (at + controlHeaderBytes <= end) {
    const bytes = control.view.getUint32(at, true);
    if (bytes < controlHeaderBytes || at + bytes > end) break;
    const isRights =
      control.view.getInt32(at + 8, true) === SOL_SOCKET &&
      control.view.getInt32(at + 12, true) === SCM_RIGHTS;
    for (let i = at + controlHeaderBytes; isRights && i + 4 <= at + bytes; i += 4) {
      fds.push(control.view.getInt32(i, true));
    }
    at += (bytes + 7) & ~7;
  }
  return fds;
}
