// Which bytes of a file are read next: the same for a guest (guest/mount.c) and for preadv.c.

#ifndef RINGWAY_BENCH_READS_H
#define RINGWAY_BENCH_READS_H

#include "common.h"

struct reads {
  uint64_t file_bytes, state;
  uint32_t bytes;  // of each
  bool sequential;
};

static inline struct reads begin_reads(uint64_t file_bytes, uint32_t bytes, bool sequential, uint64_t seed) {
  if (bytes == 0 || file_bytes < bytes) FAIL("the file has %ju bytes, a read %u", (uintmax_t)file_bytes, bytes);
  return (struct reads){file_bytes, sequential ? 0 : seed * 0x9e3779b97f4a7c15u + 1, bytes, sequential};
}

// Where the next one begins: behind the one before, round and round; or at random, at a multiple of its size.
static inline uint64_t next_read(struct reads *reads) {
  const uint64_t places = reads->file_bytes / reads->bytes;
  if (reads->sequential) return reads->state++ % places * reads->bytes;
  reads->state = reads->state * 6364136223846793005u + 1442695040888963407u;
  return (reads->state >> 32) % places * reads->bytes;
}

#endif
