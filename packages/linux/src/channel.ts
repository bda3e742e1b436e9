// The bell of a virtual machine: a byte channel (PROTOCOL.md BELL-8), which is a Unix stream socket on the host and a
// device in the guest, such as a virtio port. One byte is one ring, whatever it says; a channel that is full has rung.
//
// Invariant: nothing here waits, as long as the descriptor is non-blocking: the guest's devices have no MSG_DONTWAIT.

import { Errno } from "./errno.ts";
import { write } from "./files/bytes.ts";
import { scratch } from "./libc.ts";
import { recv, send } from "./sockets.ts";

const one = scratch(1);
one.bytes[0] = 1;
const sink = scratch(4096);

/** Rings: 0, also where the channel is full; or -errno (-EPIPE, -ECONNRESET). Never waits. */
export function ringChannel(fd: number): number {
  const sent = send(fd, one.address, 1);
  return sent === 1 || sent === -Errno.EAGAIN || sent === -Errno.EINTR ? 0 : sent;
}

/**
 * Takes the rings that are there: how many bytes, at most 4096; 0 for none; -ECONNRESET at the end, or another -errno.
 */
export function drainChannel(fd: number): number {
  const count = recv(fd, sink.address, sink.bytes.length);
  if (count > 0) return count;
  if (count === 0) return -Errno.ECONNRESET;
  return count === -Errno.EAGAIN || count === -Errno.EINTR ? 0 : count;
}

/**
 * ringChannel() for a channel that is not a socket: 0, also where it is full; or -errno (-EIO: the other end is gone).
 */
export function ringDevice(fd: number): number {
  const written = write(fd, one.address, 1);
  return written === 1 || written === -Errno.EAGAIN ? 0 : written;
}
