// A pseudo-terminal: a character device whose other end is the test's.

import { closeSync, constants, openSync } from "node:fs";
import { scratch } from "../src/index.ts";
import { libcCall, outcome } from "../src/libc.ts";

const ioctlCall = libcCall("ioctl", "int", ["int", "uintptr_t", "uintptr_t"]);
const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;
const TIOCEXCL = 0x540c;
const argument = scratch(4);

export interface Pty {
  /** The controlling end, non-blocking. */
  readonly fd: number;
  /** Path of the other. */
  readonly path: string;
  close(): void;
}

export function openPty(): Pty {
  const { O_RDWR, O_NOCTTY, O_NONBLOCK } = constants;
  const fd = openSync("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  argument.view.setInt32(0, 0, true);
  ioctl(fd, TIOCSPTLCK);
  ioctl(fd, TIOCGPTN);
  let open = true;
  return {
    fd,
    path: `/dev/pts/${argument.view.getUint32(0, true)}`,
    close(): void {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/** Nobody but root can open a terminal any more that somebody has made his: EBUSY. */
export function makeExclusive(fd: number): void {
  ioctl(fd, TIOCEXCL);
}

function ioctl(fd: number, request: number): void {
  const result = outcome(ioctlCall(fd, request, argument.address));
  if (result < 0) throw new Error(`ioctl ${request.toString(16)}: ${result}`);
}
