// Many echo streams of one guest at once, in small rings: each sends bytes of its own, checks what comes back, ends,
// and is opened again. `many STREAMS ROUNDS BYTES`, with RINGWAY_SOCKET. Prints how many streams it finished.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ringway-posix.h"

enum { STREAMS_MAX = 4096 };

static struct rw_posix posix;
static struct rw_stream streams[STREAMS_MAX];
static struct job {
  uint32_t sent, got, bytes, seed;
  int running;
} jobs[STREAMS_MAX];
static uint32_t live, started, finished, total, most_bytes;

static void check(const char *what, int32_t status) {
  if (status >= 0) return;
  fprintf(stderr, "%s: %s\n", what, rw_status_name(status));
  exit(1);
}

static uint8_t byte_of(const struct job *job, uint32_t at) { return (uint8_t)((at * 2654435761u ^ job->seed) >> 13); }

// As many more streams as there should be, or as the control pipe takes now.
static void open_more(uint32_t wanted) {
  while (live < wanted && started < total) {
    int32_t slot = rw_stream_new(&posix.guest, 4096, 4096);
    if (slot == RW_AGAIN) return;
    check("new stream", slot);
    struct job *job = &jobs[slot];
    *job = (struct job){.seed = ++started * 7919, .bytes = 0};
    job->bytes = job->seed * 2246822519u % most_bytes;
    live++;
  }
}

static void finish(struct rw_stream *stream) {
  check("close", rw_close(stream));
  live--;
  finished++;
}

static void send_some(struct rw_stream *stream, struct job *job) {
  while (job->sent < job->bytes) {
    void *at;
    int32_t room = rw_send_span(stream, &at);
    if (room == RW_AGAIN) return;
    check("send", room);
    uint32_t count = job->bytes - job->sent < (uint32_t)room ? job->bytes - job->sent : (uint32_t)room;
    for (uint32_t i = 0; i < count; i++) ((uint8_t *)at)[i] = byte_of(job, job->sent + i);
    check("commit", rw_send_commit(stream, count));
    job->sent += count;
    if (job->sent == job->bytes) check("end", rw_end(stream));
  }
}

static void step(struct rw_stream *stream) {
  // A slot may come out twice at once: for its StreamInfo, and for a bell of the stream that had its id before.
  if (rw_stream_state(stream) == RW_STREAM_FREE) return;
  struct job *job = &jobs[rw_stream_slot(stream)];
  if (rw_stream_state(stream) == RW_STREAM_REFUSED) {
    fprintf(stderr, "a stream was refused: errno %u\n", rw_stream_error(stream));
    exit(1);
  }
  if (rw_stream_state(stream) == RW_STREAM_FRESH) {
    check("open", rw_echo(stream));
    if (job->bytes == 0) check("end", rw_end(stream));
  }
  send_some(stream, job); // also before Opened has come (STR-3)
  if (!job->running) {
    int32_t status = rw_opened(stream, NULL, NULL, 0);
    if (status == RW_AGAIN) return;
    check("opened", status);
    job->running = 1;
  }
  for (;;) {
    uint8_t bytes[1500];
    int32_t count = rw_recv(stream, bytes, sizeof bytes);
    if (count == RW_AGAIN) break;
    if (count == RW_END) {
      if (job->got != job->bytes) check("the end came early", RW_END);
      finish(stream);
      return;
    }
    check("receive", count);
    for (int32_t i = 0; i < count; i++)
      if (bytes[i] != byte_of(job, job->got + (uint32_t)i)) check("another byte", RW_INVALID);
    job->got += (uint32_t)count;
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  uint32_t wanted = (uint32_t)atoi(argv[1]);
  total = wanted * (uint32_t)atoi(argv[2]);
  most_bytes = (uint32_t)atoi(argv[3]);
  check("attach", rw_posix_attach_socket(&posix, getenv("RINGWAY_SOCKET"), streams, STREAMS_MAX, 5000));
  while (finished < total) {
    open_more(wanted);
    int32_t ready = rw_posix_wait(&posix, NULL, 0, 20000);
    check("wait", ready);
    if (ready == 0) {
      fprintf(stderr, "nothing came for 20 s: %u of %u streams, %u live\n", finished, total, live);
      return 1;
    }
    for (uint32_t i = 0; i < posix.count; i++)
      if (posix.ready[i] != RW_SLOT_CONTROL) step(rw_stream_at(&posix.guest, posix.ready[i]));
  }
  rw_posix_detach(&posix);
  printf("%u\n", finished);
}
