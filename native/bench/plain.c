// The load generator without Ringway: the same work as guest.c with read() and write(), over a Unix socket (for socat
// behind it) or over TCP (for nothing between, or for what a program in a network of its own cannot see).
//
//   plain --unix PATH | [--host HOST] --port PORT [options] bulk-out | bulk-in | rtt | echo | rate
//   plain --host DOMAIN --port PORT --iterations N names
//
// Bulk has so many connections as there are --streams, each a process with an equal part of the bytes. With --confirmed
// bulk-out does not wait for the other side's end: pasta of 2023 loses that of a connection whose half was closed.
// names looks up n0.DOMAIN, n1.DOMAIN and so on, and tells how long that took; then it connects to each.

#include <netdb.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "load.h"

enum { EVENTS = 256 };

struct connection {
  int socket;
  uint32_t got, sequence;
  uint8_t message[MESSAGE_BYTES];
};

static struct load load;
static struct sockaddr_in server;
static uint8_t scratch[WRITE_BYTES];

static struct sockaddr_in look_up(const char *host) {
  const struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found;
  const int failed = getaddrinfo(host, NULL, &wanted, &found);
  if (failed != 0) FAIL("%s: %s", host, gai_strerror(failed));
  struct sockaddr_in address = *(const struct sockaddr_in *)(const void *)found->ai_addr;
  address.sin_port = htons(load.port);
  freeaddrinfo(found);
  return address;
}

static int connect_to(const struct sockaddr_in *address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0) die("cannot connect");
  set_no_delay(fd);
  return fd;
}

static int open_socket(void) {
  if (load.unix_path == NULL) return connect_to(&server);
  const struct sockaddr_un address = unix_address(load.unix_path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // The backlog of socat is short: while it is full, connect() says EAGAIN or waits.
  while (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
    if (errno != EAGAIN && errno != EINTR) die("cannot connect to %s", load.unix_path);
    poll(NULL, 0, 1);
  }
  return fd;
}

static void write_all(int fd, const void *source, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    const ssize_t part = send(fd, (const uint8_t *)source + done, bytes - done, MSG_NOSIGNAL);
    if (part < 0 && errno != EINTR) die("write");
    if (part > 0) done += (size_t)part;
  }
}

static size_t read_some(int fd, void *target, size_t bytes) {
  for (;;) {
    const ssize_t part = read(fd, target, bytes);
    if (part >= 0) return (size_t)part;
    if (errno != EINTR) die("read");
  }
}

static void read_exactly(int fd, void *target, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    const size_t part = read_some(fd, (uint8_t *)target + done, bytes - done);
    if (part == 0) FAIL("the connection ended early");
    done += part;
  }
}

static void bulk_out(int fd) {
  for (uint64_t sent = 0; sent < load.bytes;) {
    const uint32_t bytes = next_write(&load, load.bytes - sent);
    if (load.verify) pattern_fill(scratch, sent, bytes);
    write_all(fd, scratch, bytes);
    sent += bytes;
  }
  shutdown(fd, SHUT_WR);
  uint64_t confirmed;
  read_exactly(fd, &confirmed, sizeof confirmed);
  check_confirmation(confirmed, load.bytes);
  if (!load.confirmed && read_some(fd, scratch, 1) != 0) FAIL("bytes after the confirmation");
}

static void bulk_in(int fd) {
  uint64_t got = 0;
  write_all(fd, &load.bytes, sizeof load.bytes);
  for (size_t bytes; (bytes = read_some(fd, scratch, next_write(&load, WRITE_BYTES))) > 0; got += bytes) {
    if (load.verify && !pattern_holds(scratch, got, bytes)) FAIL("bytes differ near %ju", (uintmax_t)got);
  }
  if (got != load.bytes) FAIL("%ju bytes of %ju came", (uintmax_t)got, (uintmax_t)load.bytes);
}

static void bulk(void (*move)(int fd)) {
  uint64_t start;
  if (load.streams == 1) {
    const int fd = open_socket();
    start = now_ns();
    move(fd);
  } else {
    load.bytes /= load.streams;
    start = now_ns();
    for (uint32_t i = 0; i < load.streams; i++) {
      const pid_t child = fork();
      if (child < 0) die("fork");
      if (child > 0) continue;
      die_with_parent();
      move(open_socket());
      _exit(0);
    }
    for (uint32_t i = 0; i < load.streams; i++) {
      int status;
      if (wait(&status) < 0 || status != 0) FAIL("a connection has failed");
    }
  }
  report_bytes(load.bytes * load.streams, seconds_since(start));
}

static void names(void) {
  struct sockaddr_in *addresses = allocate(load.iterations * sizeof *addresses);
  char name[256];
  const uint64_t start = now_ns();
  for (uint32_t i = 0; i < load.iterations; i++) {
    snprintf(name, sizeof name, "n%u.%s", i, load.host);
    addresses[i] = look_up(name);
  }
  const double seconds = seconds_since(start);
  for (uint32_t i = 0; i < load.iterations; i++) close(connect_to(&addresses[i]));
  report_count(load.iterations, seconds);
  free(addresses);
}

static void rtt(int fd) {
  uint32_t *times = allocate(load.iterations * sizeof *times);
  uint8_t message[MESSAGE_BYTES], echo[MESSAGE_BYTES];
  for (uint32_t i = 0; i < load.iterations; i++) {
    fill_message(message, 0, i);
    const uint64_t start = now_ns();
    write_all(fd, message, sizeof message);
    read_exactly(fd, echo, sizeof echo);
    times[i] = (uint32_t)(now_ns() - start);
    check_message(&load, echo, 0, i);
  }
  report_latency(times, load.iterations);
  free(times);
}

static void send_message(const struct connection *connection, uint32_t index) {
  uint8_t message[MESSAGE_BYTES];
  fill_message(message, index, connection->sequence);
  write_all(connection->socket, message, sizeof message);
}

static void open_connection(int epoll, struct connection *connection) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  connection->socket = open_socket();
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->socket, &event) != 0) die("epoll_ctl");
}

// echo: one message in flight on each connection. rate: one message on each connection, then another connection.
static void echo_or_rate(bool rate) {
  struct connection *connections = allocate(load.streams * sizeof *connections);
  struct epoll_event events[EVENTS];
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (!rate) {
    for (uint32_t i = 0; i < load.streams; i++) open_connection(epoll, &connections[i]);
  }
  uint64_t count = 0;
  const uint64_t start = now_ns(), end = start + load.milliseconds * 1000000u;
  for (uint32_t i = 0; i < load.streams; i++) {
    if (rate) open_connection(epoll, &connections[i]);
    send_message(&connections[i], i);
  }
  for (uint32_t flying = load.streams; flying > 0;) {
    const int ready = epoll_wait(epoll, events, EVENTS, -1);
    const bool time_is_up = now_ns() >= end;
    for (int i = 0; i < ready; i++) {
      struct connection *c = events[i].data.ptr;
      const uint32_t index = (uint32_t)(c - connections);
      // Under rate, one byte of room past the message, for the end of the stream to be seen.
      const size_t room = MESSAGE_BYTES - c->got;
      const size_t bytes = read_some(c->socket, room > 0 ? c->message + c->got : scratch, room > 0 ? room : 1);
      c->got += (uint32_t)bytes;
      if (c->got > MESSAGE_BYTES || (bytes == 0 && c->got < MESSAGE_BYTES)) FAIL("a wrong echo");
      if (c->got < MESSAGE_BYTES || (rate && bytes != 0)) continue;
      check_message(&load, c->message, index, c->sequence++);
      c->got = 0;
      count++;
      if (rate) close(c->socket);
      if (time_is_up) {
        flying--;
        continue;
      }
      if (rate) open_connection(epoll, c);
      send_message(c, index);
    }
  }
  report_count(count, seconds_since(start));
}

int main(int argc, char **argv) {
  load = parse_load(argc, argv);
  if (load.unix_path == NULL && load.port == 0) FAIL("give --unix PATH or --port PORT");
  if (mode_is(&load, "names")) {
    names();
    return 0;
  }
  if (load.unix_path == NULL) server = load.host == NULL ? loopback(load.port) : look_up(load.host);
  if (mode_is(&load, "echo") || mode_is(&load, "rate")) {
    echo_or_rate(mode_is(&load, "rate"));
  } else if (mode_is(&load, "bulk-out")) {
    bulk(bulk_out);
  } else if (mode_is(&load, "bulk-in")) {
    bulk(bulk_in);
  } else if (mode_is(&load, "rtt")) {
    rtt(open_socket());
  } else {
    FAIL("no such mode: %s", load.mode);
  }
  return 0;
}
