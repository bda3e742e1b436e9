// Of the kernel: the buffers of a socket of node:net, what is left in them, and what it knows of its round trips.

import type { Readable, Writable } from "node:stream";
import {
  descriptorOf,
  Errno,
  outq,
  queuedBytes,
  roundTripUs,
  setRecvBuffer,
  setSendBuffer,
  socketError,
} from "@ringway/linux";

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

/** Of one that has ended: Node reads a reset behind bytes as an end. */
export function resetOf(socket: Readable): Error | undefined {
  const fd = descriptorOf(socket);
  return fd !== undefined && socketError(fd) === -Errno.ECONNRESET ? new Error("read ECONNRESET") : undefined;
}

/** What was written and has not come to the other side, as far as anybody knows: where it changes, bytes move. */
export function unsentOf(output: Writable): number {
  const fd = descriptorOf(output);
  return output.writableLength + queuedBytes(output) + (fd === undefined ? 0 : Math.max(0, outq(fd)));
}
