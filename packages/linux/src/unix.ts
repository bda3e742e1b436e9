// Unix sockets: made, listened on, connected. Of type SEQPACKET: how a guest gets its region and its doorbells
// (unix-messages.ts), and how each side notices that the other is gone. Of type STREAM: a VM's bell (channel.ts). Of
// both, by the descriptor of their place: the sockets of a policy.
//
// All sockets made here are non-blocking and close-on-exec; whoever wants to wait gives a time. Only those of
// connectUnix() and unixPair() take descriptors, where the kernel can refuse them.

import { closeFd, setNonBlocking } from "./descriptor.ts";
import { Errno } from "./errno.ts";
import { lstatKind } from "./files/stat.ts";
import { libcCall, outcome, scratch } from "./libc.ts";
import {
  AF_UNIX,
  openSocket,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from "./open-socket.ts";
import { refuseDescriptors } from "./refuse-descriptors.ts";
import { check, SystemError } from "./system-error.ts";

const connectCall = libcCall("connect", "int", ["int", "uintptr_t", "uint32_t"]);
const bindCall = libcCall("bind", "int", ["int", "uintptr_t", "uint32_t"]);
const listenCall = libcCall("listen", "int", ["int", "int"]);
const acceptCall = libcCall("accept4", "int", ["int", "uintptr_t", "uintptr_t", "int"]);
const socketpairCall = libcCall("socketpair", "int", ["int", "int", "int", "uintptr_t"]);
const getsockoptCall = libcCall("getsockopt", "int", ["int", "int", "int", "uintptr_t", "uintptr_t"]);
const setsockoptCall = libcCall("setsockopt", "int", ["int", "int", "int", "uintptr_t", "uint32_t"]);
const fchmodCall = libcCall("fchmod", "int", ["int", "uint32_t"]);
const ioctlCall = libcCall("ioctl", "int", ["int", "uintptr_t", "uintptr_t"]);
const chmodCall = libcCall("chmod", "int", ["uintptr_t", "uint32_t"]);
const unlinkCall = libcCall("unlink", "int", ["uintptr_t"]);

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_SNDTIMEO = 21;
const SIOCUNIXFILE = 0x89e0;

// struct sockaddr_un: family u16 | path 108, its NUL included
const pathOffset = 2;
const pathBytes = 108;
const sockaddr = scratch(pathOffset + pathBytes);
const sockaddrPath = sockaddr.address + pathOffset;
const option = scratch(16);
const optionLength = scratch(4);

function putSocketPath(path: string): number {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length === 0 || bytes.includes(0)) return -Errno.EINVAL;
  if (bytes.length >= pathBytes) return -Errno.ENAMETOOLONG;
  sockaddr.bytes.fill(0);
  sockaddr.view.setUint16(0, AF_UNIX, true);
  sockaddr.bytes.set(bytes, pathOffset);
  return pathOffset + bytes.length + 1;
}

/**
 * Throws SystemError (ENAMETOOLONG, EINVAL) where no socket can have this path: the bound is odd, and the remedy is not
 * obvious.
 */
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

/** The two types that connect. */
export type UnixType = "stream" | "seqpacket";
const TYPES: Readonly<Record<UnixType, number>> = { stream: SOCK_STREAM, seqpacket: SOCK_SEQPACKET };

/** A place that is open, as a path: whatever becomes of its names. */
const openPlace = (fd: number): string => `/proc/self/fd/${fd}`;

function unixSocket(flags: number): number {
  return check(openSocket(AF_UNIX, SOCK_SEQPACKET | flags), "socket");
}

export interface ListenUnixOptions {
  /** Default: seqpacket. */
  readonly type?: UnixType;
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
  const { type = "seqpacket", mode = 0o600, backlog = 64 } = options;
  checkSocketPath(path, "bind");
  const fd = check(openSocket(AF_UNIX, TYPES[type] | SOCK_NONBLOCK), "socket");
  try {
    refuseDescriptors(fd);
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
 * Connects to a stream listener, now or not: a non-blocking descriptor, or -errno: -EAGAIN where its backlog is full;
 * -ENOENT, -ECONNREFUSED, -EACCES, -EPROTOTYPE (the listener is of another type), -ENAMETOOLONG.
 */
export function connectUnixStream(path: string): number {
  return connectUnixType(path, "stream");
}

/**
 * The same, and of either type, by the descriptor of the socket's file, opened as a name only (PATH): what that is, is
 * connected to. -ENOSYS where there is no procfs.
 */
export function connectUnixFile(file: number, type: UnixType): number {
  const result = connectUnixType(openPlace(file), type);
  return result === -Errno.ENOENT ? -Errno.ENOSYS : result;
}

/**
 * Binds a socket to a new name in an open folder: a descriptor that does not listen yet, or -errno: -EADDRINUSE where
 * anything has that name; -ENAMETOOLONG past some 85 bytes; -ENOSYS where there is no procfs. The file is open to no
 * more than `mode` says, and to less where the umask takes some.
 */
export function bindUnixName(folder: number, name: string, type: UnixType, mode: number): number {
  const bytes = putSocketPath(`${openPlace(folder)}/${name}`);
  if (bytes < 0) return bytes;
  const fd = openSocket(AF_UNIX, TYPES[type] | SOCK_NONBLOCK);
  if (fd < 0) return fd;
  refuseDescriptors(fd);
  let result = outcome(fchmodCall(fd, mode));
  if (result >= 0) result = outcome(bindCall(fd, sockaddr.address, bytes));
  if (result >= 0) return fd;
  closeFd(fd);
  return result === -Errno.ENOENT ? -Errno.ENOSYS : result;
}

/**
 * The very file that a bound socket has made, opened as a name only, whatever has its name by now: a descriptor, or
 * -errno (-EPERM: without CAP_NET_ADMIN).
 */
export function openUnixFile(fd: number): number {
  return outcome(ioctlCall(fd, SIOCUNIXFILE, 0));
}

/** Gives an open file these permissions, also one that was opened as a name only: 0 or -errno. */
export function chmodOpen(file: number, mode: number): number {
  const bytes = putSocketPath(openPlace(file));
  return bytes < 0 ? bytes : outcome(chmodCall(sockaddrPath, mode));
}

function connectUnixType(path: string, type: UnixType): number {
  const fd = openSocket(AF_UNIX, TYPES[type] | SOCK_NONBLOCK);
  if (fd < 0) return fd;
  refuseDescriptors(fd);
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

export interface PeerCredentials {
  /** 0 where the peer's pid namespace is not visible from here. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Who connected, as the kernel knows it since connect or listen. Throws SystemError. */
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
