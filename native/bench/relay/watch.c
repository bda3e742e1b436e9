// What epoll watches, for whoever has a descriptor; the loop waits (main.c).

#include "relay.h"

#include <sys/epoll.h>

int epoll_fd = -1;

static void control(int operation, int fd, uint32_t events, struct source *source) {
  struct epoll_event event = {.events = events | EPOLLET, .data.ptr = source};
  if (epoll_ctl(epoll_fd, operation, fd, &event) != 0) die("epoll_ctl");
}

void watch(int fd, uint32_t events, struct source *source) { control(EPOLL_CTL_ADD, fd, events, source); }

void rewatch(int fd, uint32_t events, struct source *source) { control(EPOLL_CTL_MOD, fd, events, source); }
