// The loop: what happened on this side, what the host did, one turn for each connection that has work, sleep.
//
// It sleeps only when nothing is queued, nothing is pending after the host was told that it must ring (BELL-5), and until the
// earliest time limit.

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

enum { EVENTS = 256 };

static int epoll_fd, signal_fd, stopping;

int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int loop_watch(int fd, enum tag tag, uint32_t index) {
  uint32_t events = EPOLLIN | EPOLLET;
  if (tag == TAG_CONN) events |= EPOLLOUT | EPOLLRDHUP;
  if (tag == TAG_LINK) events |= EPOLLRDHUP;
  struct epoll_event event = {.events = events, .data.u64 = (uint64_t)tag << 32 | index};
  return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? errno : 0;
}

void loop_init(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (signal_fd >= 0 && epoll_fd >= 0 && loop_watch(signal_fd, TAG_SIGNAL, 0) == 0) return;
  say_begin();
  say("epoll: ");
  say_errno((uint32_t)errno);
  say_end();
  exit(1);
}

// All events of a round are told before any connection is ended or begun by its turn, so none is told to a successor.
static void on_conn(uint32_t index, uint32_t events) {
  struct conn *conn = conn_at(index);
  if (!conn || conn->state == FREE) return;
  uint32_t flags = 0;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) flags |= READABLE;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) flags |= WRITABLE;
  if (events & EPOLLRDHUP) flags |= RDHUP;
  if (events & EPOLLHUP) flags |= RDHUP | HUP;
  if (events & EPOLLERR) flags |= BROKEN;
  conn->flags |= (uint16_t)flags;
  conn_wake(conn);
}

static void dispatch(const struct epoll_event *event) {
  uint32_t index = (uint32_t)event->data.u64;
  switch ((enum tag)(event->data.u64 >> 32)) {
    case TAG_CONN:
      on_conn(index, event->events);
      break;
    case TAG_LISTEN:
      local_ready(index);
      break;
    case TAG_LINK:
      link_heard();
      break;
    case TAG_SIGNAL:
      stopping = 1;
      break;
  }
}

static int64_t sooner(int64_t a, int64_t b) { return a < 0 ? b : b < 0 || a < b ? a : b; }

void loop_run(void) {
  static struct epoll_event events[EVENTS];
  while (!stopping) {
    int64_t now = now_ms();
    int64_t next = table_expire(now);
    next = sooner(next, publish_tick(now));
    next = sooner(next, room_tick(now));
    next = sooner(next, local_accept());
    next = sooner(next, link_tick(now)); // last: what those did may have rung a bell that the device did not take
    int wait_ms = next < 0 ? -1 : next <= now ? 0 : next - now > 60000 ? 60000 : (int)(next - now);
    if (table_busy() || (wait_ms != 0 && !link_sleep())) wait_ms = 0;
    int ready = epoll_wait(epoll_fd, events, EVENTS, wait_ms);
    for (int i = 0; i < ready; i++) dispatch(&events[i]);
    link_take();
    table_run();
  }
}
