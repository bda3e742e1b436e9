// Echo streams with the largest rings, one beside the other until the region has no room: each sends bytes and gets
// them back. `large`, with RINGWAY_SOCKET. Prints how many there were, and how far into the region, in MiB, the last
// byte lay.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ringway-posix.h"

enum { STREAMS_MAX = 256, BYTES = 30000, LINUX_ENOMEM = 12 };

static struct rw_posix posix;
static struct rw_stream streams[STREAMS_MAX];
static size_t furthest;

static int32_t check(const char *what, int32_t status) {
  if (status >= 0 || status == RW_AGAIN) return status;
  fprintf(stderr, "%s: %s\n", what, rw_status_name(status));
  exit(1);
}

static void wait_a_while(void) {
  if (check("wait", rw_posix_wait(&posix, NULL, 0, 20000)) > 0) return;
  fprintf(stderr, "nothing came for 20 s\n");
  exit(1);
}

// NULL where the region has no room for it.
static struct rw_stream *open_echo(void) {
  int32_t slot = check("new stream", rw_stream_new(&posix.guest, RW_RING_BYTES_MAX, RW_RING_BYTES_MAX));
  struct rw_stream *stream = rw_stream_at(&posix.guest, (uint32_t)slot);
  while (rw_stream_state(stream) == RW_STREAM_ASKED) wait_a_while();
  if (rw_stream_state(stream) == RW_STREAM_REFUSED) {
    if (rw_stream_error(stream) != LINUX_ENOMEM) check("refused", RW_INVALID);
    return NULL;
  }
  check("open", rw_echo(stream));
  while (check("opened", rw_opened(stream, NULL, NULL, 0)) == RW_AGAIN) wait_a_while();
  return stream;
}

static void look_where(const void *at, int32_t count) {
  size_t end = (size_t)((const uint8_t *)at - (const uint8_t *)posix.region) + (size_t)count;
  if (end > furthest) furthest = end;
}

static void exchange(struct rw_stream *stream, uint8_t seed) {
  uint8_t bytes[BYTES];
  for (uint32_t i = 0; i < BYTES; i++) bytes[i] = (uint8_t)(i * 7 + seed);
  void *at;
  look_where((check("span", rw_send_span(stream, &at)), at), BYTES);
  if (rw_send(stream, bytes, BYTES) != BYTES) check("send", RW_INVALID);
  for (uint32_t got = 0; got < BYTES;) {
    int32_t count = check("receive", rw_recv_span(stream, &at));
    if (count == RW_AGAIN) wait_a_while();
    else {
      look_where(at, count);
      if (memcmp(at, bytes + got, (size_t)count) != 0) check("another byte", RW_INVALID);
      check("commit", rw_recv_commit(stream, (uint32_t)count));
      got += (uint32_t)count;
    }
  }
}

int main(void) {
  check("attach", rw_posix_attach_socket(&posix, getenv("RINGWAY_SOCKET"), streams, STREAMS_MAX, 5000));
  uint32_t count = 0;
  for (struct rw_stream *stream; (stream = open_echo()) != NULL; count++) exchange(stream, (uint8_t)count);
  rw_posix_detach(&posix);
  printf("%u streams, %zu MiB\n", count, furthest >> 20);
}
