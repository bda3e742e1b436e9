// Listening sockets of TCP: a guest's own, and those that the operator publishes.

import type { InetAddress } from "@ringway/control";
import {
  bind,
  closeFd,
  Errno,
  localAddress,
  setIpv6Only,
  setKeepAlive,
  setLingerZero,
  setNoDelay,
  setReuseAddress,
  tcpSocket,
} from "@ringway/linux";
import type { OwnPorts } from "../policy/own-ports.ts";

/** A peer that says nothing is asked after a minute, then every ten seconds, and is gone after the sixth. */
export const KEEP_ALIVE = [60, 10, 6] as const;

/** One that has its address and does not listen yet, or -errno. EADDRINUSE: also a port of the monitor's own. */
export function boundSocket(address: InetAddress, ownPorts: OwnPorts): number {
  const fd = tcpSocket(address.family);
  if (fd < 0) return fd;
  let result = setReuseAddress(fd);
  if (result >= 0 && address.family === 6) result = setIpv6Only(fd);
  // Its connections have these from the first.
  if (result >= 0) result = setNoDelay(fd);
  if (result >= 0) result = setKeepAlive(fd, ...KEEP_ALIVE);
  if (result >= 0) result = setLingerZero(fd);
  if (result >= 0) result = bind(fd, address);
  if (result >= 0 && ownPorts.has(localAddress(fd).port)) result = -Errno.EADDRINUSE;
  if (result >= 0) return fd;
  closeFd(fd);
  return result;
}
