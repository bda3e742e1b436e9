// BREAKING: the program has broken its connection. See break.c.

#ifndef RINGWAY_AGENT_BREAK_H
#define RINGWAY_AGENT_BREAK_H

#include "table.h"

void break_begin(struct conn *conn);
void break_step(struct conn *conn);
void break_look(struct conn *conn); // does the host take anything?

#endif
