// From a wish to an open stream: see begin.c.

#ifndef RINGWAY_AGENT_BEGIN_H
#define RINGWAY_AGENT_BEGIN_H

#include "table.h"

void begin_wish(struct conn *conn);    // all is said: WANTING
void begin_step(struct conn *conn);    // HANDSHAKE, WANTING, ASKED, OPENING
void begin_in_vain(struct conn *conn); // WANTING: out of time
void begin_look(struct conn *conn);    // ASKED, OPENING: the program has ended; is it still there?
void begin_refuse(struct conn *conn, uint32_t error, const char *reason);

#endif
