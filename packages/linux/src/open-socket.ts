// socket(2), for every kind that the project makes: close-on-exec, always.

import { libcCall, outcome } from "./libc.ts";

const socketCall = libcCall("socket", "int", ["int", "int", "int"]);

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;

/** A descriptor, or -errno. `type` may have SOCK_NONBLOCK. */
export function openSocket(domain: number, type: number, protocol = 0): number {
  return outcome(socketCall(domain, type | SOCK_CLOEXEC, protocol));
}
