// Why there is no answer of the server's; then the end of the connection. See answer.c.

#ifndef RINGWAY_AGENT_ANSWER_H
#define RINGWAY_AGENT_ANSWER_H

#include "table.h"

void answer_malformed(struct conn *conn, int status);
void answer_refused(struct conn *conn, struct rw_text authority, const struct rw_error *error);

#endif
