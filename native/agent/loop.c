// The loop: what happened on this side, what the host did, one turn for each connection that has work, sleep.
//
// It sleeps only when nothing is queued, nothing is pending after the host was told that it must ring (BELL-5), and
// until the earliest time limit.

#define _GNU_SOURCE
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>

#include "agent.h"
#include "front.h"
#include "link.h"
#include "listen.h"
#include "look.h"
#include "room.h"
#include "silence.h"
#include "turn.h"
#include "watch.h"

static int stopping;

// Where whoever started it has it ignored, as nohup(1) does, it stays so.
static void unless_ignored(sigset_t *set, int signal) {
  struct sigaction is;
  if (sigaction(signal, NULL, &is) == 0 && is.sa_handler != SIG_IGN) sigaddset(set, signal);
}

void loop_init(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  unless_ignored(&set, SIGHUP);
  unless_ignored(&set, SIGQUIT);
  sigprocmask(SIG_BLOCK, &set, NULL);
  signal(SIGPIPE, SIG_IGN);
  int signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  int error = signal_fd < 0 ? errno : watch_init();
  if (!error) error = watch_add(signal_fd, TAG_SIGNAL, 0);
  if (!error) return;
  say_begin();
  say("epoll: ");
  say_errno((uint32_t)error);
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
  if (events & EPOLLPRI) flags |= URGENT;
  conn->flags |= flags;
  conn_wake(conn);
}

static void dispatch(const struct epoll_event *event) {
  switch (watch_tag(event)) {
    case TAG_CONN:
      on_conn(watch_index(event), event->events);
      break;
    case TAG_LISTEN:
      listen_ready(watch_index(event));
      break;
    case TAG_LINK:
      link_heard((enum link_part)watch_index(event));
      break;
    case TAG_SIGNAL:
      stopping = 1;
      break;
  }
}

static void turn(struct conn *conn) {
  turn_step(conn);
  link_settle();
}

static void expired(struct conn *conn) {
  turn_expired(conn);
  link_settle();
}

static int64_t sooner(int64_t a, int64_t b) { return a < 0 ? b : b < 0 || a < b ? a : b; }

void loop_run(void) {
  int64_t silent_ms = -1;
  while (!stopping) {
    const struct epoll_event *events;
    int ready = 0;
    int64_t now = rw_posix_now_ms();
    int64_t next = table_expire(now, expired);
    next = sooner(next, room_tick(now));
    next = sooner(next, silent_ms);
    next = sooner(next, listen_accept());
    next = sooner(next, fronts_tick(now)); // behind those that came: what they wait for may be due later
    next = sooner(next, link_tick(now)); // last: what those did may have rung a bell that the device did not take
    int wait_ms = next < 0 ? -1 : next <= now ? 0 : next - now > ROUND_MS_MAX ? ROUND_MS_MAX : (int)(next - now);
    int found = wait_ms != 0 && !table_busy() && look_for_work(&events, &ready);
    if (!found) {
      if (table_busy() || (wait_ms != 0 && !link_sleep())) wait_ms = 0;
      ready = watch_wait(&events, wait_ms);
    }
    for (int i = 0; i < ready; i++) dispatch(&events[i]);
    link_take();
    table_run(turn);
    silent_ms = silence_tick(now);
  }
}
