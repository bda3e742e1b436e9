// Memory for the chunks that are given to a program. Each has a buffer of its own, as those of net.Socket: a program
// may keep it, or transfer it to another thread, and no other chunk is the worse for it.
//
// glibc's allocator gives freed blocks of such a size back to the kernel, and the next chunk's pages are faulted in
// and cleared anew: a quarter of all that reading bulk costs. Once it was given back a block of the largest size that
// it maps by itself, it keeps smaller ones, up to twice that much in all (mallopt(3): M_MMAP_THRESHOLD,
// M_TRIM_THRESHOLD). Hence one such block, dropped at once; nothing touches its pages, so it takes no memory.

/** Below glibc's DEFAULT_MMAP_THRESHOLD_MAX, 32 MiB. */
const DROPPED_BYTES: number = 31 * 1024 * 1024;
/** A chunk of this size is bulk. */
const BULK_BYTES = 16 * 1024;

let dropped = false;

/** Memory that nobody else has, with whatever was in it. */
export function takeChunk(bytes: number): Buffer {
  if (bytes >= BULK_BYTES && !dropped) {
    dropped = true;
    Buffer.allocUnsafeSlow(DROPPED_BYTES);
  }
  return Buffer.allocUnsafeSlow(bytes);
}
