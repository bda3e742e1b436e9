// Flows of datagrams, by the two ends that each is known by, and the datagrams that wait in them.
//
// There are no more than flows_init() says: the one that was used longest ago makes room, as in every table of a router
// that has no other way to know when a flow is over. What a program sends before the host has answered waits here, a
// few datagrams of each flow; what comes then is dropped, the newest, as where a queue is full.
//
// Invariant: a flow that is there stands in one chain of the hash and in the order of use; waiting_bytes is the sum of
// what waits in all of them.

#define _GNU_SOURCE
#include "flows.h"

#include <stdlib.h>
#include <sys/random.h>

#include "ends.h"

enum { CHAINS = 1024 };
#define NONE 0xffffffffu

static struct flow all[FLOWS_MAX]; // a page of it takes memory when it is first used
static uint32_t chains[CHAINS], most_flows, used, free_head = NONE;
static uint32_t first = NONE, last = NONE;
static uint32_t key; // of the hash
static uint32_t waiting_bytes;

void flows_init(uint32_t at_most) {
  most_flows = at_most < FLOWS_MAX ? at_most : FLOWS_MAX;
  if (getrandom(&key, sizeof key, GRND_NONBLOCK) < 0) key = 0; // right after boot
  for (uint32_t i = 0; i < CHAINS; i++) chains[i] = NONE;
}

int flows_full(void) { return free_head == NONE && used == most_flows; }
struct flow *flow_at(uint32_t index) { return &all[index]; }
uint32_t flow_index(const struct flow *flow) { return (uint32_t)(flow - all); }
struct flow *flow_oldest(void) { return first == NONE ? NULL : &all[first]; }

static uint32_t *chain_of(const struct rw_inet *source, const struct rw_inet *target) {
  return &chains[ends_hash(key, source, target) % CHAINS];
}

struct flow *flow_find(const struct rw_inet *source, const struct rw_inet *target) {
  for (uint32_t at = *chain_of(source, target); at != NONE; at = all[at].chain)
    if (ends_same(&all[at].source, source) && ends_same(&all[at].target, target)) return &all[at];
  return NULL;
}

// ── The order of use ────────────────────────────────────────────────────────────────────────────────────────────────

static void link_in(struct flow *flow) {
  flow->before = last;
  flow->after = NONE;
  *(last == NONE ? &first : &all[last].after) = flow_index(flow);
  last = flow_index(flow);
}

static void link_out(struct flow *flow) {
  *(flow->before == NONE ? &first : &all[flow->before].after) = flow->after;
  *(flow->after == NONE ? &last : &all[flow->after].before) = flow->before;
}

struct flow *flow_surplus(const struct rw_inet *source) {
  uint32_t count = 0, oldest = NONE;
  for (uint32_t at = last; at != NONE; at = all[at].before) {
    if (!ends_same(&all[at].source, source)) continue;
    count++;
    oldest = at;
  }
  return count * SHARE < most_flows || count == 0 ? NULL : &all[oldest];
}

void flow_used(struct flow *flow) {
  if (last == flow_index(flow)) return;
  link_out(flow);
  link_in(flow);
}

// ── Coming and going ────────────────────────────────────────────────────────────────────────────────────────────────

struct flow *flow_new(const struct rw_inet *source, const struct rw_inet *target, uint32_t conn) {
  uint32_t index = free_head == NONE ? used++ : free_head;
  struct flow *flow = &all[index];
  if (index == free_head) free_head = flow->chain;
  uint32_t *chain = chain_of(source, target);
  *flow = (struct flow){.source = *source, .target = *target, .conn = conn, .chain = *chain};
  *chain = index;
  link_in(flow);
  return flow;
}

void flow_free(struct flow *flow) {
  uint32_t *at = chain_of(&flow->source, &flow->target);
  while (flow->first) flow_sent(flow);
  while (*at != flow_index(flow)) at = &all[*at].chain;
  *at = flow->chain;
  link_out(flow);
  flow->chain = free_head;
  free_head = flow_index(flow);
}

// ── What waits ──────────────────────────────────────────────────────────────────────────────────────────────────────

int flow_keep(struct flow *flow, const void *bytes, uint32_t count, uint32_t most) {
  if (flow->waiting >= most || waiting_bytes + count > FLOWS_WAITING_BYTES) return 0;
  struct waiting *waiting = malloc(sizeof *waiting + count);
  if (!waiting) return 0;
  waiting->next = NULL;
  waiting->bytes = count;
  if (count > 0) memcpy(waiting->data, bytes, count);
  if (flow->first) flow->last->next = waiting;
  else flow->first = waiting;
  flow->last = waiting;
  flow->waiting++;
  waiting_bytes += count;
  return 1;
}

void flow_sent(struct flow *flow) {
  struct waiting *waiting = flow->first;
  flow->first = waiting->next;
  flow->waiting--;
  waiting_bytes -= waiting->bytes;
  free(waiting);
}
