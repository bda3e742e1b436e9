// What the two load generators share: guest.c works on rings, plain.c on sockets; both take the same options, do the
// same work, and print one line of JSON.

#ifndef RINGWAY_BENCH_LOAD_H
#define RINGWAY_BENCH_LOAD_H

#include <getopt.h>
#include <limits.h>

#include "common.h"

struct load {
  const char *attach, *unix_path, *path;  // where: a monitor, a Unix socket, a file of the host's
  uint16_t port;                          // where: a port of 127.0.0.1, or of `host`
  const char *host;
  const char *mode;
  uint64_t bytes, milliseconds, busy_poll_ns;
  uint32_t iterations, streams, ring_bytes, passes, per_second;
  uint32_t datagram_bytes;     // UDP: of each
  uint32_t read_bytes, depth;  // mount-read: of each, and how many at a time
  bool sequential, echo_protocol, verify;
  bool confirmed;              // bulk-out is over when the sink has confirmed the count
};

static inline struct load parse_load(int argc, char **argv) {
  static const struct option names[] = {{"attach", required_argument, NULL, 'a'},
                                        {"unix", required_argument, NULL, 'u'},
                                        {"port", required_argument, NULL, 'p'},
                                        {"host", required_argument, NULL, 'h'},
                                        {"path", required_argument, NULL, 'f'},
                                        {"bytes", required_argument, NULL, 'b'},
                                        {"milliseconds", required_argument, NULL, 'm'},
                                        {"iterations", required_argument, NULL, 'i'},
                                        {"streams", required_argument, NULL, 's'},
                                        {"ring-bytes", required_argument, NULL, 'r'},
                                        {"passes", required_argument, NULL, 'n'},
                                        {"per-second", required_argument, NULL, 'q'},
                                        {"datagram-bytes", required_argument, NULL, 'd'},
                                        {"read-bytes", required_argument, NULL, 'c'},
                                        {"depth", required_argument, NULL, 'k'},
                                        {"sequential", no_argument, NULL, 'l'},
                                        {"busy-poll-us", required_argument, NULL, 'w'},
                                        {"echo-protocol", no_argument, NULL, 'e'},
                                        {"verify", no_argument, NULL, 'v'},
                                        {"confirmed", no_argument, NULL, 'o'},
                                        {"timeout-seconds", required_argument, NULL, 't'},
                                        {0}};
  struct load load = {.bytes = 256 * MIB,
                      .milliseconds = 500,
                      .iterations = 2000,
                      .streams = 1,
                      .ring_bytes = MIB,
                      .passes = 1,
                      .per_second = 50,
                      .depth = 1};
  uint32_t timeout = 120;
  for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    switch (name) {
      case 'a': load.attach = optarg; break;
      case 'u': load.unix_path = optarg; break;
      case 'p': load.port = (uint16_t)parse_number(optarg); break;
      case 'f': load.path = optarg; break;
      case 'h': load.host = optarg; break;
      case 'b': load.bytes = parse_number(optarg); break;
      case 'm': load.milliseconds = parse_number(optarg); break;
      case 'i': load.iterations = (uint32_t)parse_number(optarg); break;
      case 's': load.streams = (uint32_t)parse_number(optarg); break;
      case 'r': load.ring_bytes = (uint32_t)parse_number(optarg); break;
      case 'n': load.passes = (uint32_t)parse_number(optarg); break;
      case 'q': load.per_second = (uint32_t)parse_number(optarg); break;
      case 'd': load.datagram_bytes = (uint32_t)parse_number(optarg); break;
      case 'c': load.read_bytes = (uint32_t)parse_number(optarg); break;
      case 'k': load.depth = (uint32_t)parse_number(optarg); break;
      case 'l': load.sequential = true; break;
      case 'w': load.busy_poll_ns = 1000 * parse_number(optarg); break;
      case 'e': load.echo_protocol = true; break;
      case 'v': load.verify = true; break;
      case 'o': load.confirmed = true; break;
      case 't': timeout = (uint32_t)parse_number(optarg); break;
      default: exit(2);
    }
  }
  if (optind + 1 != argc) FAIL("give one mode");
  load.mode = argv[optind];
  if (load.streams == 0 || load.iterations == 0 || load.per_second == 0) FAIL("nothing to do");
  die_with_parent();
  alarm(timeout);  // nothing hangs: SIGALRM ends the program
  return load;
}

// Of a path, what comes after the last slash.
static inline const char *file_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? path : slash + 1;
}

// How much of what is left the next write takes; under --verify, of no constant size.
static inline uint32_t next_write(const struct load *load, uint64_t left) {
  const uint32_t most = load->verify ? 1 + random_below(WRITE_BYTES) : WRITE_BYTES;
  return (uint32_t)min_u64(left, most);
}

static inline bool mode_is(const struct load *load, const char *mode) { return strcmp(load->mode, mode) == 0; }

// Message number `sequence` of stream `index`; under --verify its echo must be the same.
static inline void fill_message(uint8_t message[MESSAGE_BYTES], uint32_t index, uint32_t sequence) {
  memset(message, (int)(sequence & 0xff), MESSAGE_BYTES);
  memcpy(message, &index, 4);
  memcpy(message + 4, &sequence, 4);
}

static inline void check_message(const struct load *load, const uint8_t *message, uint32_t index, uint32_t sequence) {
  uint8_t expected[MESSAGE_BYTES];
  if (!load->verify) return;
  fill_message(expected, index, sequence);
  if (memcmp(message, expected, MESSAGE_BYTES) != 0) FAIL("stream %u: echo %u differs", index, sequence);
}

static inline void check_confirmation(uint64_t confirmed, uint64_t bytes) {
  if (confirmed != bytes) FAIL("the sink got %ju bytes of %ju", (uintmax_t)confirmed, (uintmax_t)bytes);
}

static inline double seconds_since(uint64_t start) { return (double)(now_ns() - start) / 1e9; }

// Of this process and of those that it has waited for: the kernel's work for them is in it.
static inline double cpu_seconds(void) {
  double seconds = 0;
  for (int who = RUSAGE_CHILDREN; who <= RUSAGE_SELF; who++) {
    struct rusage used;
    getrusage(who, &used);
    seconds += (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec);
    seconds += (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  }
  return seconds;
}

static inline void report_amount(const char *what, uint64_t amount, double seconds) {
  printf("{\"%s\":%ju,\"seconds\":%.6f,\"cpuSeconds\":%.6f}\n", what, (uintmax_t)amount, seconds, cpu_seconds());
}

static inline void report_bytes(uint64_t bytes, double seconds) { report_amount("bytes", bytes, seconds); }

static inline void report_count(uint64_t count, double seconds) { report_amount("count", count, seconds); }

static inline int compare_u32(const void *a, const void *b) {
  const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

// `times` in nanoseconds.
static inline void report_latency(uint32_t *times, uint32_t count) {
  qsort(times, count, sizeof *times, compare_u32);
  printf("{\"count\":%u,\"p50Us\":%.3f,\"p99Us\":%.3f,\"minUs\":%.3f,\"cpuSeconds\":%.6f}\n", count,
         times[count / 2] / 1e3, times[(uint64_t)count * 99 / 100] / 1e3, times[0] / 1e3, cpu_seconds());
}

#endif
