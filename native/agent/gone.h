// Has a program that ended closed its socket, so that nobody waits for an answer? See gone.c.

#ifndef RINGWAY_AGENT_GONE_H
#define RINGWAY_AGENT_GONE_H

#include "table.h"

void gone_watch(struct conn *conn); // from now on its time limit is the next look
int gone_look(struct conn *conn);   // 1: it has; 0: it has not, or that is not known: the next look is set

#endif
