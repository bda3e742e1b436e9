// The one place that loads libc, and the rules by which the other files call it.
//
//  - Numbers only: an address is a JS number (user space ends below 2^47 on x86-64 and 2^48 on arm64, well inside
//    2^53) and is declared `uintptr_t`. No Buffer crosses the boundary, so nothing is copied or pinned per call.
//  - errno is read by the call right after the failing one, in the same JS function.
//  - Variadic functions (fcntl, ioctl, syscall) have fixed prototypes of integers: on x86-64 and on arm64 Linux these
//    travel in the same registers either way.
//  - What libc wraps late or not at all (openat2, statx, preadv2, getdents64...) goes through syscall(2) by number.
//
// Every Worker has its own copy of this module and of its scratch memory: no call here is shared between threads.

import { constants } from "node:buffer";
import koffi from "koffi";
import { Errno } from "./errno.ts";

if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64")) {
  throw new Error(
    `@ringway/linux runs on Linux on x86-64 and arm64, not on ${process.platform} ${process.arch}`,
  );
}

/** True on x86-64, where a few constants and one layout differ from the generic ones that arm64 uses. */
export const isX64: boolean = process.arch === "x64";

// The process's own libc first: it is certainly there, and it is the one whose errno koffi reads.
const candidates = [null, "libc.so.6", `libc.musl-${isX64 ? "x86_64" : "aarch64"}.so.1`] as const;

function loadLibc(): ReturnType<typeof koffi.load> {
  let cause: unknown;
  for (const name of candidates) {
    try {
      const library = koffi.load(name);
      library.func("memfd_create", "int", ["str", "uint32_t"]);
      return library;
    } catch (error) {
      cause = error;
    }
  }
  throw new Error("no libc with memfd_create was found (glibc 2.27 or musl 1.1.20 at least)", { cause });
}

const libc = loadLibc();

type Call = (...args: number[]) => number;

/** Binds a libc function that takes and returns integers. */
export function libcCall(name: string, result: string, parameters: string[]): Call {
  return libc.func(name, result, parameters) as unknown as Call;
}

/** Binds syscall(2) with the given types of the parameters that follow the call's number. */
export function syscall(parameters: string[]): Call {
  return libcCall("syscall", "intptr_t", ["intptr_t", ...parameters]);
}

/** The negative errno of the call that has just failed. Only for use right after it. */
export function failure(): number {
  return -koffi.errno();
}

/** `result`, or the negative errno where it is -1. For calls that cannot be interrupted, or must not be repeated. */
export function outcome(result: number): number {
  return result === -1 ? -koffi.errno() : result;
}

/** Memory of this thread that system calls read and write: lives as long as the thread, and never moves. */
export interface Scratch {
  /** The address of byte 0. */
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/**
 * Allocates zeroed scratch memory. Its address is valid only while the object is reachable, and the compiler ends a
 * variable's life with its last use: so a module or an object that outlives the call has it, or the code reads it after
 * the call.
 */
export function scratch(byteLength: number): Scratch {
  // An ArrayBuffer's backing store is outside V8's heap: the collector frees it but never moves it.
  const buffer = new ArrayBuffer(byteLength);
  return { address: addressOf(buffer), bytes: new Uint8Array(buffer), view: new DataView(buffer) };
}

/** The address of byte 0 of a buffer. Valid only while the buffer is reachable, so keep it until the call is over. */
export function addressOf(buffer: ArrayBufferLike): number {
  // A view of it: koffi knows the address of those on shared memory too.
  return Number(koffi.address(new Uint8Array(buffer)));
}

/**
 * An ArrayBuffer over `bytes` of memory at `address`. It does not own the memory and does not know when it goes. Throws
 * RangeError past what Node can view, 4 GiB in Node 20: koffi would abort the process.
 */
export function viewOf(address: number, bytes: number): ArrayBuffer {
  if (bytes > constants.MAX_LENGTH) {
    throw new RangeError(
      `memory of ${bytes} bytes cannot be viewed: this Node's limit is ${constants.MAX_LENGTH}`,
    );
  }
  return koffi.view(BigInt(address), bytes);
}

/** Linux's PATH_MAX, including the NUL. */
export const pathMax = 4096;

/** A path or a name: Linux's are bytes, so those that are not UTF-8 come and go as bytes. */
export type PathLike = string | Uint8Array;

const encoder = new TextEncoder();

/**
 * Writes `path` and a NUL at the start of `into`. Returns 0; -ENAMETOOLONG; or -EINVAL where the path has a NUL byte
 * in it: C would cut it there, and a path that was checked must be the path that is opened.
 */
export function putPath(into: Scratch, path: PathLike): number {
  const limit = into.bytes.length - 1;
  let length: number;
  if (typeof path === "string") {
    if (path.length > limit) return -Errno.ENAMETOOLONG;
    const { read, written } = encoder.encodeInto(path, into.bytes);
    if (read < path.length || written > limit) return -Errno.ENAMETOOLONG;
    length = written;
  } else {
    if (path.length > limit) return -Errno.ENAMETOOLONG;
    into.bytes.set(path);
    length = path.length;
  }
  into.bytes[length] = 0;
  return into.bytes.indexOf(0) === length ? 0 : -Errno.EINVAL;
}

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A name that a call has put into `bytes`. */
export function pathFrom(bytes: Uint8Array, start: number, end: number): PathLike {
  try {
    return strictDecoder.decode(bytes.subarray(start, end));
  } catch {
    return bytes.slice(start, end);
  }
}

/** Reads a little-endian u64 as a number; above 2^53 the nearest number. */
export function u64At(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
}

/** Reads a little-endian i64 as a number; beyond 2^53 the nearest number. */
export function i64At(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getInt32(offset + 4, true) * 2 ** 32;
}

/** Writes a number, an integer within 2^53, as a little-endian i64. */
export function putI64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setInt32(offset + 4, Math.floor(value / 2 ** 32), true);
}
