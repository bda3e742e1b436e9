// The guest's side: listening sockets, and what is done with the descriptor of a connection.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent.h"

enum {
  LISTENERS_MAX = ROUTES_MAX + 3,
  BACKLOG = 4096,
  ACCEPTS_AT_ONCE = 64,  // then others get their turn
  ACCEPT_AGAIN_MS = 100, // after EMFILE and the like
  PARTING_MS = 2000,
  LEAVING_MIN_MS = 5,
  LEAVING_MAX_MS = 500,
};

static struct listener {
  int fd;
  uint8_t kind;
  uint32_t route;
  int waiting; // connections may wait
} listeners[LISTENERS_MAX];
static uint32_t count;
static int64_t again_ms; // no accept before; 0: at once
static int mark_fd = -1; // see local_reset()
static uint8_t peeked[PEEK_BYTES];

// ── Listening ───────────────────────────────────────────────────────────────────────────────────────────────────────

_Noreturn static void cannot(const char *what, const char *where, int error) {
  say_begin();
  say(what);
  say(where);
  say(": ");
  say_errno((uint32_t)error);
  say_end();
  exit(1);
}

_Noreturn static void cannot_listen(const char *where, const char *option, int error) {
  say_begin();
  say("listen on ");
  say(where);
  say(" (");
  say(option);
  say("): ");
  say_errno((uint32_t)error);
  say_end();
  exit(1);
}

static void add_listener(int fd, enum kind kind, uint32_t route) {
  listeners[count] = (struct listener){.fd = fd, .kind = (uint8_t)kind, .route = route};
  int error = loop_watch(fd, TAG_LISTEN, count++);
  if (error) cannot("epoll", "", error);
}

static socklen_t sockaddr_of(const struct address *address, struct sockaddr_storage *to) {
  memset(to, 0, sizeof *to);
  if (address->family == 6) {
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(address->port);
    memcpy(&in6->sin6_addr, address->ip, 16);
    return sizeof *in6;
  }
  struct sockaddr_in *in = (struct sockaddr_in *)to;
  in->sin_family = AF_INET;
  in->sin_port = htons(address->port);
  memcpy(&in->sin_addr, address->ip, 4);
  return sizeof *in;
}

static struct rw_inet inet_of(const struct sockaddr_storage *from) {
  struct rw_inet inet = {.family = from->ss_family == AF_INET6 ? 6 : 4};
  if (inet.family == 6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    memcpy(inet.address, &in6->sin6_addr, 16);
    inet.port = ntohs(in6->sin6_port);
  } else {
    const struct sockaddr_in *in = (const struct sockaddr_in *)from;
    memcpy(inet.address, &in->sin_addr, 4);
    inet.port = ntohs(in->sin_port);
  }
  return inet;
}

// A guest that has just started may not have switched its loopback on.
static void loopback_up(void) {
  struct ifreq request = {.ifr_name = "lo"};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  if (ioctl(fd, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_UP)) {
    request.ifr_flags |= IFF_UP;
    ioctl(fd, SIOCSIFFLAGS, &request);
  }
  close(fd);
}

static void listen_tcp(const struct address *address, enum kind kind, uint32_t route, const char *what) {
  if (address->family == 0) return;
  struct sockaddr_storage at;
  socklen_t bytes = sockaddr_of(address, &at);
  const char *option = kind == KIND_SOCKS ? "--socks PORT|off" : kind == KIND_HTTP ? "--http PORT|off" : "--forward";
  int one = 1;
  int fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) cannot_listen(address->text, option, errno);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (at.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&at, bytes) < 0 || listen(fd, BACKLOG) < 0)
    cannot_listen(address->text, option, errno);
  getsockname(fd, (struct sockaddr *)&at, &bytes);
  struct rw_inet bound = inet_of(&at);
  say_begin();
  say(what);
  say(" on ");
  say_inet(&bound);
  if (kind == KIND_FORWARD) {
    const struct route *to = &options.forward[route];
    say(" to ");
    say(to->host);
    say(":");
    say_number(to->port);
  }
  say_end();
  add_listener(fd, kind, route);
}

// Which file the service socket is: whoever removes it may put another in its place, a second agent's for one.
static struct stat service_file;

// A socket that a killed agent has left is replaced; one on which somebody listens is not.
static int listen_unix(const char *path) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof at.sun_path) return ENAMETOOLONG;
  strcpy(at.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  struct stat stat;
  if (lstat(path, &stat) == 0 && S_ISSOCK(stat.st_mode)) {
    int other = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int alive = connect(other, (struct sockaddr *)&at, sizeof at) == 0 || errno == EAGAIN;
    close(other);
    if (alive) {
      close(fd);
      return EADDRINUSE;
    }
    unlink(path);
  }
  mode_t mask = umask(0177);
  int failed = bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || lstat(path, &service_file) < 0 || listen(fd, BACKLOG) < 0 ? errno : 0;
  umask(mask);
  if (failed) close(fd);
  else add_listener(fd, KIND_SERVICE, 0);
  return failed;
}

static void listen_service(void) {
  if (!options.service) return;
  int error = listen_unix(options.service);
  if (error && options.service_given) cannot_listen(options.service, "--service PATH|off", error);
  say_begin();
  say(error ? "no service socket: " : "programs of Ringway on ");
  say(options.service);
  if (error) {
    say(": ");
    if (error == EADDRINUSE) say("another agent has it; --service PATH gives this one its own");
    else {
      say_errno((uint32_t)error);
      say("; --service PATH names another place");
    }
    options.service = NULL; // nothing to remove at the end
  }
  say_end();
}

void local_init(void) {
  mark_fd = eventfd(0, EFD_CLOEXEC);
  if (mark_fd < 0) cannot("eventfd", "", errno);
  diag_init();
  loopback_up();
  listen_tcp(&options.socks, KIND_SOCKS, 0, "SOCKS5");
  listen_tcp(&options.http, KIND_HTTP, 0, "HTTP");
  for (uint32_t i = 0; i < options.forwards; i++)
    listen_tcp(&options.forward[i].here, KIND_FORWARD, i, "forward");
  listen_service();
}

// It is listened on until here, so no other file has the same number.
void local_exit(void) {
  struct stat now;
  if (!options.service || lstat(options.service, &now) < 0) return;
  if (now.st_dev == service_file.st_dev && now.st_ino == service_file.st_ino) unlink(options.service);
}

void local_ready(uint32_t index) {
  if (index < count) listeners[index].waiting = 1;
}

// How the kernel closes it: with a RST, or in order. With a RST from the start on until the program is told of an end,
// so that an agent that is killed, too, leaves nobody with half an answer that looks whole.
static void linger(int fd, int in_order) {
  struct linger at_once = {.l_onoff = !in_order};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

// A program that has closed its end entirely looks like one that only sends no more, while its peer says nothing either. The kernel
// forgets it a minute later (tcp_fin_timeout), and then answers a probe with a RST: so no such pair stays for ever.
static void tune(int fd) {
  int one = 1, idle_s = 90, interval_s = 30, probes = 3;
  linger(fd, 0);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

// While the table is full, connections wait in the kernel's backlog.
static int accept_one(struct listener *listener) {
  int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EAGAIN) listener->waiting = 0;
    else if (errno != ECONNABORTED && errno != EINTR) again_ms = now_ms() + ACCEPT_AGAIN_MS;
    return 0;
  }
  struct conn *conn = conn_new(listener->kind, fd);
  if (listener->kind != KIND_SERVICE) tune(fd);
  conn->route = listener->route;
  conn->flags = READABLE | WRITABLE;
  room_enter(conn, EARLY);
  conn_deadline(conn, options.handshake_ms);
  local_watch(conn);
  if (conn->state != FREE) conn_wake(conn);
  return 1;
}

int64_t local_accept(void) {
  int64_t next_ms = -1;
  if (again_ms != 0 && now_ms() < again_ms) return again_ms;
  again_ms = 0;
  for (uint32_t i = 0; i < count; i++) {
    struct listener *listener = &listeners[i];
    for (int n = 0; listener->waiting && n < ACCEPTS_AT_ONCE && (table_free() > 0 || room_make_slot()); n++)
      if (!accept_one(listener) && again_ms != 0) return again_ms;
    // There are more: the next round, without sleep. A full table is emptied by something that happens, or by room.c.
    if (listener->waiting) next_ms = table_free() > 0 ? 0 : room_slot_ms();
  }
  return next_ms;
}

// ── Connections ─────────────────────────────────────────────────────────────────────────────────────────────────────

int local_listens(void) { return count > 0; }
int local_is_unix(const struct conn *conn) { return conn->kind == KIND_SERVICE; }

void local_watch(struct conn *conn) {
  if (loop_watch(conn->fd, TAG_CONN, conn_index(conn)) != 0) conn_drop(conn, RESET);
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

void local_end(struct conn *conn) {
  shutdown(conn->fd, SHUT_WR);
  if (!local_is_unix(conn)) linger(conn->fd, 1);
}

void local_close(struct conn *conn) {
  if (conn->fd >= 0 && !local_is_unix(conn)) linger(conn->fd, 1);
  if (conn->fd >= 0) close(conn->fd);
  conn->fd = -1;
}

// A Unix socket has no RST: what came before it would look whole. So a byte goes out with a descriptor in its train, which nothing
// else on that socket has, and tools/talk.c takes it for what it means.
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
  if (local_is_unix(conn)) send_mark(conn->fd);
  else linger(conn->fd, 0); // also where its end was told
  close(conn->fd);
  conn->fd = -1;
}

// close() with bytes unread would send a RST, which takes the last words from the program that has not read them yet.
void local_part(struct conn *conn, const void *bytes, uint32_t length) {
  if (!local_answer(conn, bytes, length)) {
    conn_drop(conn, RESET);
    return;
  }
  local_end(conn);
  conn->state = PARTING;
  room_enter(conn, LATE);
  conn->flags |= READABLE;
  conn_deadline(conn, PARTING_MS);
  conn_wake(conn);
}

int local_drain(struct conn *conn) {
  for (int turns = 0; turns < 16; turns++) {
    if (!(conn->flags & READABLE)) return 0;
    ssize_t got = recv(conn->fd, peeked, sizeof peeked, MSG_DONTWAIT);
    if (got > 0 || (got < 0 && errno == EINTR)) continue;
    if (got == 0 || errno != EAGAIN) return -1;
    conn->flags &= (uint16_t)~READABLE;
  }
  return 1;
}

void local_parting(struct conn *conn) {
  int more = local_drain(conn);
  if (more > 0) conn_wake(conn);
  if (more < 0) conn_drop(conn, CLOSE);
}

// A RST drops what this side's kernel still has to send, and leaves what the program's kernel has. No event tells when all of it has
// been acknowledged: it is asked for, at first at once.
void local_leave(struct conn *conn) {
  conn->state = LEAVING;
  room_enter(conn, LATE);
  conn_deadline(conn, 0);
  conn->left = LEAVING_MIN_MS;
  conn->flags |= READABLE;
  local_leaving(conn);
}

void local_leaving(struct conn *conn) {
  int unacknowledged = 0;
  int more = conn->flags & RDHUP ? 0 : local_drain(conn); // it may write while it reads
  if (more > 0) conn_wake(conn);
  if (more < 0) conn->flags |= RDHUP;
  if ((conn->flags & BROKEN) || ioctl(conn->fd, TIOCOUTQ, &unacknowledged) < 0 || unacknowledged == 0) {
    conn_drop(conn, RESET);
    return;
  }
  if (conn->deadline_ms != 0) return; // an event, before it is time
  conn_deadline(conn, conn->left);
  if (conn->left < LEAVING_MAX_MS) conn->left *= 2;
}

uint32_t local_unread(const struct conn *conn) {
  int bytes = 0;
  return conn->fd < 0 || ioctl(conn->fd, FIONREAD, &bytes) < 0 ? 0 : (uint32_t)bytes;
}

int local_connect(struct conn *conn, uint8_t family, uint16_t port) {
  struct address loopback = {.family = family, .port = port};
  if (family == 6) loopback.ip[15] = 1;
  else memcpy(loopback.ip, (uint8_t[]){127, 0, 0, 1}, 4);
  struct sockaddr_storage to;
  socklen_t bytes = sockaddr_of(&loopback, &to);
  local_close(conn); // the one before has failed
  conn->flags &= (uint16_t)~(READABLE | WRITABLE | RDHUP | HUP | BROKEN);
  conn->fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (conn->fd < 0) return errno;
  tune(conn->fd);
  if (connect(conn->fd, (struct sockaddr *)&to, bytes) < 0 && errno != EINPROGRESS) return errno;
  return loop_watch(conn->fd, TAG_CONN, conn_index(conn));
}
