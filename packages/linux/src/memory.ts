// Shared memory: a sealed memfd and a mapping of it.
//
// Invariant: whatever JavaScript can still reach never points at unmapped memory, nor at somebody else's mapping.
//
// Sealed against SHRINK, so that the other side cannot truncate the file under us: touching a page past the end of
// a file is SIGBUS, and kills the process. hugetlbfs is refused for the same reason: a hole that the other side punches
// there can only be filled again while the pool of huge pages lasts.
//
// Memory that is made here is mapped twice: once at `address`, for system calls, and once under `buffer`, for
// JavaScript, in the address range that V8 reserves for a growable SharedArrayBuffer. An external ArrayBuffer
// (koffi.view) counts in V8's heap with all of its bytes, and 32 MiB or more of that bring about a collection or two
// each time that a guest comes; shared memory counts nothing. V8 takes such a range from the kernel with mmap() and
// gives it back with munmap() when no typed array is left on it, so what is mapped there meanwhile is this file's to
// choose. Memory that comes from elsewhere (fromFd), once in the life of a process or a VM, is mapped once, and seen
// through koffi.view.
//
// How a mapping ends. A view from koffi cannot be detached by Node 20: napi marks external buffers untransferable
// (structuredClone and postMessage copy, or refuse) and there is no ArrayBuffer.prototype.transfer. So the last release
//  1. detaches the buffer where the runtime can (stale typed arrays then have length 0);
//  2. puts private zero pages in the place of the region, at the same addresses, in one mmap(MAP_FIXED) for each
//     mapping: at every instant each address is mapped, and from then on a stale view or address reads and writes
//     memory of nobody's;
//  3. closes the descriptor: the region's pages are free as soon as the other side lets go of them too;
//  4. unmaps those zero pages when the buffer, and so every typed array on it, has been collected.
// 2 and 3 take the time of the pages that were touched, 90 ms for 256 MiB: a thread that must not stand still has
// another do them (Unmake), and keeps the buffer until that is done, so that V8's range is nobody else's before. The
// pages of step 2 cost address space only, unless something stale writes to them. At its address, what is never
// disposed is never unmapped, not even when its thread ends: another one may have been told of it. That is why there
// are two mappings, and no system call uses the one that goes with V8's range.

import { closeFd } from "./descriptor.ts";
import { Errno } from "./errno.ts";
import { fstat } from "./files/stat.ts";
import { addressOf, failure, libcCall, outcome, scratch, u64At, viewOf } from "./libc.ts";
import {
  type Mapping,
  type MappingPlace,
  makeMapping,
  map,
  PAGE_BYTES,
  Seal,
  sealsOf,
  unmakeMapping,
  unmap,
} from "./mapping.ts";
import { check } from "./system-error.ts";

const fallocateCall = libcCall("fallocate", "int", ["int", "int", "int64_t", "int64_t"]);
const fstatfsCall = libcCall("fstatfs", "int", ["int", "uintptr_t"]);

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const HUGETLBFS_MAGIC = 0x958458f6;
const statfsBytes = 120;

/** The region of a descriptor cannot be used safely: the other side could kill this process through it. */
export class UnsafeMemoryError extends Error {
  override readonly name: string = "UnsafeMemoryError";
  readonly code: "ERR_RINGWAY_UNSAFE_MEMORY" = "ERR_RINGWAY_UNSAFE_MEMORY";
}

/** Has a mapping unmade (unmakeMapping), here or by another thread, and calls back when it is. */
export type Unmake = (mapping: Mapping, done: () => void) => void;

export interface FromFdOptions {
  /** False: take memory that the other side can truncate, and with it kill this process. Default true. */
  readonly requireSeals?: boolean;
  /** The size of what the caller has just looked at: it is not looked at again, which may wait for a file system. */
  readonly bytes?: number;
}

export class SharedMemory implements Disposable {
  /** The memfd; -1 where the mapping is attached only, or released. */
  get fd(): number {
    return this.#fd;
  }
  readonly bytes: number;
  /** The address of byte 0, for system calls. Only for use while this object is not disposed, or retained. */
  readonly address: number;
  /** Undefined: it is another thread's. */
  readonly #unmake: Unmake | undefined;
  #fd: number;
  #buffer: ArrayBufferLike;
  #holders = 1;
  #disposed = false;

  private constructor(
    fd: number,
    { address, bytes }: MappingPlace,
    buffer: ArrayBufferLike,
    unmake: Unmake | undefined,
  ) {
    this.#fd = fd;
    this.address = address;
    this.bytes = bytes;
    this.#unmake = unmake;
    this.#buffer = buffer;
  }

  /**
   * New memory, all zero, of `bytes` (a multiple of the page size), sealed against shrinking, growing and further
   * seals. `name` shows in /proc/<pid>/maps and fd; `unmake` does what takes long at its end. Throws SystemError
   * (ENOMEM, EMFILE, EINVAL).
   */
  static create(name: string, bytes: number, unmake: Unmake = unmakeHere): SharedMemory {
    requireSize(bytes);
    const reserved = reserve(bytes);
    const mapping = makeMapping(name, bytes, viewAddressOf(reserved));
    try {
      return new SharedMemory(mapping.fd, mapping, reserved ?? viewOf(mapping.address, bytes), unmake);
    } catch (error) {
      unmakeMapping(mapping);
      unmap(mapping);
      throw error;
    }
  }

  /**
   * Maps memory that the other side made. Takes `fd` over, also when it throws: then `fd` is closed. Throws
   * UnsafeMemoryError where the descriptor is not a memfd sealed against SHRINK, or is of huge pages, or is empty;
   * SystemError where it cannot be mapped (EPERM: sealed against writing).
   */
  static fromFd(fd: number, options: FromFdOptions = {}): SharedMemory {
    try {
      // The seal first, then the size: in this order the size can no longer shrink after it was read.
      if (options.requireSeals !== false) requireUnshrinkable(fd);
      const bytes = options.bytes ?? sizeOf(fd);
      if (bytes === 0) throw new UnsafeMemoryError("the memory has no bytes");
      const place = { address: map(fd, bytes), bytes };
      return new SharedMemory(fd, place, viewOf(place.address, bytes), unmakeHere);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  /**
   * A view of a mapping that another thread of this process owns. The owner must keep it (retain) for as long as any
   * thread uses it: releasing this object releases nothing. A thread that cannot promise that takes a mapping of its
   * own: `SharedMemory.fromFd(duplicateFd(owner.fd))`.
   */
  static attachExisting(place: MappingPlace): SharedMemory {
    return new SharedMemory(-1, place, viewOf(place.address, place.bytes), undefined);
  }

  /** All of the memory. Throws once the last holder has released it; take it anew rather than keep it. */
  get buffer(): ArrayBufferLike {
    if (this.#holders === 0) throw new Error("this shared memory was released");
    return this.#buffer;
  }

  /** True once the last holder has released it. */
  get released(): boolean {
    return this.#holders === 0;
  }

  /** Where it is, for attachExisting() in another Worker. */
  get place(): MappingPlace {
    return { address: this.address, bytes: this.bytes };
  }

  /**
   * Keeps the memory mapped until the result is disposed: for work in flight that has addresses inside it. Throws
   * once it was released; after dispose() too, while others still hold it, since a new holder then has no right to it.
   */
  retain(): Disposable {
    if (this.#disposed) throw new Error("this shared memory was released");
    this.#holders++;
    let held = true;
    return {
      [Symbol.dispose]: (): void => {
        if (!held) return;
        held = false;
        this.#release();
      },
    };
  }

  /**
   * Gives the pages of a range back to the kernel: they read as zero from now on, on both sides, and cost no memory
   * until they are written. Parts of pages are zeroed in place. 0 or -errno (-EINVAL where the range is not inside;
   * -EBADF for memory that is attached only, or released).
   */
  punchHole(offset: number, bytes: number): number {
    if (offset < 0 || bytes <= 0 || offset + bytes > this.bytes) return -Errno.EINVAL;
    if (this.#fd < 0) return -Errno.EBADF;
    for (;;) {
      const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
      if (fallocateCall(this.#fd, mode, offset, bytes) === 0) return 0;
      const error = failure();
      if (error !== -Errno.EINTR) return error;
    }
  }

  /** Gives up this hold on the memory; it goes when nobody else retains it. Repeating it does nothing. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#release();
  }

  #release(): void {
    this.#holders--;
    if (this.#holders > 0) return;
    const buffer = this.#buffer;
    // Let go of the buffer: its collection is what unmaps the addresses.
    this.#buffer = new ArrayBuffer(0);
    detach(buffer);
    if (this.#unmake === undefined) return;
    const place = this.place;
    const viewAddress = buffer instanceof SharedArrayBuffer ? addressOf(buffer) : 0;
    const mapping = { ...place, fd: this.#fd, viewAddress };
    this.#fd = -1;
    // It is kept until this is called.
    this.#unmake(mapping, () => unmapWhenCollected.register(buffer, place));
  }
}

function unmakeHere(mapping: Mapping, done: () => void): void {
  unmakeMapping(mapping);
  done();
}

const statfs = scratch(statfsBytes);

/** Unmaps once no typed array can reach the addresses. */
const unmapWhenCollected = new FinalizationRegistry<MappingPlace>(unmap);

function requireSize(bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new RangeError(`memory cannot have ${bytes} bytes`);
  }
}

interface GrowableConstructor {
  new (
    bytes: number,
    options: { maxByteLength: number },
  ): SharedArrayBuffer & { readonly growable?: boolean };
}

type Growable = InstanceType<GrowableConstructor>;

/**
 * A buffer that counts nothing in V8's heap, and whose range is its own to map. Undefined where the runtime has none:
 * only a growable one is never part of a larger allocation.
 */
function reserve(bytes: number): Growable | undefined {
  let buffer: Growable;
  try {
    buffer = new (SharedArrayBuffer as unknown as GrowableConstructor)(bytes, { maxByteLength: bytes });
  } catch {
    // A RangeError: no address space, or more bytes than a buffer has. mmap() says which.
    return undefined;
  }
  const isOurs = buffer.growable === true && addressOf(buffer) % PAGE_BYTES === 0 && bytes % PAGE_BYTES === 0;
  return isOurs ? buffer : undefined;
}

function viewAddressOf(reserved: Growable | undefined): number {
  return reserved === undefined ? 0 : addressOf(reserved);
}

/** Not lseek: on a PCI device's memory in sysfs it says 0 (Linux 5.13 to 6.5). */
function sizeOf(fd: number): number {
  const stat = fstat(fd);
  return typeof stat === "number" ? check(stat, "fstat") : stat.size;
}

function requireUnshrinkable(fd: number): void {
  const seals = sealsOf(fd);
  if (seals === -Errno.EINVAL) throw new UnsafeMemoryError("the descriptor is not a memfd");
  if ((check(seals, "fcntl(F_GET_SEALS)") & Seal.SHRINK) === 0) {
    throw new UnsafeMemoryError("the memfd is not sealed against shrinking (F_SEAL_SHRINK)");
  }
  check(outcome(fstatfsCall(fd, statfs.address)), "fstatfs");
  if (u64At(statfs.view, 0) === HUGETLBFS_MAGIC) throw new UnsafeMemoryError("the memfd is of huge pages");
}

/** Detaches where the runtime can. Where it cannot, the buffer stays as it is, over memory that stays mapped. */
function detach(buffer: ArrayBufferLike): void {
  const { transfer } = buffer as ArrayBufferLike & { transfer?: (bytes: number) => ArrayBuffer };
  try {
    transfer?.call(buffer, 0);
  } catch {
    // Not detachable here: untransferable external buffers throw.
  }
}
