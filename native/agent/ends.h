// The two ends that a connection, or a flow of datagrams, is known by: a hash of both.

#ifndef RINGWAY_AGENT_ENDS_H
#define RINGWAY_AGENT_ENDS_H

#include <string.h>

#include "ringway.h"

static inline int ends_same(const struct rw_inet *a, const struct rw_inet *b) { return memcmp(a, b, sizeof *a) == 0; }

// `key`: so that programs cannot choose what has the same hash.
static inline uint32_t ends_hash(uint32_t key, const struct rw_inet *source, const struct rw_inet *target) {
  uint32_t hash = key ^ source->port * 0x9e3779b1u ^ target->port * 0x85ebca6bu;
  for (uint32_t i = 0; i < sizeof target->address; i++) hash = (hash ^ target->address[i]) * 0x01000193u;
  return hash ^ hash >> 16;
}

#endif
