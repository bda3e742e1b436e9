// A serial line as a byte channel: bytes as they are, each of them at once.

import { Errno } from "./errno.ts";
import { libcCall, outcome, scratch } from "./libc.ts";

const tcgetattrCall = libcCall("tcgetattr", "int", ["int", "uintptr_t"]);
const tcsetattrCall = libcCall("tcsetattr", "int", ["int", "int", "uintptr_t"]);
const cfmakerawCall = libcCall("cfmakeraw", "void", ["uintptr_t"]);

const TCSANOW = 0;
const CREAD = 0o200;
const CLOCAL = 0o4000;
/** Of the control flags in struct termios; the whole has 60 bytes, with glibc and with musl. */
const controlFlags = 8;
const termios = scratch(64);

/** Makes a terminal raw, whatever its modem lines say: 0; -ENOTTY where `fd` is none; or another -errno. */
export function makeRaw(fd: number): number {
  const got = outcome(tcgetattrCall(fd, termios.address));
  if (got < 0) return got === -Errno.EINVAL ? -Errno.ENOTTY : got;
  cfmakerawCall(termios.address);
  const flags = termios.view.getUint32(controlFlags, true) | CREAD | CLOCAL;
  termios.view.setUint32(controlFlags, flags, true);
  return outcome(tcsetattrCall(fd, TCSANOW, termios.address));
}
