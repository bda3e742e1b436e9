// Permissions and times, set by a descriptor, also where that is only a handle on the place (O_PATH).

import { Errno } from "../errno.ts";
import { libcCall, outcome, pathMax, putI64, putPath, scratch, syscall } from "../libc.ts";
import type { FileTime } from "./stat.ts";

const fchmodCall = libcCall("fchmod", "int", ["int", "uint32_t"]);
const chmodCall = libcCall("chmod", "int", ["uintptr_t", "uint32_t"]);
const futimensCall = libcCall("futimens", "int", ["int", "uintptr_t"]);
const utimensatCall = libcCall("utimensat", "int", ["int", "uintptr_t", "uintptr_t", "int"]);

const SYS_FCHMODAT2 = 452;
const fchmodat2Call = syscall(["int", "uintptr_t", "uint32_t", "int"]);
const AT_EMPTY_PATH = 0x1000;
const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

const path = scratch(pathMax);
const empty = scratch(1);
const times = scratch(32);

/** Sets the permissions of an open descriptor, also one opened with PATH: 0 or -errno. */
export function fchmod(fd: number, mode: number): number {
  const result = outcome(fchmodCall(fd, mode));
  if (result !== -Errno.EBADF) return result;
  // EBADF is also the answer for O_PATH. fchmodat2 is of Linux 6.6; before it, the way is through /proc.
  const empty2 = outcome(fchmodat2Call(SYS_FCHMODAT2, fd, empty.address, mode, AT_EMPTY_PATH));
  if (empty2 !== -Errno.ENOSYS) return empty2;
  putPath(path, `/proc/self/fd/${fd}`);
  const byProc = outcome(chmodCall(path.address, mode));
  return byProc === -Errno.ENOENT ? -Errno.EBADF : byProc;
}

/** A time to set: itself, the present, or leave it as it is. */
export type SetTime = FileTime | "now" | "keep";

/** Sets the times of an open descriptor, also one opened with PATH (Linux 5.8): 0 or -errno. */
export function setTimes(fd: number, accessed: SetTime, modified: SetTime): number {
  putTime(0, accessed);
  putTime(16, modified);
  const result = outcome(futimensCall(fd, times.address));
  if (result !== -Errno.EBADF) return result;
  return outcome(utimensatCall(fd, empty.address, times.address, AT_EMPTY_PATH));
}

function putTime(offset: number, time: SetTime): void {
  const named = time === "now" ? UTIME_NOW : UTIME_OMIT;
  putI64(times.view, offset, typeof time === "string" ? 0 : time.seconds);
  putI64(times.view, offset + 8, typeof time === "string" ? named : time.nanoseconds);
}
