// The table of published ports: those of the command line, which are there from the beginning to the end, and behind
// them those that come and go with the servers of the guest (auto.c).
//
// Invariant: in_use counts those that are not UNUSED.

#include "ports.h"

#include <stddef.h>

#include "options.h"

static struct publish all[ROUTES_MAX];
static uint32_t in_use;

struct publish *port_at(uint32_t i) { return i < options.publishes_most ? &all[i] : NULL; }
uint32_t ports_in_use(void) { return in_use; }
int port_is_added(uint32_t i) { return i >= options.publishes && all[i].state != UNUSED; }

static void begin(struct publish *publish, const struct rw_inet *there, uint16_t port, int told) {
  *publish = (struct publish){.state = IDLE, .there = *there, .port = port, .retry_ms = RETRY_MS_MIN, .told = told};
}

void ports_init(void) {
  const struct route *routes = options.publish;
  for (uint32_t i = 0; i < options.publishes; i++) begin(&all[i], &routes[i].there, routes[i].port, 0);
  in_use = options.publishes;
}

void ports_up(void) {
  for (uint32_t i = 0; i < options.publishes_most; i++) {
    struct rw_inet there = all[i].there;
    if (all[i].state != UNUSED) begin(&all[i], &there, all[i].port, all[i].told);
  }
}

int ports_have(uint16_t port) {
  for (uint32_t i = 0; i < options.publishes_most; i++)
    if (all[i].state != UNUSED && all[i].port == port) return 1;
  return 0;
}

int port_add(uint16_t port) {
  const struct rw_inet there = {.family = 4, .port = port, .address = {127, 0, 0, 1}};
  for (uint32_t i = options.publishes; i < options.publishes_most; i++) {
    if (all[i].state != UNUSED) continue;
    begin(&all[i], &there, port, 0);
    in_use++;
    return 1;
  }
  return 0;
}

void port_remove(struct publish *publish) {
  publish->state = UNUSED;
  in_use--;
}
