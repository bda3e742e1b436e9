// Flows of datagrams, each from one socket of a program to one target: see flows.c.

#ifndef RINGWAY_AGENT_FLOWS_H
#define RINGWAY_AGENT_FLOWS_H

#include "limits.h"

struct named;

struct waiting { // a datagram
  struct waiting *next;
  uint32_t bytes;
  uint8_t data[];
};

struct flow {
  struct rw_inet source, target; // the program, and whom it sends to
  struct named *named;           // what the target stands for, or NULL
  struct waiting *first, *last;  // what it has sent while the host was asked
  uint32_t waiting;              // how many these are
  uint32_t conn;                 // index of its connection
  uint32_t chain;                // the next with the same hash, or the next that is free
  uint32_t before, after;        // in the order of use
};

void flows_init(uint32_t most);
int flows_full(void);
struct flow *flow_find(const struct rw_inet *source, const struct rw_inet *target); // or NULL
struct flow *flow_new(const struct rw_inet *source, const struct rw_inet *target, uint32_t conn); // while not full
struct flow *flow_at(uint32_t index);
uint32_t flow_index(const struct flow *flow);
struct flow *flow_oldest(void);       // in the order of use; or NULL
struct flow *flow_surplus(const struct rw_inet *source); // its oldest, if it has its part of the flows; or NULL
void flow_used(struct flow *flow);    // just now
void flow_free(struct flow *flow);    // with what waits
// One more waits, if fewer than `most` do. 0: it is dropped.
int flow_keep(struct flow *flow, const void *bytes, uint32_t count, uint32_t most);
void flow_sent(struct flow *flow);    // the first does not wait any more

#endif
