// Unix sockets. Of type SEQPACKET: how a guest gets its region and its doorbells, and how each side notices that the
// other is gone; a message keeps its bounds and carries descriptors (SCM_RIGHTS). Of type STREAM: a VM's bell (channel.ts).
//
// Invariant: a descriptor that came with a message is either in the result or closed: never left open unnamed.
//
// All sockets made here are non-blocking and close-on-exec; whoever wants to wait gives a time.

import { closeFd, setNonBlocking } from "./descriptor.ts";
import { Errno } from "./errno.ts";
import { lstatKind } from "./files.ts";
import { addressOf, failure, libcCall, outcome, scratch } from "./libc.ts";
import {
  AF_UNIX,
  openSocket,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from "./open-socket.ts";
import { POLLIN, PollSet } from "./poll.ts";
import { check, SystemError } from "./system-error.ts";

const connectCall = libcCall("connect", "int", ["int", "uintptr_t", "uint32_t"]);
const bindCall = libcCall("bind", "int", ["int", "uintptr_t", "uint32_t"]);
const listenCall = libcCall("listen", "int", ["int", "int"]);
const acceptCall = libcCall("accept4", "int", ["int", "uintptr_t", "uintptr_t", "int"]);
const socketpairCall = libcCall("socketpair", "int", ["int", "int", "int", "uintptr_t"]);
const getsockoptCall = libcCall("getsockopt", "int", ["int", "int", "int", "uintptr_t", "uintptr_t"]);
const setsockoptCall = libcCall("setsockopt", "int", ["int", "int", "int", "uintptr_t", "uint32_t"]);
const sendmsgCall = libcCall("sendmsg", "intptr_t", ["int", "uintptr_t", "int"]);
const recvmsgCall = libcCall("recvmsg", "intptr_t", ["int", "uintptr_t", "int"]);
const fchmodCall = libcCall("fchmod", "int", ["int", "uint32_t"]);
const chmodCall = libcCall("chmod", "int", ["uintptr_t", "uint32_t"]);
const unlinkCall = libcCall("unlink", "int", ["uintptr_t"]);

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_SNDTIMEO = 21;
const SCM_RIGHTS = 1;
const MSG_CTRUNC = 0x08;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;

// struct sockaddr_un: family u16 | path 108, its NUL included
const pathOffset = 2;
const pathBytes = 108;
const sockaddr = scratch(pathOffset + pathBytes);
const sockaddrPath = sockaddr.address + pathOffset;
const option = scratch(16);
const optionLength = scratch(4);

// struct msghdr (64-bit):  name ptr 0 | name length u32 8 | iov ptr 16 | iov count u64 24 |
//                          control ptr 32 | control bytes u64 40 | flags i32 48          = 56
// struct iovec:            base ptr 0 | bytes u64 8                                       = 16
// struct cmsghdr:          bytes u64 0, this header included | level i32 8 | type i32 12   = 16, then the descriptors
// musl has 32-bit lengths with padding in these places, which in little-endian is the same.
const header = scratch(56 + 16);
const iovecOffset = 56;
const controlHeaderBytes = 16;

/** The most descriptors in one message: Linux's SCM_MAX_FD. */
export const maxFdsPerMessage = 253;
const control = scratch(controlHeaderBytes + maxFdsPerMessage * 4 + 4);

function putSocketPath(path: string): number {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length === 0 || bytes.includes(0)) return -Errno.EINVAL;
  if (bytes.length >= pathBytes) return -Errno.ENAMETOOLONG;
  sockaddr.bytes.fill(0);
  sockaddr.view.setUint16(0, AF_UNIX, true);
  sockaddr.bytes.set(bytes, pathOffset);
  return pathOffset + bytes.length + 1;
}

/** Throws SystemError (ENAMETOOLONG, EINVAL) where no socket can have this path: the bound is odd, and the remedy is not obvious. */
export function checkSocketPath(path: string, syscall: string): number {
  const bytes = putSocketPath(path);
  if (bytes === -Errno.ENAMETOOLONG) {
    throw new SystemError(
      Errno.ENAMETOOLONG,
      syscall,
      path,
      `a socket's path has at most ${pathBytes - 1} bytes`,
    );
  }
  return check(bytes, syscall, path);
}

function unixSocket(flags: number): number {
  return check(openSocket(AF_UNIX, SOCK_SEQPACKET | flags), "socket");
}

export interface ListenUnixOptions {
  /** Permissions of the socket file: who may write to it may connect. Default 0o600. */
  readonly mode?: number;
  /** Connections that wait to be accepted. Default 64. */
  readonly backlog?: number;
}

/**
 * Listens at `path`: a descriptor. A socket file that is left there is replaced where nobody listens on it any more.
 * Throws SystemError: EADDRINUSE where somebody does, or where the file is no socket; ENAMETOOLONG; EACCES.
 * The file is never open to more than `mode` allows, not even at first.
 */
export function listenUnix(path: string, options: ListenUnixOptions = {}): number {
  const { mode = 0o600, backlog = 64 } = options;
  checkSocketPath(path, "bind");
  const fd = unixSocket(SOCK_NONBLOCK);
  try {
    // The socket file gets the mode of its socket, less the umask; chmod gives back what the umask took.
    check(outcome(fchmodCall(fd, mode)), "fchmod", path);
    let result = outcome(bindCall(fd, sockaddr.address, checkSocketPath(path, "bind")));
    if (result === -Errno.EADDRINUSE && isStale(path)) {
      checkSocketPath(path, "bind");
      const unlinked = outcome(unlinkCall(sockaddrPath));
      if (unlinked !== -Errno.ENOENT) check(unlinked, "unlink", path);
      result = outcome(bindCall(fd, sockaddr.address, checkSocketPath(path, "bind")));
    }
    check(result, "bind", path);
    // Before listen, while no connection can come: a failure leaves no listener with the wrong mode.
    check(outcome(chmodCall(sockaddrPath, mode)), "chmod", path);
    check(outcome(listenCall(fd, backlog)), "listen", path);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** A socket on which nobody listens. One of another type (EPROTOTYPE) is somebody's. */
function isStale(path: string): boolean {
  if (lstatKind(path) !== "socket") return false;
  const probe = unixSocket(SOCK_NONBLOCK);
  try {
    const result = outcome(connectCall(probe, sockaddr.address, checkSocketPath(path, "connect")));
    return result === -Errno.ECONNREFUSED;
  } finally {
    closeFd(probe);
  }
}

/**
 * Connects to a listener: a descriptor. Waits at most `timeoutMs` for room in its backlog. Throws SystemError: ENOENT,
 * ECONNREFUSED, EACCES, ETIMEDOUT, EPROTOTYPE (the listener is of another type), ENAMETOOLONG.
 */
export function connectUnix(path: string, timeoutMs = 5000): number {
  checkSocketPath(path, "connect");
  const fd = unixSocket(0);
  try {
    // A blocking connect waits for the backlog as long as a send would wait: a time of 0 would be for ever.
    const waitMs = Math.max(1, timeoutMs);
    option.view.setUint32(0, Math.floor(waitMs / 1000), true);
    option.view.setUint32(4, 0, true);
    option.view.setUint32(8, (waitMs % 1000) * 1000, true);
    option.view.setUint32(12, 0, true);
    check(outcome(setsockoptCall(fd, SOL_SOCKET, SO_SNDTIMEO, option.address, 16)), "setsockopt", path);
    let result: number;
    do {
      result = outcome(connectCall(fd, sockaddr.address, checkSocketPath(path, "connect")));
    } while (result === -Errno.EINTR);
    check(result === -Errno.EAGAIN ? -Errno.ETIMEDOUT : result, "connect", path);
    check(setNonBlocking(fd, true), "fcntl", path);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/**
 * Connects to a stream listener, now or not: a non-blocking descriptor, or -errno: -EAGAIN where its backlog is full; -ENOENT,
 * -ECONNREFUSED, -EACCES, -EPROTOTYPE (the listener is of another type), -ENAMETOOLONG.
 */
export function connectUnixStream(path: string): number {
  const fd = openSocket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK);
  if (fd < 0) return fd;
  const bytes = putSocketPath(path);
  let result = bytes;
  if (bytes >= 0) {
    do {
      result = outcome(connectCall(fd, sockaddr.address, bytes));
    } while (result === -Errno.EINTR);
  }
  if (result === 0) return fd;
  closeFd(fd);
  return result;
}

/** Takes a connection: a descriptor, -EAGAIN where there is none, or another -errno. */
export function acceptUnix(fd: number): number {
  for (;;) {
    const result = outcome(acceptCall(fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (result !== -Errno.EINTR) return result;
  }
}

/** Two connected sockets, for a child process or a test. Throws SystemError. */
export function unixPair(): [number, number] {
  const type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
  check(outcome(socketpairCall(AF_UNIX, type, 0, option.address)), "socketpair");
  return [option.view.getInt32(0, true), option.view.getInt32(4, true)];
}

/**
 * Sends one message, of at least one byte, with copies of `fds`: the bytes sent, which are all of them; or -errno
 * (-EAGAIN, -EPIPE, -EMSGSIZE, -EINVAL where there are no bytes or too many descriptors). The caller keeps its own `fds`.
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
  // Not rounded up to the alignment: with room for one more the kernel would give one more. Without room for any it would
  // say nothing of those it drops, so there is always the header.
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

/** Who connected, as the kernel knows it since connect or listen. Throws SystemError. */
export interface PeerCredentials {
  /** 0 where the peer's pid namespace is not visible from here. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export function peerCredentials(fd: number): PeerCredentials {
  optionLength.view.setUint32(0, 12, true);
  const result = getsockoptCall(fd, SOL_SOCKET, SO_PEERCRED, option.address, optionLength.address);
  check(outcome(result), "getsockopt(SO_PEERCRED)");
  return {
    pid: option.view.getInt32(0, true),
    uid: option.view.getUint32(4, true),
    gid: option.view.getUint32(8, true),
  };
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
