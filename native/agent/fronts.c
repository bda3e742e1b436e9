// The table of fronts.

#include "front.h"

#include <stddef.h>

// The service socket comes when all others are there: that it is there is what scripts wait for.
static const struct front *const fronts[] = {
  &socks_front,    &http_front,    &forward_front,  &transparent_front, &datagrams_front,
  &resolver_front, &mount_front,    &service_front, &auto_front,        &listener_front,
  &published_front,
};
enum { FRONTS = sizeof fronts / sizeof fronts[0] };

void fronts_listen(void) {
  for (int i = 0; i < FRONTS; i++)
    if (fronts[i]->listen) fronts[i]->listen();
}

void fronts_up(void) {
  for (int i = 0; i < FRONTS; i++)
    if (fronts[i]->up) fronts[i]->up();
}

int64_t fronts_tick(int64_t now) {
  int64_t next = -1;
  for (int i = 0; i < FRONTS; i++) {
    int64_t due = fronts[i]->tick ? fronts[i]->tick(now) : -1;
    if (due >= 0 && (next < 0 || due < next)) next = due;
  }
  return next;
}
