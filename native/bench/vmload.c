// The load generator inside a virtual machine, for `ringway bench --vm`. It keeps one stream to the host's bench,
// through the medium that is measured, and does what the lines on it say; each answer is one line of JSON.
//
//   vmload ringway HOST PORT     the Ringway library, on the machine's ivshmem device and virtio port
//   vmload tcp HOST PORT         TCP sockets
//
//   out BYTES PORT    sends them in writes of 64 KiB, ends; done when the sink has confirmed the count. (Its own end,
//                     after that, is not waited for: passt of 2023 loses the end of a connection whose other half was
//                     closed.)
//   in BYTES PORT     asks the source for them, reads in 64 KiB; done at its end
//   rtt COUNT PORT    64 bytes there and back, so often
//   write, read, random, find, tar      files: vmfiles.c
//   set ring-bytes N | busy-poll-us N      of ringway: for what comes after
//
// Both back ends block in the same three calls: send, receive, end. The time is the guest's own, without connecting.

#define _GNU_SOURCE
#include <poll.h>

#include "ringway-posix.h"
#include "common.h"
#include "vmfiles.h"

enum { STREAMS = 4, LINE_BYTES = 128, CONNECT_ATTEMPTS = 400, ATTEMPT_MS = 50 };

struct connection {
  int socket;               // tcp
  struct rw_stream *stream; // ringway
};

static bool is_ringway;
static const char *host;
static uint8_t buffer[WRITE_BYTES];

// ── Ringway ─────────────────────────────────────────────────────────────────────────────────────────────────────────

static struct rw_posix posix;
static struct rw_stream streams[STREAMS];
static uint32_t ring_bytes = MIB;

static int32_t check(const char *what, int32_t status) {
  const char *of = posix.what ? posix.what : "";
  if (status < 0) FAIL("%s: %s%s%s", what, rw_status_name(status), *of ? ": " : "", of);
  return status;
}

static void wait_for_host(void) { check("wait", rw_posix_wait(&posix, NULL, 0, -1)); }

// The result of a call that may have to wait; a negative one ends the program.
#define AWAIT(what, call)                                            \
  ({                                                                 \
    int32_t awaited;                                                 \
    while ((awaited = (call)) == RW_AGAIN) wait_for_host();          \
    awaited == RW_END ? 0 : check((what), awaited);                  \
  })

static void ringway_attach(void) {
  char region[128], port[128];
  if (!rw_posix_find_region(region, sizeof region)) FAIL("there is no ivshmem device");
  if (!rw_posix_find_port(RW_POSIX_PORT_NAME, port, sizeof port)) FAIL("there is no port %s", RW_POSIX_PORT_NAME);
  check("attach", rw_posix_attach_file(&posix, region, port, streams, STREAMS, 60000));
}

static struct rw_stream *ringway_connect(uint16_t port) {
  const int32_t slot = AWAIT("new stream", rw_stream_new(&posix.guest, ring_bytes, ring_bytes));
  struct rw_stream *stream = rw_stream_at(&posix.guest, (uint32_t)slot);
  AWAIT("connect", rw_connect(stream, host, (uint32_t)strlen(host), port, 0));
  AWAIT("connect", rw_opened(stream, NULL, NULL, 0));
  return stream;
}

// ── TCP ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

// Tries for a while: the network, or the agent, may still be coming up.
static int tcp_connect(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) FAIL("not an IPv4 address: %s", host);
  for (int attempt = 0;; attempt++) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
      set_no_delay(fd);
      return fd;
    }
    close(fd);
    if (attempt == CONNECT_ATTEMPTS) die("connect");
    poll(NULL, 0, ATTEMPT_MS);
  }
}

// ── Either ──────────────────────────────────────────────────────────────────────────────────────────────────────────

static struct connection open_connection(uint16_t port) {
  return is_ringway ? (struct connection){.stream = ringway_connect(port)}
                    : (struct connection){.socket = tcp_connect(port)};
}

static void send_all(struct connection *c, const void *bytes, uint32_t count) {
  for (uint32_t done = 0; done < count;) {
    const void *from = (const uint8_t *)bytes + done;
    if (is_ringway) {
      done += (uint32_t)AWAIT("send", rw_send(c->stream, from, count - done));
    } else {
      const ssize_t sent = send(c->socket, from, count - done, MSG_NOSIGNAL);
      if (sent < 0 && errno != EINTR) die("send");
      if (sent > 0) done += (uint32_t)sent;
    }
  }
}

// 0: the end.
static uint32_t receive(struct connection *c, void *bytes, uint32_t count) {
  if (is_ringway) return (uint32_t)AWAIT("receive", rw_recv(c->stream, bytes, count));
  for (;;) {
    const ssize_t got = recv(c->socket, bytes, count, 0);
    if (got >= 0) return (uint32_t)got;
    if (errno != EINTR) die("recv");
  }
}

static void receive_all(struct connection *c, void *bytes, uint32_t count) {
  for (uint32_t done = 0; done < count;) {
    const uint32_t got = receive(c, (uint8_t *)bytes + done, count - done);
    if (got == 0) FAIL("the connection ended early");
    done += got;
  }
}

static void end_sending(struct connection *c) {
  if (is_ringway) check("end", rw_end(c->stream));
  else if (shutdown(c->socket, SHUT_WR) != 0) die("shutdown");
}

static void close_connection(struct connection *c) {
  if (is_ringway) check("close", rw_close(c->stream));
  else close(c->socket);
}

// ── What is done ────────────────────────────────────────────────────────────────────────────────────────────────────

static void answer_bytes(char *answer, uint64_t bytes, uint64_t nanoseconds) {
  const uintmax_t microseconds = nanoseconds / 1000;
  snprintf(answer, LINE_BYTES, "{\"bytes\":%ju,\"microseconds\":%ju}\n", (uintmax_t)bytes, microseconds);
}

static void bulk_out(uint64_t bytes, uint16_t port, char *answer) {
  struct connection c = open_connection(port);
  const uint64_t start = now_ns();
  for (uint64_t sent = 0; sent < bytes;) {
    const uint32_t count = (uint32_t)min_u64(bytes - sent, WRITE_BYTES);
    send_all(&c, buffer, count);
    sent += count;
  }
  end_sending(&c);
  uint64_t confirmed;
  receive_all(&c, &confirmed, sizeof confirmed);
  if (confirmed != bytes) FAIL("the sink got %ju bytes", (uintmax_t)confirmed);
  answer_bytes(answer, bytes, now_ns() - start);
  close_connection(&c);
}

static void bulk_in(uint64_t bytes, uint16_t port, char *answer) {
  struct connection c = open_connection(port);
  const uint64_t start = now_ns();
  send_all(&c, &bytes, sizeof bytes);
  uint64_t got = 0;
  for (uint32_t part; (part = receive(&c, buffer, sizeof buffer)) > 0;) got += part;
  if (got != bytes) FAIL("the source sent %ju bytes of %ju", (uintmax_t)got, (uintmax_t)bytes);
  answer_bytes(answer, bytes, now_ns() - start);
  close_connection(&c);
}

static int compare(const void *a, const void *b) {
  const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

static void round_trips(uint64_t count, uint16_t port, char *answer) {
  struct connection c = open_connection(port);
  uint32_t *times = allocate(count * sizeof *times);
  uint8_t message[MESSAGE_BYTES] = {0}, echo[MESSAGE_BYTES];
  for (uint32_t i = 0; i < count; i++) {
    memcpy(message, &i, sizeof i);
    const uint64_t start = now_ns();
    send_all(&c, message, sizeof message);
    receive_all(&c, echo, sizeof echo);
    times[i] = (uint32_t)(now_ns() - start);
    if (memcmp(message, echo, sizeof echo) != 0) FAIL("echo %u differs", i);
  }
  end_sending(&c);
  close_connection(&c);
  qsort(times, count, sizeof *times, compare);
  snprintf(answer, LINE_BYTES, "{\"count\":%ju,\"p50Us\":%.1f,\"p99Us\":%.1f}\n", (uintmax_t)count,
           times[count / 2] / 1e3, times[count * 99 / 100] / 1e3);
  free(times);
}

static void set(const char *name, uint64_t value, char *answer) {
  if (strcmp(name, "ring-bytes") == 0) ring_bytes = (uint32_t)value;
  else if (strcmp(name, "busy-poll-us") == 0) posix.busy_poll_us = (uint32_t)value;
  else FAIL("no such setting: %s", name);
  strcpy(answer, "{}\n");
}

static void obey(char *line, char *answer) {
  char name[16], first[16];
  uintmax_t second;
  if (files_obey(line, answer, LINE_BYTES)) return;
  if (sscanf(line, "%15s %15s %ju", name, first, &second) != 3) FAIL("not a command: %s", line);
  const uint16_t port = (uint16_t)second;
  if (strcmp(name, "set") == 0) set(first, second, answer);
  else if (strcmp(name, "out") == 0) bulk_out(parse_number(first), port, answer);
  else if (strcmp(name, "in") == 0) bulk_in(parse_number(first), port, answer);
  else if (strcmp(name, "rtt") == 0) round_trips(parse_number(first), port, answer);
  else FAIL("not a command: %s", line);
}

int main(int argc, char **argv) {
  if (argc != 4) FAIL("usage: vmload ringway|tcp HOST PORT");
  is_ringway = strcmp(argv[1], "ringway") == 0;
  host = argv[2];
  if (is_ringway) ringway_attach();
  struct connection bench = open_connection((uint16_t)parse_number(argv[3]));
  char line[LINE_BYTES], answer[LINE_BYTES];
  for (uint32_t length = 0; receive(&bench, line + length, 1) == 1;) {
    if (line[length] != '\n') {
      if (++length == sizeof line) FAIL("the line is too long");
      continue;
    }
    line[length] = '\0';
    obey(line, answer);
    send_all(&bench, answer, (uint32_t)strlen(answer));
    length = 0;
  }
}
