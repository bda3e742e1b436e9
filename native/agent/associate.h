// SOCKS5's UDP ASSOCIATE: see associate.c.

#ifndef RINGWAY_AGENT_ASSOCIATE_H
#define RINGWAY_AGENT_ASSOCIATE_H

#include "table.h"

void associate_init(void);
// A connection that asked for it has a socket for datagrams from now on, at *bound. 0: there is none to spare.
int associate_begin(struct conn *conn, struct rw_inet *bound);

#endif
