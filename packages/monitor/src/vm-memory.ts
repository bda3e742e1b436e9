// The memory of a virtual machine: a file that its hypervisor maps too (`memory-backend-file,share=on`), or a memfd.
//
// Invariant: a file that holds anything but Ringway's own superblock, or zeros, is never written to; and of all monitors
// only one has it open here.

import { layout } from "@ringway/control";
import {
  AT_FDCWD,
  check,
  closeFd,
  duplicateFd,
  Errno,
  fstat,
  lockFile,
  OpenFlags,
  openat2,
  readAt,
  type Scratch,
  scratch,
  sealSize,
  truncate,
} from "@ringway/linux";
import { isVmMemorySize, VM_MEMORY_EXPECTED } from "./policy/defaults.ts";

/** A VM's memory cannot be used. */
export class VmMemoryError extends Error {
  override readonly name: string = "VmMemoryError";
  readonly code: "ERR_RINGWAY_VM_MEMORY" = "ERR_RINGWAY_VM_MEMORY";
}

/**
 * The memory at `memory`, a path or a descriptor (of which a duplicate is taken), as a descriptor. A file that does not
 * exist, or is empty, gets `bytes`, a power of two; one that exists keeps the size that it has. Throws VmMemoryError;
 * SystemError (EACCES, ENOENT, ENOSPC).
 */
export function openVmMemory(memory: string | number, bytes: number): number {
  const what = typeof memory === "string" ? memory : `descriptor ${memory}`;
  const flags = OpenFlags.READ_WRITE | OpenFlags.CREATE;
  const fd =
    typeof memory === "number"
      ? check(duplicateFd(memory), "fcntl", what)
      : check(openat2(AT_FDCWD, memory, flags, 0o600, 0), "open", what);
  try {
    const stat = fstat(fd);
    if (typeof stat === "number") check(stat, "fstat", what);
    else if (stat.kind !== "file") throw new VmMemoryError(`${what} is not a file`);
    lock(fd, what);
    // After the lock: another monitor may just have made it.
    const size = sizeOf(fd, what);
    if (size === 0) check(truncate(fd, bytes), "ftruncate", what);
    else if (!isVmMemorySize(size)) {
      throw new VmMemoryError(`${what} has ${size} bytes: expected ${VM_MEMORY_EXPECTED}`);
    }
    requireOurs(fd, what);
    // A memfd cannot be truncated under us and under the hypervisor any more; of a file that is its owner's promise.
    const sealed = sealSize(fd);
    if (sealed !== -Errno.EINVAL && sealed !== -Errno.EPERM) check(sealed, "fcntl(F_ADD_SEALS)", what);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

function lock(fd: number, what: string): void {
  const result = lockFile(fd);
  if (result === -Errno.EAGAIN) throw new VmMemoryError(`another monitor serves ${what}`);
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
  throw new VmMemoryError(`${what} holds something else already: it is not used`);
}
