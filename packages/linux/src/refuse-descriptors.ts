// Descriptors that others send by a Unix socket (SCM_RIGHTS), whether anybody receives them or not. Who closes the
// socket, or receives past them, closes them too, and the last close of a descriptor may take as long as its maker
// likes: that of a TCP socket that lingers waits for its peer.

import { closeFd } from "./descriptor.ts";
import { libcCall, outcome, scratch } from "./libc.ts";
import { AF_UNIX, openSocket, SOCK_SEQPACKET } from "./open-socket.ts";

const setsockoptCall = libcCall("setsockopt", "int", ["int", "int", "int", "uintptr_t", "uint32_t"]);

const SOL_SOCKET = 1;
/** Linux 6.16. */
const SO_PASSRIGHTS = 83;
const no = scratch(4);

/**
 * Nobody can send descriptors to this Unix socket any more, nor to those that it accepts: EPERM. 0, or -errno:
 * -ENOPROTOOPT where the kernel, one before Linux 6.16, cannot refuse them.
 */
export function refuseDescriptors(fd: number): number {
  no.view.setInt32(0, 0, true);
  return outcome(setsockoptCall(fd, SOL_SOCKET, SO_PASSRIGHTS, no.address, 4));
}

/** Can this kernel? */
export function canRefuseDescriptors(): boolean {
  const fd = openSocket(AF_UNIX, SOCK_SEQPACKET);
  if (fd < 0) return false;
  const result = refuseDescriptors(fd);
  closeFd(fd);
  return result === 0;
}
