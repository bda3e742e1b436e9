// The peer of file-stream read: a loop of read() from a cached file into shared memory of the size of a ring, round and
// round. What it leaves out is everything that a second side would need.
//
//   fileread --path FILE [--passes N] [--ring-bytes N] file

#include <fcntl.h>
#include <sys/mman.h>

#include "load.h"

enum { READ_BYTES = 256 * KIB };

int main(int argc, char **argv) {
  const struct load load = parse_load(argc, argv);
  const size_t capacity = load.ring_bytes;
  const int memory = memfd_create("fileread", MFD_CLOEXEC);
  if (memory < 0 || ftruncate(memory, (off_t)capacity) != 0) die("memfd");
  uint8_t *ring = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (ring == MAP_FAILED) die("mmap");
  if (load.path == NULL) FAIL("--path FILE is missing");
  uint64_t total = 0;
  const uint64_t start = now_ns();
  for (uint32_t pass = 0; pass < load.passes; pass++) {
    const int file = open(load.path, O_RDONLY | O_CLOEXEC);
    if (file < 0) die("cannot open %s", load.path);
    for (size_t at = 0;;) {
      const ssize_t got = read(file, ring + at, min_u64(READ_BYTES, capacity - at));
      if (got < 0) die("read");
      if (got == 0) break;
      total += (uint64_t)got;
      at = (at + (size_t)got) % capacity;
    }
    close(file);
  }
  report_bytes(total, seconds_since(start));
  return 0;
}
