// The system calls behind shared memory, by numbers alone: any thread of the process can make them for another. Letting
// go is what takes long: whoever takes the last hold off a memfd frees its pages, and a mapping that was touched has as
// many entries to clear.
//
//   makeMapping     memfd_create, ftruncate, seals, one mapping under a view, one for system calls
//   unmakeMapping   each mapping: its pages out of it, in pieces, where they are many; zero pages in its place,
//                   in one step; then the memfd is closed
//
// In pieces, because what changes the mappings of the process waits for whoever clears entries, and others wait for it:
// a thread that makes memory, or a stack. Pages go out of a mapping without that lock being held for writing, so page
// faults go on.

import { closeFd, fcntl } from "./descriptor.ts";
import { libcCall, outcome, pathMax, putPath, scratch } from "./libc.ts";
import { check } from "./system-error.ts";

const memfdCreateCall = libcCall("memfd_create", "int", ["uintptr_t", "uint32_t"]);
const ftruncateCall = libcCall("ftruncate", "int", ["int", "int64_t"]);
const mmapCall = libcCall("mmap", "intptr_t", ["uintptr_t", "size_t", "int", "int", "int", "int64_t"]);
const munmapCall = libcCall("munmap", "int", ["uintptr_t", "size_t"]);
const madviseCall = libcCall("madvise", "int", ["uintptr_t", "size_t", "int"]);

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MADV_DONTNEED = 4;

export const PAGE_BYTES = 4096;
/** How much is taken out of a mapping at once: some 50 us where all of it was touched. */
const PIECE_BYTES: number = 4 << 20;

/** Bits of `sealsOf()`. */
export const Seal: { readonly SEAL: 1; readonly SHRINK: 2; readonly GROW: 4; readonly WRITE: 8 } = {
  /** No seal can be added any more. */
  SEAL: 1,
  SHRINK: 2,
  GROW: 4,
  WRITE: 8,
};

/** The seals of a memfd, bits of Seal; -EINVAL where `fd` is not a file that can be sealed; or another -errno. */
export function sealsOf(fd: number): number {
  return fcntl(fd, F_GET_SEALS, 0);
}

/**
 * Seals a memfd against shrinking and growing: 0; -EINVAL where `fd` is none, -EPERM where it takes no more seals; or
 * -errno.
 */
export function sealSize(fd: number): number {
  return fcntl(fd, F_ADD_SEALS, Seal.SHRINK | Seal.GROW);
}

/** A mapping as another thread of this process can be told of it, in a message. */
export interface MappingPlace {
  readonly address: number;
  readonly bytes: number;
}

/** A memfd, and where it is mapped. */
export interface Mapping extends MappingPlace {
  readonly fd: number;
  /** Where JavaScript sees it, in a range that is V8's; 0 where that is `address`. */
  readonly viewAddress: number;
}

/**
 * New memory, all zero, of `bytes`, sealed against shrinking, growing and further seals, mapped somewhere and at
 * `viewAddress`, unless that is 0. Throws SystemError (ENOMEM, EMFILE, EINVAL).
 */
export function makeMapping(name: string, bytes: number, viewAddress: number): Mapping {
  check(putPath(path, name), "memfd_create", name);
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const fd = check(outcome(memfdCreateCall(path.address, flags)), "memfd_create", name);
  try {
    check(outcome(ftruncateCall(fd, bytes)), "ftruncate", name);
    check(fcntl(fd, F_ADD_SEALS, Seal.SHRINK | Seal.GROW | Seal.SEAL), "fcntl(F_ADD_SEALS)", name);
    if (viewAddress !== 0) {
      const fixed = MAP_SHARED | MAP_FIXED;
      check(outcome(mmapCall(viewAddress, bytes, PROT_READ_WRITE, fixed, fd, 0)), "mmap");
    }
    return { fd, bytes, viewAddress, address: map(fd, bytes) };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Maps all of `fd` somewhere. Throws SystemError (ENOMEM, EPERM). */
export function map(fd: number, bytes: number): number {
  return check(outcome(mmapCall(0, bytes, PROT_READ_WRITE, MAP_SHARED, fd, 0)), "mmap");
}

/** Zero pages of nobody's are where it was mapped, until unmap(). `hasFew`: next to none of its pages were touched. */
export function unmakeMapping({ fd, address, viewAddress, bytes }: Mapping, hasFew = false): void {
  for (const at of viewAddress === 0 ? [address] : [address, viewAddress]) {
    if (!hasFew) takePages(at, bytes);
    putZeroPages(at, bytes);
  }
  closeFd(fd);
}

function takePages(address: number, bytes: number): void {
  for (let at = 0; at < bytes; at += PIECE_BYTES) {
    madviseCall(address + at, Math.min(PIECE_BYTES, bytes - at), MADV_DONTNEED);
  }
}

/**
 * Where even this fails (ENOMEM: too many mappings), the memory stays mapped until unmap(), or until V8 lets go of its
 * range.
 */
function putZeroPages(address: number, bytes: number): void {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  mmapCall(address, bytes, PROT_READ_WRITE, flags, -1, 0);
}

/** Nothing can reach the addresses any more. */
export function unmap({ address, bytes }: MappingPlace): void {
  munmapCall(address, bytes);
}

const path = scratch(pathMax);
