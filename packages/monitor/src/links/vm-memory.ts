// The memory of a virtual machine: a file that its hypervisor maps too (`memory-backend-file,share=on`), or a memfd. To
// open it may wait for a file system: that is the loader's. The main thread only maps what it is given.
//
// Invariant: a file that holds anything but Ringway's own superblock, or zeros, is never written to; and of all
// monitors only one has it open here.

import { layout } from "@ringway/control";
import {
  AT_FDCWD,
  allocate,
  check,
  closeFd,
  Errno,
  fstat,
  lockFile,
  OpenFlags,
  openat2,
  readAt,
  type Scratch,
  Seal,
  SharedMemory,
  scratch,
  sealSize,
  sealsOf,
  truncate,
} from "@ringway/linux";
import { isVmMemorySize, VM_MEMORY_EXPECTED } from "../policy/defaults.ts";

/** A VM's memory cannot be used. */
export class VmMemoryError extends Error {
  override readonly name: string = "VmMemoryError";
  readonly code: "ERR_RINGWAY_VM_MEMORY" = "ERR_RINGWAY_VM_MEMORY";
}

/** The file holds something that is no region: a mistake in a path; or its guest has written over the superblock. */
export class NotARegionError extends VmMemoryError {}

/**
 * Allocated between two signs of life: a disk that writes some 13 MB in a second is alive (the loader's limit is 5 s).
 */
const ALLOCATE_BYTES = 64 * 1024 * 1024;

/** Memory with its lock and all of its pages. */
export interface OpenMemory {
  readonly fd: number;
  readonly bytes: number;
}

/** Takes the descriptor over, also when it throws SystemError (ENOMEM). */
export function mapVmMemory({ fd, bytes }: OpenMemory): SharedMemory {
  return SharedMemory.fromFd(fd, { requireSeals: false, bytes });
}

/**
 * Opens the memory at `memory`, a path or a descriptor. A file that does not exist, or is empty, gets `bytes`, a power
 * of two; one that exists keeps the size that it has. Says what it is `at`. Throws VmMemoryError; SystemError (EACCES,
 * ENOENT, ENOSPC).
 */
export function openVmMemory(memory: string | number, bytes: number, at: (path: string) => void): OpenMemory {
  const what = typeof memory === "string" ? memory : `descriptor ${memory}`;
  // Of a descriptor a description of our own: the lock goes with it.
  const path = typeof memory === "string" ? memory : `/proc/self/fd/${memory}`;
  const { READ_WRITE, CREATE, NON_BLOCKING, NO_CONTROLLING_TERMINAL } = OpenFlags;
  const flags = READ_WRITE | NON_BLOCKING | NO_CONTROLLING_TERMINAL | (path === memory ? CREATE : 0);
  at(what);
  const fd = check(openat2(AT_FDCWD, path, flags, 0o600, 0), "open", what);
  try {
    const stat = fstat(fd);
    if (typeof stat === "number") check(stat, "fstat", what);
    else if (stat.kind !== "file") throw new VmMemoryError(`${what} is not a file`);
    lock(fd, what);
    // After the lock: another monitor may just have made it.
    if (sizeOf(fd, what) === 0) check(truncate(fd, bytes), "ftruncate", what);
    sealSize(fd);
    const size = sizeOf(fd, what);
    if (!isVmMemorySize(size))
      throw new VmMemoryError(`${what} has ${size} bytes: expected ${VM_MEMORY_EXPECTED}`);
    requireOurs(fd, what);
    // A memfd cannot be truncated any more, and has its pages from the machine's memory. Of a file, its owner promises
    // the first; pages that its file system no longer has would kill whoever touches them.
    const seals = sealsOf(fd);
    if (seals < 0 || (seals & Seal.SHRINK) === 0) allocateAll(fd, size, what, at);
    return { fd, bytes: size };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

function allocateAll(fd: number, bytes: number, what: string, at: (path: string) => void): void {
  for (let offset = 0; offset < bytes; offset += ALLOCATE_BYTES) {
    check(allocate(fd, offset, Math.min(ALLOCATE_BYTES, bytes - offset)), "fallocate", what);
    at(what);
  }
}

function lock(fd: number, what: string): void {
  const result = lockFile(fd);
  if (result === -Errno.EAGAIN)
    throw new VmMemoryError(`${what} is served already, by this monitor or another`);
  check(result, "flock", what);
}

function sizeOf(fd: number, what: string): number {
  const stat = fstat(fd);
  return typeof stat === "number" ? check(stat, "fstat", what) : stat.size;
}

/** A disk image named by mistake would lose its first page. */
function requireOurs(fd: number, what: string): void {
  const magic: Scratch = scratch(8);
  const count = check(readAt(fd, magic.address, 8, 0), "pread", what);
  const [low, high] = [magic.view.getUint32(0, true), magic.view.getUint32(4, true)];
  const isNew = low === 0 && high === 0;
  if (count === 8 && (isNew || (low === layout.MAGIC_LOW && high === layout.MAGIC_HIGH))) return;
  throw new NotARegionError(`${what} holds something else already: it is not used`);
}
