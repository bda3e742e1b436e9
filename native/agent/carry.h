// CARRYING: see carry.c.

#ifndef RINGWAY_AGENT_CARRY_H
#define RINGWAY_AGENT_CARRY_H

#include "table.h"

void carry_begin(struct conn *conn);
void carry_step(struct conn *conn);
void carry_look(struct conn *conn); // the program has ended; is it still there?

#endif
