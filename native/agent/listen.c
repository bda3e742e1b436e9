// Listening sockets in the guest, and who connects to them.
//
// A front asks for its sockets before the loop begins; a connection that is accepted is handed to it in HANDSHAKE.
// While the table is full, connections wait in the kernel's backlog. A front to which programs do not connect() has a
// descriptor of its own among them, and takes from that what has come.

#define _GNU_SOURCE
#include "listen.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent.h"
#include "end.h"
#include "inet.h"
#include "local.h"
#include "room.h"
#include "watch.h"

enum kind { INET, UNIX_PATH, OWN_FD };

static struct listener {
  int fd;
  const struct front *front;
  uint32_t route;
  enum kind kind;
  int waiting; // something may wait
} listeners[LISTENERS_MAX];
static uint32_t count;
static int64_t again_ms; // no accept before; 0: at once

// ── Listening ───────────────────────────────────────────────────────────────────────────────────────────────────────

_Noreturn static void cannot(const char *what, int error) {
  say_begin();
  say(what);
  say(": ");
  say_errno((uint32_t)error);
  say_end();
  exit(1);
}

_Noreturn void listen_failed(const char *where, const char *option, int error) {
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

static void add_listener(int fd, const struct front *front, uint32_t route, enum kind kind) {
  listeners[count] = (struct listener){.fd = fd, .front = front, .route = route, .kind = kind};
  int error = watch_add(fd, TAG_LISTEN, count++);
  if (error) cannot("epoll", error);
  room_for_programs();
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

void listen_init(void) {
  int error = local_init();
  if (error) cannot("eventfd", error);
  loopback_up();
}

int listen_tcp(const struct address *address, const struct front *front, uint32_t route, const char *option) {
  if (address->family == 0) return 0;
  struct rw_inet wish = {.family = address->family, .port = address->port};
  struct sockaddr_storage at;
  memcpy(wish.address, address->ip, sizeof wish.address);
  socklen_t bytes = inet_to(&wish, &at);
  int one = 1;
  int fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) listen_failed(address->text, option, errno);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  local_tune(fd); // what it accepts is as it is
  if (at.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&at, bytes) < 0 || listen(fd, BACKLOG) < 0)
    listen_failed(address->text, option, errno);
  getsockname(fd, (struct sockaddr *)&at, &bytes);
  add_listener(fd, front, route, INET);
  struct rw_inet bound = inet_from(&at);
  say_begin();
  say(front->name);
  say(" on ");
  say_inet(&bound);
  return 1;
}

int listen_fd(const struct front *front, uint32_t route) {
  for (uint32_t i = 0; i < count; i++)
    if (listeners[i].front == front && listeners[i].route == route && listeners[i].kind == INET) return listeners[i].fd;
  return -1;
}

uint16_t listen_port(const struct front *front, uint32_t route) {
  struct sockaddr_storage at = {.ss_family = 0};
  socklen_t bytes = sizeof at;
  if (getsockname(listen_fd(front, route), (struct sockaddr *)&at, &bytes) < 0) return 0;
  return (uint16_t)inet_from(&at).port;
}

int listen_has(uint32_t inode) {
  struct stat is;
  for (uint32_t i = 0; i < count; i++)
    if (fstat(listeners[i].fd, &is) == 0 && is.st_ino == inode) return 1;
  return 0;
}

void listen_own(int fd, const struct front *front) { add_listener(fd, front, 0, OWN_FD); }

// Which file the Unix socket is: whoever removes it may put another in its place, a second agent's for one.
static struct stat service_file;
static const char *service_path; // NULL: nothing to remove at the end

// A socket that a killed agent has left is replaced; one on which somebody listens is not.
int listen_unix(const char *path, const struct front *front) {
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
  int failed = bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || lstat(path, &service_file) < 0 ||
               listen(fd, BACKLOG) < 0;
  int error = failed ? errno : 0;
  umask(mask);
  if (failed) {
    close(fd);
    return error;
  }
  service_path = path;
  add_listener(fd, front, 0, UNIX_PATH);
  return 0;
}

// It is listened on until here, so no other file has the same number.
void listen_exit(void) {
  struct stat now;
  if (!service_path || lstat(service_path, &now) < 0) return;
  if (now.st_dev == service_file.st_dev && now.st_ino == service_file.st_ino) unlink(service_path);
}

// ── Those that connect ──────────────────────────────────────────────────────────────────────────────────────────────

void listen_ready(uint32_t index) {
  if (index < count) listeners[index].waiting = 1;
}

static void begin(const struct listener *listener, int fd) {
  int is_unix = listener->kind == UNIX_PATH;
  struct conn *conn = conn_new(listener->front, fd);
  conn->route = listener->route;
  conn->flags = is_unix ? READABLE | WRITABLE | UNIX : READABLE | WRITABLE;
  room_enter(conn, EARLY);
  conn_deadline(conn, options.handshake_ms);
  if (watch_add(fd, TAG_CONN, conn_index(conn)) != 0) conn_drop(conn, RESET);
  else conn_wake(conn);
}

static int accept_one(struct listener *listener) {
  struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
  socklen_t bytes = sizeof from;
  int fd = accept4(listener->fd, (struct sockaddr *)&from, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EAGAIN) listener->waiting = 0;
    else if (errno != ECONNABORTED && errno != EINTR) again_ms = rw_posix_now_ms() + ACCEPT_AGAIN_MS;
    return 0;
  }
  const struct rw_inet program = inet_from(&from);
  if (listener->front->accepted) listener->front->accepted(fd, &program);
  else begin(listener, fd);
  return 1;
}

static int take_one(struct listener *listener) {
  if (listener->kind != OWN_FD) return accept_one(listener);
  listener->waiting = listener->front->come(listener->fd);
  return listener->waiting;
}

// Its connection has a slot already, or it finds one itself.
static int needs_slot(const struct listener *listener) {
  return listener->kind != OWN_FD && !listener->front->accepted;
}

static int has_slot(const struct listener *listener) {
  return !needs_slot(listener) || table_free() > 0 || conn_yields();
}

int64_t listen_accept(void) {
  int64_t next_ms = -1;
  if (again_ms != 0 && rw_posix_now_ms() < again_ms) return again_ms;
  again_ms = 0;
  for (uint32_t i = 0; i < count; i++) {
    struct listener *listener = &listeners[i];
    for (int n = 0; listener->waiting && n < ACCEPTS_AT_ONCE && has_slot(listener); n++)
      if (!take_one(listener) && again_ms != 0) return again_ms;
    if (!listener->waiting) continue;
    // There are more: the next round, without sleep. A full table is emptied by something that happens, or by room.c.
    int64_t due_ms = !needs_slot(listener) || table_free() > 0 ? 0 : room_yields_ms();
    if (due_ms >= 0 && (next_ms < 0 || due_ms < next_ms)) next_ms = due_ms;
  }
  return next_ms;
}
