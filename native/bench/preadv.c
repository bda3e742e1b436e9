// The peer of a mount's reads: preadv() of the same bytes in the same sizes, by as many threads as reads are under way
// there.
//
//   preadv --path FILE --read-bytes N [--depth N] [--sequential] [--milliseconds N] mount-read

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "load.h"
#include "reads.h"

static struct load load;
static int file;
static uint64_t file_bytes, end;

struct reader {
  pthread_t thread;
  uint64_t seed, total;
};

static void *read_on(void *argument) {
  struct reader *reader = argument;
  struct reads reads = begin_reads(file_bytes, load.read_bytes, load.sequential, reader->seed);
  uint8_t *target = allocate(load.read_bytes);
  const struct iovec part = {.iov_base = target, .iov_len = load.read_bytes};
  do {
    const uint64_t offset = next_read(&reads);
    if (preadv(file, &part, 1, (off_t)offset) != (ssize_t)load.read_bytes) die("preadv");
    if (load.verify && !pattern_holds(target, offset, load.read_bytes)) {
      FAIL("bytes differ near %ju", (uintmax_t)offset);
    }
    reader->total += load.read_bytes;
  } while (now_ns() < end);
  free(target);
  return NULL;
}

int main(int argc, char **argv) {
  load = parse_load(argc, argv);
  if (load.path == NULL || load.depth == 0) FAIL("--path FILE or --depth N is missing");
  file = open(load.path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) die("cannot open %s", load.path);
  file_bytes = (uint64_t)status.st_size;
  struct reader *readers = allocate(load.depth * sizeof *readers);
  const uint64_t start = now_ns();
  end = start + load.milliseconds * 1000000u;
  for (uint32_t i = 0; i < load.depth; i++) {
    readers[i].seed = i + 1;
    if (pthread_create(&readers[i].thread, NULL, read_on, &readers[i]) != 0) FAIL("no thread");
  }
  uint64_t total = 0;
  for (uint32_t i = 0; i < load.depth; i++) {
    pthread_join(readers[i].thread, NULL);
    total += readers[i].total;
  }
  report_bytes(total, seconds_since(start));
  return 0;
}
