// Addresses that stand for names: see names.c.

#ifndef RINGWAY_AGENT_NAMES_H
#define RINGWAY_AGENT_NAMES_H

#include "limits.h"

struct named {
  uint32_t users;         // connections to it
  uint32_t cycle;         // how often its place was given to another name
  uint32_t chain;         // the next with the same hash
  uint32_t before, after; // in the order of use
  int64_t used_ms;        // when it was given, or its last connection ended
  uint32_t bytes;
  int is_told;            // to a program, which may keep the address
  char name[RW_HOST_MAX_BYTES];
};

void names_init(void);
// The address of this name, its old one or a new one. `tell`: a program will have it. 0: all are in use, or were a
// moment ago.
int names_give(const char *name, uint32_t bytes, int tell, int64_t now_ms, struct rw_inet *address);
int names_has(const struct rw_inet *address);            // one of those that are given
struct named *names_find(const struct rw_inet *address); // NULL: it stands for no name now
void names_take(struct named *named);                    // a connection to it begins
void names_leave(struct named *named, int64_t now_ms);   // and ends

#endif
