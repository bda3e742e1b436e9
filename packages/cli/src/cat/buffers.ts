// Of the kernel: the buffers of a socket of node:net, and what it knows of its round trips. Node has a handle, which
// has a descriptor, and tells of neither.

import type { Readable } from "node:stream";
import { roundTripUs, setRecvBuffer, setSendBuffer } from "@ringway/linux";

interface Sizes {
  readonly sendBuffer: number | undefined;
  readonly receiveBuffer: number | undefined;
}

export function setSocketBuffers(socket: Readable, { sendBuffer, receiveBuffer }: Sizes): void {
  const fd = descriptorOf(socket);
  if (fd === undefined) return;
  if (sendBuffer !== undefined) setSendBuffer(fd, sendBuffer);
  if (receiveBuffer !== undefined) setRecvBuffer(fd, receiveBuffer);
}

/** The kernel's smoothed round trip, in microseconds; undefined where there is none: no TCP, no socket, closed. */
export function roundTripOf(socket: Readable): number | undefined {
  const fd = descriptorOf(socket);
  const us = fd === undefined ? -1 : roundTripUs(fd);
  return us > 0 ? us : undefined;
}

function descriptorOf(socket: Readable): number | undefined {
  const { fd = -1 } = (socket as { _handle?: { fd?: number } | null })._handle ?? {};
  return fd < 0 ? undefined : fd;
}
