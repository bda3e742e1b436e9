// What every program of the benchmarks needs: failing, the clock, options, a byte pattern to check transfers by.

#ifndef RINGWAY_BENCH_COMMON_H
#define RINGWAY_BENCH_COMMON_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "shared words are little-endian (section 2)");

enum { KIB = 1024, MIB = 1024 * 1024, WRITE_BYTES = 64 * KIB, MESSAGE_BYTES = 64 };

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...) {
  const int saved = errno;
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "%s: ", program_invocation_short_name);
  vfprintf(stderr, format, arguments);
  if (saved != 0) fprintf(stderr, " (%s)", strerror(saved));
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

// For what is not about errno.
#define FAIL(...) (errno = 0, die(__VA_ARGS__))

// Dies with whoever started it, so that a benchmark that is killed leaves nothing behind.
static inline void die_with_parent(void) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

static inline void raise_descriptor_limit(void) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

static inline uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline uint32_t min_u32(uint32_t a, uint32_t b) { return a < b ? a : b; }
static inline uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }

static inline uint64_t parse_number(const char *text) {
  char *end;
  errno = 0;
  const uint64_t value = strtoull(text, &end, 10);
  if (errno != 0 || *text == '\0' || *end != '\0') FAIL("not a number: %s", text);
  return value;
}

static inline void *allocate(size_t bytes) {
  void *memory = calloc(1, bytes);
  if (memory == NULL) die("no memory");
  return memory;
}

static inline void set_no_delay(int socket) {
  const int one = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static inline struct sockaddr_in loopback(uint16_t port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static inline struct sockaddr_un unix_address(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) FAIL("path is too long: %s", path);
  strcpy(address.sun_path, path);
  return address;
}

// Byte number `position` of a transfer under --verify; no two pages of it are alike.
static inline uint8_t pattern_byte(uint64_t position) {
  return (uint8_t)((position * 0x9e3779b97f4a7c15u) >> 56);
}

static inline void pattern_fill(uint8_t *target, uint64_t position, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) target[i] = pattern_byte(position + i);
}

static inline bool pattern_holds(const uint8_t *source, uint64_t position, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) {
    if (source[i] != pattern_byte(position + i)) return false;
  }
  return true;
}

// A small generator of sizes for --verify: every run takes the same path.
static inline uint32_t random_below(uint32_t bound) {
  static uint64_t state = 0x853c49e6748fea9bu;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(((state >> 32) * bound) >> 32);
}

#endif
