// TCP sockets, by descriptor. Every socket made here is non-blocking and close-on-exec.
//
// send() and recv() take addresses, so that bytes go from a ring to the kernel and back with no copy in between. They
// return what the kernel took or gave, 0 for end of stream (recv), or -errno; -EAGAIN is a result like any other.

import { closeFd } from "./descriptor.ts";
import { Errno } from "./errno.ts";
import { failure, libcCall, outcome, scratch } from "./libc.ts";
import { AF_INET, AF_INET6, openSocket, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from "./open-socket.ts";
import { check } from "./system-error.ts";

export { closeFd };

const connectCall = libcCall("connect", "int", ["int", "uintptr_t", "uint32_t"]);
const bindCall = libcCall("bind", "int", ["int", "uintptr_t", "uint32_t"]);
const listenCall = libcCall("listen", "int", ["int", "int"]);
const acceptCall = libcCall("accept4", "int", ["int", "uintptr_t", "uintptr_t", "int"]);
const sendCall = libcCall("send", "intptr_t", ["int", "uintptr_t", "size_t", "int"]);
const recvCall = libcCall("recv", "intptr_t", ["int", "uintptr_t", "size_t", "int"]);
const shutdownCall = libcCall("shutdown", "int", ["int", "int"]);
const getsockoptCall = libcCall("getsockopt", "int", ["int", "int", "int", "uintptr_t", "uintptr_t"]);
const setsockoptCall = libcCall("setsockopt", "int", ["int", "int", "int", "uintptr_t", "uint32_t"]);
const getsocknameCall = libcCall("getsockname", "int", ["int", "uintptr_t", "uintptr_t"]);
const ioctlCall = libcCall("ioctl", "int", ["int", "uintptr_t", "uintptr_t"]);

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
const SHUT_RDWR = 2;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_KEEPALIVE = 9;
const SO_LINGER = 13;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_INFO = 11;
/** In struct tcp_info: behind 8 bytes and 15 words. */
const TCPI_RTT = 68;
const TCP_USER_TIMEOUT = 18;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const SIOCINQ = 0x541b;
const SIOCOUTQ = 0x5411;

/** An IP address and a port. */
export interface InetAddress {
  readonly family: 4 | 6;
  readonly port: number;
  /** 4 or 16 bytes, in network order. */
  readonly address: Uint8Array;
  /** The interface of a link-local IPv6 address; 0 or absent otherwise. */
  readonly scopeId?: number;
}

// struct sockaddr_in   (16): family u16 | port be16 | address 4 | zero 8
// struct sockaddr_in6  (28): family u16 | port be16 | flow be32 | address 16 | scope id u32
const sockaddrBytes = 28;
const sockaddr = scratch(sockaddrBytes);
const option = scratch(8);
const length = scratch(4);
/** The start of struct tcp_info. */
const tcpInfo = scratch(TCPI_RTT + 4);

/** Writes `to` into `sockaddr`; its length, or -EINVAL where the address is not what it says. */
function putAddress(to: InetAddress): number {
  const addressBytes = to.family === 4 ? 4 : 16;
  if (to.address.length !== addressBytes || !(to.port >= 0 && to.port <= 0xffff)) return -Errno.EINVAL;
  sockaddr.bytes.fill(0);
  sockaddr.view.setUint16(2, to.port);
  if (to.family === 4) {
    sockaddr.view.setUint16(0, AF_INET, true);
    sockaddr.bytes.set(to.address, 4);
    return 16;
  }
  sockaddr.view.setUint16(0, AF_INET6, true);
  sockaddr.bytes.set(to.address, 8);
  sockaddr.view.setUint32(24, to.scopeId ?? 0, true);
  return sockaddrBytes;
}

function takeAddress(): InetAddress | number {
  const family = sockaddr.view.getUint16(0, true);
  const port = sockaddr.view.getUint16(2);
  if (family === AF_INET) return { family: 4, port, address: sockaddr.bytes.slice(4, 8) };
  if (family !== AF_INET6) return -Errno.EAFNOSUPPORT;
  const address = sockaddr.bytes.slice(8, 24);
  const scopeId = sockaddr.view.getUint32(24, true);
  return scopeId === 0 ? { family: 6, port, address } : { family: 6, port, address, scopeId };
}

/** A TCP socket: a descriptor, or -errno (-EMFILE, -EAFNOSUPPORT). */
export function tcpSocket(family: 4 | 6): number {
  const domain = family === 4 ? AF_INET : AF_INET6;
  return openSocket(domain, SOCK_STREAM | SOCK_NONBLOCK);
}

/**
 * Starts to connect: 0 when it is done, -EINPROGRESS when it is under way (EPOLLOUT, then socketError() has the
 * result), or another -errno.
 */
export function connect(fd: number, to: InetAddress): number {
  const bytes = putAddress(to);
  if (bytes < 0) return bytes;
  const result = outcome(connectCall(fd, sockaddr.address, bytes));
  // Interrupted, a connect goes on by itself, and a second call would say EALREADY.
  return result === -Errno.EINTR ? -Errno.EINPROGRESS : result;
}

/** Gives the socket its address; port 0 lets the kernel choose. 0 or -errno (-EADDRINUSE, -EADDRNOTAVAIL, -EACCES). */
export function bind(fd: number, to: InetAddress): number {
  const bytes = putAddress(to);
  return bytes < 0 ? bytes : outcome(bindCall(fd, sockaddr.address, bytes));
}

/** Makes it a listener with room for `backlog` connections not accepted yet. 0 or -errno. */
export function listen(fd: number, backlog: number): number {
  return outcome(listenCall(fd, backlog));
}

/**
 * A connection taken from a listener. Its peer's address is told here only: getpeername() knows none that is gone
 * already.
 */
export interface Accepted {
  readonly fd: number;
  readonly peer: InetAddress;
}

/** Takes a connection; -EAGAIN where there is none; -ECONNABORTED, -EMFILE, ... */
export function accept(fd: number): Accepted | number {
  for (;;) {
    length.view.setUint32(0, sockaddrBytes, true);
    const result = outcome(acceptCall(fd, sockaddr.address, length.address, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (result === -Errno.EINTR) continue;
    if (result < 0) return result;
    const peer = takeAddress();
    if (typeof peer !== "number") return { fd: result, peer };
    closeFd(result);
    return peer;
  }
}

/**
 * Sends from memory: how many bytes the kernel took; -EAGAIN, -EPIPE (no signal), -ECONNRESET, ... Never waits. Hot.
 */
export function send(fd: number, address: number, length: number): number {
  const count = sendCall(fd, address, length, MSG_NOSIGNAL | MSG_DONTWAIT);
  return count >= 0 ? count : failure();
}

/** Receives into memory: how many bytes; 0 at end of stream; -EAGAIN, -ECONNRESET, ... Never waits. Hot. */
export function recv(fd: number, address: number, length: number): number {
  const count = recvCall(fd, address, length, MSG_DONTWAIT);
  return count >= 0 ? count : failure();
}

/** Ends what this side sends (FIN): 0 or -errno (-ENOTCONN). */
export function shutdownWrite(fd: number): number {
  return outcome(shutdownCall(fd, SHUT_WR));
}

/** Ends both directions, and keeps the socket: 0 or -errno (-ENOTCONN). */
export function shutdownBoth(fd: number): number {
  return outcome(shutdownCall(fd, SHUT_RDWR));
}

/** Takes the socket's pending error: 0, or the negative errno that connecting or the connection ended with. */
export function socketError(fd: number): number {
  const value = getOption(fd, SOL_SOCKET, SO_ERROR);
  return value < 0 ? value : value === 0 ? 0 : -value;
}

/** The address of this end, also of a connection that is gone. Throws SystemError (EBADF, ENOTSOCK). */
export function localAddress(fd: number): InetAddress {
  length.view.setUint32(0, sockaddrBytes, true);
  check(outcome(getsocknameCall(fd, sockaddr.address, length.address)), "getsockname");
  const address = takeAddress();
  if (typeof address !== "number") return address;
  check(address, "getsockname");
  throw new Error("unreachable");
}

/** Sends small segments at once. 0 or -errno. */
export function setNoDelay(fd: number, on = true): number {
  return setOption(fd, IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}

/** Probes a silent peer after `idleSeconds`, every `intervalSeconds`, and gives up after `probes`. 0 or -errno. */
export function setKeepAlive(
  fd: number,
  idleSeconds: number,
  intervalSeconds: number,
  probes: number,
): number {
  return (
    setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, idleSeconds) ||
    setOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, intervalSeconds) ||
    setOption(fd, IPPROTO_TCP, TCP_KEEPCNT, probes) ||
    setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
  );
}

/**
 * Ends the connection (ETIMEDOUT) when sent bytes stay unacknowledged so long; 0: the system's default. 0 or -errno.
 */
export function setUserTimeout(fd: number, timeoutMs: number): number {
  return setOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, timeoutMs);
}

/** Lets a listener take an address whose old connections are in TIME_WAIT. 0 or -errno. */
export function setReuseAddress(fd: number, on = true): number {
  return setOption(fd, SOL_SOCKET, SO_REUSEADDR, on ? 1 : 0);
}

/** Keeps an IPv6 listener from taking IPv4 connections too. Before bind. 0 or -errno. */
export function setIpv6Only(fd: number, on = true): number {
  return setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, on ? 1 : 0);
}

/**
 * From now on closing the socket, also by the end of the process, sends RST, and drops what was not sent yet; or FIN
 * again. 0 or -errno.
 */
export function setLingerZero(fd: number, on = true): number {
  option.view.setInt32(0, on ? 1 : 0, true);
  option.view.setInt32(4, 0, true);
  return outcome(setsockoptCall(fd, SOL_SOCKET, SO_LINGER, option.address, 8));
}

/** The kernel's send buffer: it doubles the number, and caps it at net.core.wmem_max. 0 or -errno. */
export function setSendBuffer(fd: number, bytes: number): number {
  return setOption(fd, SOL_SOCKET, SO_SNDBUF, bytes);
}

/** The kernel's receive buffer: it doubles the number, and caps it at net.core.rmem_max. 0 or -errno. */
export function setRecvBuffer(fd: number, bytes: number): number {
  return setOption(fd, SOL_SOCKET, SO_RCVBUF, bytes);
}

/** The kernel's receive buffer as it is now, in its own count: what it was told is doubled. Or -errno. */
export function recvBuffer(fd: number): number {
  return getOption(fd, SOL_SOCKET, SO_RCVBUF);
}

/** A TCP connection's smoothed round trip as the kernel measures it, in microseconds, or -errno. */
export function roundTripUs(fd: number): number {
  length.view.setUint32(0, tcpInfo.bytes.length, true);
  const result = outcome(getsockoptCall(fd, IPPROTO_TCP, TCP_INFO, tcpInfo.address, length.address));
  return result < 0 ? result : tcpInfo.view.getUint32(TCPI_RTT, true);
}

/** How many received bytes wait to be read, or -errno. */
export function inq(fd: number): number {
  const result = outcome(ioctlCall(fd, SIOCINQ, option.address));
  return result < 0 ? result : option.view.getInt32(0, true);
}

/** How many sent bytes the peer has not acknowledged yet, or -errno. */
export function outq(fd: number): number {
  const result = outcome(ioctlCall(fd, SIOCOUTQ, option.address));
  return result < 0 ? result : option.view.getInt32(0, true);
}

function setOption(fd: number, level: number, name: number, value: number): number {
  option.view.setInt32(0, value, true);
  return outcome(setsockoptCall(fd, level, name, option.address, 4));
}

function getOption(fd: number, level: number, name: number): number {
  length.view.setUint32(0, 4, true);
  const result = outcome(getsockoptCall(fd, level, name, option.address, length.address));
  return result < 0 ? result : option.view.getInt32(0, true);
}
