// The servers of streams behind the relays: TCP on 127.0.0.1, at a port that the kernel picks and this prints; or, at
// PATH, which it prints, a Unix socket. One thread, epoll.
//
//   server [--verify] [--unix PATH] MODE
//     sink    takes bytes until END, answers with their count (u64, little-endian), ends
//     source  reads a count (u64), sends that many bytes, ends
//     echo    sends back what it gets, ends when the other side ends
//     once    sends back what it gets first, then ends: so the TIME-WAIT stays here, not on the relay's port
//   Under --verify, sink resets a connection whose bytes are not the pattern's, and source sends the pattern.

#include <fcntl.h>
#include <sys/epoll.h>

#include "common.h"

enum { EVENTS = 256, BUFFER_BYTES = 256 * KIB, ECHO_BYTES = 64 * KIB };

enum mode { SINK, SOURCE, ECHO, ONCE };

struct connection {
  int socket;
  uint64_t total, wanted;  // bytes moved; source: to move
  uint32_t request_bytes;  // source: of the count, so far
  bool ended;              // echo: the other side has
  uint32_t start, stop;    // echo: what waits in `buffer`
  uint8_t *buffer;
};

static enum mode mode;
static bool verify, is_unix;
static int epoll;
static uint8_t buffer[BUFFER_BYTES];

static void drop(struct connection *c, bool reset) {
  if (reset) {
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(c->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  close(c->socket);
  free(c->buffer);
  free(c);
}

static void listen_to(struct connection *c, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  epoll_ctl(epoll, EPOLL_CTL_MOD, c->socket, &event);
}

static void sink(struct connection *c) {
  for (int round = 0; round < 8; round++) {
    const size_t room = verify ? 1 + random_below(BUFFER_BYTES) : BUFFER_BYTES;
    const ssize_t got = recv(c->socket, buffer, room, 0);
    if (got < 0) {
      if (errno != EAGAIN && errno != EINTR) drop(c, false);
      return;
    }
    if (got == 0) {
      // Nothing was sent before, so eight bytes have room.
      const bool told = send(c->socket, &c->total, sizeof c->total, MSG_NOSIGNAL) == sizeof c->total;
      drop(c, !told);
      return;
    }
    if (verify && !pattern_holds(buffer, c->total, (size_t)got)) {
      fprintf(stderr, "server: bytes differ near %ju\n", (uintmax_t)c->total);
      drop(c, true);
      return;
    }
    c->total += (uint64_t)got;
    if ((size_t)got < room) return;
  }
}

static void source(struct connection *c) {
  if (c->request_bytes < sizeof c->wanted) {
    const size_t missing = sizeof c->wanted - c->request_bytes;
    const ssize_t got = recv(c->socket, (uint8_t *)&c->wanted + c->request_bytes, missing, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      drop(c, false);
      return;
    }
    c->request_bytes += (uint32_t)got;
    if (c->request_bytes < sizeof c->wanted) return;
    listen_to(c, EPOLLOUT);
  }
  for (int round = 0; round < 8 && c->total < c->wanted; round++) {
    const size_t most = verify ? 1 + random_below(WRITE_BYTES) : WRITE_BYTES;
    const size_t bytes = (size_t)min_u64(c->wanted - c->total, most);
    if (verify) pattern_fill(buffer, c->total, bytes);
    const ssize_t sent = send(c->socket, buffer, bytes, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR) drop(c, false);
      return;
    }
    c->total += (uint64_t)sent;
  }
  if (c->total == c->wanted) drop(c, false);
}

static void echo(struct connection *c) {
  if (c->start == c->stop && !c->ended) {
    const ssize_t got = recv(c->socket, c->buffer, ECHO_BYTES, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) {
      drop(c, false);
      return;
    }
    c->start = 0;
    c->stop = (uint32_t)got;
    c->ended = got == 0;
  }
  if (c->start < c->stop) {
    const ssize_t sent = send(c->socket, c->buffer + c->start, c->stop - c->start, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      drop(c, false);
      return;
    }
    if (sent > 0) c->start += (uint32_t)sent;
    if (c->start < c->stop) {
      listen_to(c, EPOLLOUT);
      return;
    }
    if (sent < (ssize_t)c->stop) listen_to(c, EPOLLIN);  // the rest of what had waited is out
  }
  if (c->ended || (mode == ONCE && c->start == c->stop)) drop(c, false);
}

static void accept_all(int listener) {
  for (int socket; (socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
    struct connection *c = allocate(sizeof *c);
    c->socket = socket;
    if (!is_unix) set_no_delay(socket);
    if (mode == ECHO || mode == ONCE) c->buffer = malloc(ECHO_BYTES);  // untouched pages cost nothing
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) != 0) die("epoll_ctl");
  }
}

static int listen_on_any_port(void) {
  struct sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 4096) != 0) die("cannot listen");
  if (getsockname(listener, (struct sockaddr *)&address, &length) != 0) die("getsockname");
  printf("%u\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

static int listen_at(const char *path) {
  const struct sockaddr_un address = unix_address(path);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4096) != 0) {
    die("cannot listen at %s", path);
  }
  printf("%s\n", path);
  fflush(stdout);
  return listener;
}

int main(int argc, char **argv) {
  static const char *const modes[] = {"sink", "source", "echo", "once"};
  verify = argc > 2 && strcmp(argv[1], "--verify") == 0;
  const int first = verify ? 2 : 1;
  is_unix = argc == first + 3 && strcmp(argv[first], "--unix") == 0;
  if (argc != first + (is_unix ? 3 : 1)) FAIL("usage: server [--verify] [--unix PATH] sink|source|echo|once");
  for (mode = SINK; mode <= ONCE && strcmp(argv[argc - 1], modes[mode]) != 0;) mode++;
  if (mode > ONCE) FAIL("no such mode: %s", argv[argc - 1]);
  die_with_parent();
  raise_descriptor_limit();
  epoll = epoll_create1(EPOLL_CLOEXEC);
  const int listener = is_unix ? listen_at(argv[first + 1]) : listen_on_any_port();
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0) die("epoll_ctl");
  for (;;) {
    struct epoll_event events[EVENTS];
    const int count = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      struct connection *c = events[i].data.ptr;
      if (c == NULL) {
        accept_all(listener);
      } else if (mode == SINK) {
        sink(c);
      } else if (mode == SOURCE) {
        source(c);
      } else {
        echo(c);
      }
    }
  }
}
