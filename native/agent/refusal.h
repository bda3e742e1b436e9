// A line in the log, where the policy refused what a program asked for: see refusal.c.

#ifndef RINGWAY_AGENT_REFUSAL_H
#define RINGWAY_AGENT_REFUSAL_H

#include "table.h"

void refusal_say(struct conn *conn, struct rw_text to, const struct rw_error *error);

#endif
