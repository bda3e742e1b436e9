// One turn of a connection: see turn.c.

#ifndef RINGWAY_AGENT_TURN_H
#define RINGWAY_AGENT_TURN_H

#include "table.h"

void turn_step(struct conn *conn);
void turn_expired(struct conn *conn);

#endif
