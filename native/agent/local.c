// The socket of a connection, on the guest's side: what it says, what it is told, and how it is closed.

#define _GNU_SOURCE
#include "local.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "diag.h"
#include "watch.h"

static int mark_fd = -1; // see send_mark()
static uint8_t peeked[PEEK_BYTES];

int local_init(void) {
  mark_fd = eventfd(0, EFD_CLOEXEC);
  diag_init();
  return mark_fd < 0 ? errno : 0;
}

// How the kernel closes it: with a RST, or in order. With a RST from the start on until the program is told of an end,
// so that an agent that is killed, too, leaves nobody with half an answer that looks whole.
static void linger(int fd, int in_order) {
  struct linger at_once = {.l_onoff = !in_order};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

// A program that has closed its end entirely looks like one that only sends no more, while its peer says nothing
// either. The kernel forgets it a minute later (tcp_fin_timeout), and then answers a probe with a RST: so no such pair
// stays for ever.
void local_tune(int fd) {
  int one = 1, idle_s = 90, interval_s = 30, probes = 3;
  linger(fd, 0);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

int local_error(const struct conn *conn) {
  int error = 0;
  socklen_t bytes = sizeof error;
  return getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0 ? errno : error;
}

int32_t local_peek(struct conn *conn, const uint8_t **bytes) {
  *bytes = peeked;
  for (;;) {
    ssize_t got = recv(conn->fd, peeked, sizeof peeked, MSG_PEEK | MSG_DONTWAIT);
    if (got >= 0) return (int32_t)got;
    if (errno == EAGAIN) return -1;
    if (errno != EINTR) return -2;
  }
}

void local_consume(struct conn *conn, uint32_t bytes) {
  while (bytes > 0) {
    ssize_t got = recv(conn->fd, peeked, bytes < sizeof peeked ? bytes : sizeof peeked, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return; // it broke meanwhile; the next call finds that out
    bytes -= (uint32_t)got;
  }
}

int local_answer(struct conn *conn, const void *bytes, uint32_t length) {
  return send(conn->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)length;
}

static void in_order(struct conn *conn) {
  if (conn->flags & (UNIX | IN_ORDER)) return;
  linger(conn->fd, 1);
  conn->flags |= IN_ORDER;
}

void local_end(struct conn *conn) {
  shutdown(conn->fd, SHUT_WR);
  in_order(conn);
}

void local_close(struct conn *conn) {
  if (conn->fd < 0) return;
  in_order(conn);
  close(conn->fd);
  conn->fd = -1;
}

// A Unix socket has no RST: what came before it would look whole. So a byte goes out with a descriptor in its train,
// which nothing else on that socket has, and tools/talk.c takes it for what it means.
static void send_mark(int fd) {
  char byte = 0;
  int room = 1 << 20; // also where the program has not read what it was sent
  union {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(int))];
  } control;
  memset(&control, 0, sizeof control);
  struct iovec part = {.iov_base = &byte, .iov_len = 1};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &mark_fd, sizeof mark_fd);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  ssize_t done = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  (void)done;
}

void local_reset(struct conn *conn) {
  if (conn->fd < 0) return;
  if (conn->flags & UNIX) send_mark(conn->fd);
  else if (conn->flags & IN_ORDER) linger(conn->fd, 0); // its end was told
  close(conn->fd);
  conn->fd = -1;
}

int local_drain(struct conn *conn) {
  for (int turns = 0; turns < DRAINS_AT_ONCE; turns++) {
    if (!(conn->flags & READABLE)) return 0;
    ssize_t got = recv(conn->fd, peeked, sizeof peeked, MSG_DONTWAIT);
    if (got > 0 || (got < 0 && errno == EINTR)) continue;
    if (got == 0 || errno != EAGAIN) return -1;
    conn_clear(conn, READABLE);
  }
  return 1;
}

uint32_t local_unread(const struct conn *conn) {
  int bytes = 0;
  return conn->fd < 0 || ioctl(conn->fd, FIONREAD, &bytes) < 0 ? 0 : (uint32_t)bytes;
}

uint32_t local_untaken(const struct conn *conn) {
  int bytes = 0;
  return ioctl(conn->fd, TIOCOUTQ, &bytes) < 0 ? 0 : (uint32_t)bytes;
}

int local_connect(struct conn *conn, uint8_t family, uint16_t port) {
  struct sockaddr_in in = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 in6 = {
      .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  int is6 = family == 6;
  local_close(conn); // the one before has failed
  conn_clear(conn, READABLE | WRITABLE | RDHUP | HUP | BROKEN | IN_ORDER);
  conn->fd = socket(is6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (conn->fd < 0) return errno;
  local_tune(conn->fd);
  const void *to = is6 ? (const void *)&in6 : &in;
  if (connect(conn->fd, to, is6 ? sizeof in6 : sizeof in) < 0 && errno != EINPROGRESS) return errno;
  return watch_add(conn->fd, TAG_CONN, conn_index(conn));
}
