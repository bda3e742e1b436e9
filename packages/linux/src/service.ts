// What a service manager, such as systemd, has with a process that it starts: sockets that are there already, and a
// socket for words about how the process is. sd_notify(3) and sd_listen_fds(3) say what is said; nothing here waits.

import { closeFd, fcntl, setNonBlocking } from "./descriptor.ts";
import { Errno } from "./errno.ts";
import { libcCall, outcome, scratch } from "./libc.ts";
import {
  AF_UNIX,
  openSocket,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from "./open-socket.ts";
import { refuseDescriptors } from "./refuse-descriptors.ts";
import { check } from "./system-error.ts";
import type { UnixType } from "./unix.ts";

const sendtoCall = libcCall("sendto", "intptr_t", [
  "int",
  "uintptr_t",
  "size_t",
  "int",
  "uintptr_t",
  "uint32_t",
]);
const getsocknameCall = libcCall("getsockname", "int", ["int", "uintptr_t", "uintptr_t"]);
const getsockoptCall = libcCall("getsockopt", "int", ["int", "int", "int", "uintptr_t", "uintptr_t"]);

const F_SETFD = 2;
const FD_CLOEXEC = 1;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;
const MSG_NOSIGNAL = 0x4000;

// struct sockaddr_un: family u16 | path 108; one of the abstract kind begins with a NUL and has none at its end
const pathOffset = 2;
const pathBytes = 108;
const sockaddr = scratch(pathOffset + pathBytes);
const length = scratch(4);
const value = scratch(4);
/** A word about a process is a line or two. */
const text = scratch(4096);

/** A Unix socket with a path, on which this process listens because whoever has started it did. */
export interface InheritedSocket {
  readonly fd: number;
  readonly path: string;
  readonly type: UnixType;
}

/**
 * What listens at `fd`, close-on-exec and non-blocking from now on; undefined for what is no listening Unix socket of
 * a type that connects, or has no path. How many may wait in its queue is for who has made it to say. Throws
 * SystemError where its flags cannot be set.
 */
export function inheritedSocket(fd: number): InheritedSocket | undefined {
  if (optionOf(fd, SO_ACCEPTCONN) !== 1) return undefined;
  const kind = optionOf(fd, SO_TYPE);
  const type = kind === SOCK_STREAM ? "stream" : kind === SOCK_SEQPACKET ? "seqpacket" : undefined;
  const path = pathOf(fd);
  if (type === undefined || path === undefined) return undefined;
  check(fcntl(fd, F_SETFD, FD_CLOEXEC), "fcntl", path);
  check(setNonBlocking(fd, true), "fcntl", path);
  // A kernel that cannot refuse them says so; that is no reason not to serve.
  refuseDescriptors(fd);
  return { fd, path, type };
}

function optionOf(fd: number, option: number): number {
  length.view.setUint32(0, 4, true);
  const result = outcome(getsockoptCall(fd, SOL_SOCKET, option, value.address, length.address));
  return result < 0 ? result : value.view.getInt32(0, true);
}

function pathOf(fd: number): string | undefined {
  length.view.setUint32(0, sockaddr.bytes.length, true);
  if (outcome(getsocknameCall(fd, sockaddr.address, length.address)) < 0) return undefined;
  const bytes = Math.min(length.view.getUint32(0, true), sockaddr.bytes.length);
  if (sockaddr.view.getUint16(0, true) !== AF_UNIX || bytes <= pathOffset) return undefined;
  const name = sockaddr.bytes.slice(pathOffset, bytes);
  const end = name.indexOf(0);
  // An abstract name, or none.
  if (end === 0) return undefined;
  return new TextDecoder().decode(end < 0 ? name : name.subarray(0, end));
}

/**
 * Sends one datagram to the Unix socket at `path`, where "@" in front says that the name is an abstract one: 0, or
 * -errno: -EAGAIN where its queue is full, -EINVAL for what is no such place, -EMSGSIZE.
 */
export function sendUnixDatagram(path: string, words: string): number {
  const bytes = putPlace(path);
  if (bytes < 0) return bytes;
  const { read, written } = new TextEncoder().encodeInto(words, text.bytes);
  if (read < words.length) return -Errno.EMSGSIZE;
  const fd = openSocket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK);
  if (fd < 0) return fd;
  const result = outcome(sendtoCall(fd, text.address, written, MSG_NOSIGNAL, sockaddr.address, bytes));
  closeFd(fd);
  return Math.min(result, 0);
}

/** The bytes of its address, or -errno. */
function putPlace(path: string): number {
  const isAbstract = path.startsWith("@");
  const name = new TextEncoder().encode(isAbstract ? path.slice(1) : path);
  if ((!isAbstract && !path.startsWith("/")) || name.length === 0 || name.includes(0)) return -Errno.EINVAL;
  if (name.length >= pathBytes) return -Errno.ENAMETOOLONG;
  sockaddr.bytes.fill(0);
  sockaddr.view.setUint16(0, AF_UNIX, true);
  sockaddr.bytes.set(name, pathOffset + (isAbstract ? 1 : 0));
  // Both have one byte more than the name: the NUL in front, or the one at the end.
  return pathOffset + name.length + 1;
}
