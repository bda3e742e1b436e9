// Extended attributes of what a descriptor is, also one opened with PATH: then by /proc, as these calls have no other
// way. Names are bytes.

import { Errno } from "../errno.ts";
import { libcCall, outcome, type PathLike, pathMax, putPath, type Scratch, scratch } from "../libc.ts";

const getCall = libcCall("getxattr", "intptr_t", ["uintptr_t", "uintptr_t", "uintptr_t", "size_t"]);
const listCall = libcCall("listxattr", "intptr_t", ["uintptr_t", "uintptr_t", "size_t"]);
const setCall = libcCall("setxattr", "int", ["uintptr_t", "uintptr_t", "uintptr_t", "size_t", "int"]);
const removeCall = libcCall("removexattr", "int", ["uintptr_t", "uintptr_t"]);

/** XATTR_SIZE_MAX, and XATTR_LIST_MAX. */
const VALUE_MAX_BYTES = 65536;

const path = scratch(64);
const name = scratch(pathMax);
let values: Scratch | undefined;

function valueRoom(): Scratch {
  values ??= scratch(VALUE_MAX_BYTES);
  return values;
}

/** The way to a descriptor for calls that take paths alone. */
function putFd(fd: number): void {
  putPath(path, `/proc/self/fd/${fd}`);
}

/** Its value; or -errno (-ENODATA: there is none). */
export function getXattr(fd: number, attribute: PathLike): Uint8Array | number {
  const put = putPath(name, attribute);
  if (put < 0) return put;
  const { address, bytes } = valueRoom();
  putFd(fd);
  const count = outcome(getCall(path.address, name.address, address, VALUE_MAX_BYTES));
  return count < 0 ? count : bytes.slice(0, count);
}

/** The names that there are; or -errno. */
export function listXattrs(fd: number): Uint8Array[] | number {
  const { address, bytes } = valueRoom();
  putFd(fd);
  const count = outcome(listCall(path.address, address, VALUE_MAX_BYTES));
  if (count < 0) return count;
  const names: Uint8Array[] = [];
  for (let start = 0; start < count; ) {
    const end = bytes.indexOf(0, start);
    names.push(bytes.slice(start, end));
    start = end + 1;
  }
  return names;
}

/** Sets it; `flags` are 1 to make it, 2 to replace it: 0 or -errno (-EEXIST, -ENODATA, -EOPNOTSUPP, -ENOSPC). */
export function setXattr(fd: number, attribute: PathLike, value: Uint8Array, flags: number): number {
  const put = putPath(name, attribute);
  if (put < 0) return put;
  if (value.length > VALUE_MAX_BYTES) return -Errno.E2BIG;
  const { address, bytes } = valueRoom();
  bytes.set(value);
  putFd(fd);
  return outcome(setCall(path.address, name.address, address, value.length, flags));
}

/** Takes it away: 0 or -errno (-ENODATA). */
export function removeXattr(fd: number, attribute: PathLike): number {
  const put = putPath(name, attribute);
  if (put < 0) return put;
  putFd(fd);
  return outcome(removeCall(path.address, name.address));
}
