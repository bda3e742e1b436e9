// UDP sockets, by descriptor: made, and their options. What they send and receive goes through datagrams.ts; bind(),
// connect() and the rest are those of sockets.ts. Every socket made here is non-blocking and close-on-exec, and has no
// datagrams of groups but of those that it has joined itself (IP_MULTICAST_ALL).

import { networkInterfaces } from "node:os";
import { closeFd } from "./descriptor.ts";
import { Errno } from "./errno.ts";
import { libcCall, outcome, putPath, scratch } from "./libc.ts";
import { AF_INET, AF_INET6, openSocket, SOCK_DGRAM, SOCK_NONBLOCK } from "./open-socket.ts";

const setsockoptCall = libcCall("setsockopt", "int", ["int", "int", "int", "uintptr_t", "uint32_t"]);
const getsockoptCall = libcCall("getsockopt", "int", ["int", "int", "int", "uintptr_t", "uintptr_t"]);
const ifNameToIndexCall = libcCall("if_nametoindex", "uint32_t", ["uintptr_t"]);

const SOL_SOCKET = 1;
const SO_BROADCAST = 6;
const SO_RXQ_OVFL = 40;
const SO_MEMINFO = 55;
const SOL_UDP = 17;
const UDP_GRO = 104;
const IPPROTO_IP = 0;
const IP_TTL = 2;
const IP_MULTICAST_IF = 32;
const IP_MULTICAST_TTL = 33;
const IP_MULTICAST_LOOP = 34;
const IP_ADD_MEMBERSHIP = 35;
const IP_DROP_MEMBERSHIP = 36;
const IP_ADD_SOURCE_MEMBERSHIP = 39;
const IP_DROP_SOURCE_MEMBERSHIP = 40;
const MCAST_JOIN_SOURCE_GROUP = 46;
const MCAST_LEAVE_SOURCE_GROUP = 47;
const IP_MULTICAST_ALL = 49;
const IPPROTO_IPV6 = 41;
const IPV6_UNICAST_HOPS = 16;
const IPV6_MULTICAST_IF = 17;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_MULTICAST_LOOP = 19;
const IPV6_JOIN_GROUP = 20;
const IPV6_LEAVE_GROUP = 21;
const IPV6_MULTICAST_ALL = 29;

/** SK_MEMINFO_DROPS, among the words of SO_MEMINFO. */
const DROPS_WORD = 8;

// struct group_source_req: interface u32 | padding 4 | sockaddr_storage 128 of the group | and of the source
const groupSourceBytes = 8 + 128 + 128;
const option = scratch(groupSourceBytes);
const length = scratch(4);
const interfaceName = scratch(64);

/** A UDP socket: a descriptor, or -errno (-EMFILE, -EAFNOSUPPORT). It counts what it drops (datagrams.ts). */
export function udpSocket(family: 4 | 6): number {
  const fd = openSocket(family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK);
  if (fd < 0) return fd;
  let result = setOption(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
  // Also on a socket for IPv6, which takes datagrams to IPv4's groups too.
  if (result >= 0) result = setOption(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
  if (result >= 0 && family === 6) result = setOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
  if (result >= 0) return fd;
  closeFd(fd);
  return result;
}

/** Lets the kernel hand over datagrams of one sender as one train (datagrams.ts). 0, or -errno before Linux 5.0. */
export function setTrains(fd: number, on = true): number {
  return setOption(fd, SOL_UDP, UDP_GRO, on ? 1 : 0);
}

/** Lets the socket send to broadcast addresses. 0 or -errno. */
export function setBroadcast(fd: number, on: boolean): number {
  return setOption(fd, SOL_SOCKET, SO_BROADCAST, on ? 1 : 0);
}

/** TTL, or hop limit, of what is sent to one host: 1 to 255. 0 or -errno. */
export function setTtl(fd: number, family: 4 | 6, value: number): number {
  return family === 4
    ? setOption(fd, IPPROTO_IP, IP_TTL, value)
    : setOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, value);
}

/** The same of what is sent to a group: 0 to 255. 0 or -errno. */
export function setMulticastTtl(fd: number, family: 4 | 6, value: number): number {
  return family === 4
    ? setOption(fd, IPPROTO_IP, IP_MULTICAST_TTL, value)
    : setOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, value);
}

/** Whether sockets of this host get what this one sends to a group. 0 or -errno. */
export function setMulticastLoop(fd: number, family: 4 | 6, on: boolean): number {
  return family === 4
    ? setOption(fd, IPPROTO_IP, IP_MULTICAST_LOOP, on ? 1 : 0)
    : setOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, on ? 1 : 0);
}

/**
 * Datagrams to groups leave by the interface that has this address; the unspecified one leaves it to the kernel.
 * 0 or -errno (-EADDRNOTAVAIL).
 */
export function setMulticastInterface(fd: number, address: Uint8Array): number {
  if (address.length === 4) {
    option.bytes.set(address);
    return outcome(setsockoptCall(fd, IPPROTO_IP, IP_MULTICAST_IF, option.address, 4));
  }
  const index = interfaceOf(address);
  return index < 0 ? index : setOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, index);
}

/** A group, with addresses of one family. An unspecified source is any sender; so for the interface: the kernel's. */
export interface Membership {
  readonly group: Uint8Array;
  readonly source: Uint8Array;
  readonly interface: Uint8Array;
}

/** Takes datagrams to a group. 0 or -errno (-EADDRINUSE: joined already; -EADDRNOTAVAIL, -ENODEV, -ENOBUFS). */
export function joinGroup(fd: number, membership: Membership): number {
  return changeMembership(fd, membership, true);
}

/** Takes them no more. 0 or -errno (-EADDRNOTAVAIL: not joined). */
export function leaveGroup(fd: number, membership: Membership): number {
  return changeMembership(fd, membership, false);
}

function changeMembership(fd: number, membership: Membership, joins: boolean): number {
  const { group, source } = membership;
  option.bytes.fill(0);
  if (group.length === 4) return changeMembership4(fd, membership, joins);
  const index = interfaceOf(membership.interface);
  if (index < 0) return index;
  if (isUnspecified(source)) {
    // struct ipv6_mreq: group 16 | interface u32
    option.bytes.set(group);
    option.view.setUint32(16, index, true);
    const name = joins ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP;
    return outcome(setsockoptCall(fd, IPPROTO_IPV6, name, option.address, 20));
  }
  option.view.setUint32(0, index, true);
  for (const [at, address] of [
    [8, group],
    [8 + 128, source],
  ] as const) {
    option.view.setUint16(at, AF_INET6, true);
    option.bytes.set(address, at + 8);
  }
  const name = joins ? MCAST_JOIN_SOURCE_GROUP : MCAST_LEAVE_SOURCE_GROUP;
  return outcome(setsockoptCall(fd, IPPROTO_IPV6, name, option.address, groupSourceBytes));
}

function changeMembership4(fd: number, { group, source, ...rest }: Membership, joins: boolean): number {
  // struct ip_mreq: group 4 | interface 4; struct ip_mreq_source: the same | source 4
  option.bytes.set(group, 0);
  option.bytes.set(rest.interface, 4);
  option.bytes.set(source, 8);
  if (isUnspecified(source)) {
    const name = joins ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP;
    return outcome(setsockoptCall(fd, IPPROTO_IP, name, option.address, 8));
  }
  const name = joins ? IP_ADD_SOURCE_MEMBERSHIP : IP_DROP_SOURCE_MEMBERSHIP;
  return outcome(setsockoptCall(fd, IPPROTO_IP, name, option.address, 12));
}

/** How many datagrams the socket has dropped since it was made, modulo 2^32; or -errno (before Linux 4.12). */
export function droppedDatagrams(fd: number): number {
  length.view.setUint32(0, (DROPS_WORD + 1) * 4, true);
  const result = outcome(getsockoptCall(fd, SOL_SOCKET, SO_MEMINFO, option.address, length.address));
  return result < 0 ? result : option.view.getUint32(DROPS_WORD * 4, true);
}

/** The number of the interface that has this IPv6 address; 0 for the unspecified one; or -EADDRNOTAVAIL. */
function interfaceOf(address: Uint8Array): number {
  if (isUnspecified(address)) return 0;
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((address[i]! << 8) | address[i + 1]!).toString(16));
  const wanted = canonical(groups.join(":"));
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (!addresses?.some((each) => each.family === "IPv6" && canonical(each.address) === wanted)) continue;
    const put = putPath(interfaceName, name);
    const index = put < 0 ? 0 : ifNameToIndexCall(interfaceName.address);
    if (index > 0) return index;
  }
  return -Errno.EADDRNOTAVAIL;
}

/** Two forms of one IPv6 address are the same in a URL. */
function canonical(address: string): string {
  return new URL(`http://[${address}]`).hostname;
}

/** 0.0.0.0 or ::, as bytes. */
export function isUnspecified(address: Uint8Array): boolean {
  return address.every((byte) => byte === 0);
}

function setOption(fd: number, level: number, name: number, value: number): number {
  option.view.setInt32(0, value, true);
  return outcome(setsockoptCall(fd, level, name, option.address, 4));
}
