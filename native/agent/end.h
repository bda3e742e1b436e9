// Every way to the end of a connection: see end.c.

#ifndef RINGWAY_AGENT_END_H
#define RINGWAY_AGENT_END_H

#include "streams.h"

void conn_drop(struct conn *conn, enum how how); // now: both ends, and the slot
void conn_broke(struct conn *conn, int32_t status); // its stream did: a status of the library's
int conn_yields(void); // one that must makes room for another: 1 where a slot is free

// PARTING: last words, then the end; the program's remaining bytes are dropped.
void end_with(struct conn *conn, const void *bytes, uint32_t count);
void end_parting(struct conn *conn);
void end_leaving(struct conn *conn); // LEAVING, and its time limit

#endif
