// Whom a program of --transparent asks for, and what it is told: see target.c.

#ifndef RINGWAY_AGENT_TARGET_H
#define RINGWAY_AGENT_TARGET_H

#include "names.h"
#include "packet.h"

int target_is_own(const struct rw_inet *target);               // the guest itself: nftables.c lets it pass
struct named *target_named(const struct rw_inet *target);      // the name that it stands for, or NULL
// What the host is asked for: the name, or the address; its bytes. 0: a name that is forgotten.
uint32_t target_host(const struct rw_inet *target, const struct named *named, char to[RW_HOST_MAX_BYTES]);
struct rw_text target_text(const struct rw_inet *target, const struct named *named); // for the log; until the next call
// What the program is told where the host has such an error. 0: nothing.
int target_told(uint32_t error, int is_named, enum unreachable *why);

#endif
