// A line in the log, where the policy refused what a program asked for: see refusal.c.

#ifndef RINGWAY_AGENT_REFUSAL_H
#define RINGWAY_AGENT_REFUSAL_H

#include "table.h"

void refusal_say(struct conn *conn, struct rw_text to, const struct rw_error *error);
// Of what is no connection's: `inode_of` says the program's socket, or 0.
void refusal_say_for(const char *front, struct rw_text to, const struct rw_error *error,
                     uint32_t (*inode_of)(const void *of), const void *of);

#endif
