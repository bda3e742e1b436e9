// epoll.
//
// Descriptors are watched edge-triggered, once and for all: nothing is armed again. close() ends it.

#define _GNU_SOURCE
#include "watch.h"

#include <errno.h>

#include "limits.h"

static int epoll_fd;

int watch_init(void) {
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  return epoll_fd < 0 ? errno : 0;
}

int watch_add(int fd, enum tag tag, uint32_t index) {
  uint32_t events = EPOLLIN | EPOLLET;
  if (tag == TAG_CONN) events |= EPOLLOUT | EPOLLRDHUP | EPOLLPRI;
  if (tag == TAG_LINK) events |= EPOLLRDHUP;
  struct epoll_event event = {.events = events, .data.u64 = (uint64_t)tag << 32 | index};
  return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? errno : 0;
}

int watch_wait(const struct epoll_event **events, int wait_ms) {
  static struct epoll_event ready[EVENTS];
  *events = ready;
  return epoll_wait(epoll_fd, ready, EVENTS, wait_ms);
}
