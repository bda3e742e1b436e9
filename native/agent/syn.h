// SYNs that are held while the host is asked: see syn.c.

#ifndef RINGWAY_AGENT_SYN_H
#define RINGWAY_AGENT_SYN_H

#include "packet.h"

enum held_state { HELD_NOT, HELD_ASKING, HELD_BACK };

struct held {
  struct syn syn;
  uint32_t conn;          // index of the connection that it is for
  uint32_t chain;         // the next with the same hash, or the next that is free
  uint32_t before, after; // in the order of coming
  uint8_t state;
};

#define HELD_NONE 0xffffffffu // no index

void held_init(void);
struct held *held_find(const struct rw_inet *source, const struct rw_inet *target); // or NULL
struct held *held_new(const struct syn *syn, uint32_t conn); // in HELD_ASKING; while not full
int held_full(void);
struct held *held_oldest(void); // or NULL
struct held *held_at(uint32_t index);
uint32_t held_index(const struct held *held);
void held_free(struct held *held);
int held_was(const struct syn *syn); // 1: it looks like one that was freed

#endif
