// Looks for work before the loop sleeps (BELL-9): in the rings and at the descriptors alike, since what comes next may
// come from either side, and an answer of the host's is followed by the program's next word.
//
// Each look gives way to whoever else wants this processor: the host, a server or the program, where there are few. And
// it stops by itself for so many sleeps where it does not pay: a thread that has yielded to one that computes is not
// woken by what it waits for, and one that sleeps is.
//
//   LOOKING ── MISSES_MAX in a row that found nothing ──▶ PAUSE_SLEEPS without ─╮
//      ▲    ── one that ended LATE_US after its time ──▶ LATE_SLEEPS without ───┤
//      ╰────────────────────────────────────────────────────────────────────────╯

#define _GNU_SOURCE
#include "look.h"

#include <sched.h>
#include <time.h>

#include "link.h"
#include "options.h"
#include "watch.h"

enum { MISSES_MAX = 8, PAUSE_SLEEPS = 32, LATE_US = 200, LATE_SLEEPS = 256 };

static uint32_t misses, skips;

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void missed(int64_t late_us) {
  misses++;
  if (late_us <= LATE_US && misses < MISSES_MAX) return;
  misses = 0;
  skips = late_us > LATE_US ? LATE_SLEEPS : PAUSE_SLEEPS;
}

int look_for_work(const struct epoll_event **events, int *ready) {
  *ready = 0;
  if (options.busy_poll_us == 0 || !link_is_up()) return 0;
  if (skips > 0) {
    skips--;
    return 0;
  }
  int64_t now, end = now_us() + options.busy_poll_us;
  do {
    if (!link_pending()) *ready = watch_wait(events, 0);
    if (*ready > 0 || link_pending()) {
      misses = 0;
      return 1;
    }
    sched_yield();
    now = now_us();
  } while (now < end);
  missed(now - end);
  return 0;
}
