// Answers to questions: see reply.c. Each ends the query that it is for.

#ifndef RINGWAY_AGENT_REPLY_H
#define RINGWAY_AGENT_REPLY_H

#include "queries.h"
#include "table.h"

enum { REPLY_LENGTH_BYTES = 2 }; // before a message over TCP

void reply_plain(struct query *query, enum dns_code code); // without a record
void reply_failed(struct query *query, const char *why);   // SERVFAIL, with a sentence for people
void reply_address(struct query *query, const struct rw_inet *address);
void reply_name(struct query *query, struct rw_text name);
int reply_refused_again(struct query *query);   // with what its name had a moment ago; 0: it had nothing
void reply_forget_refusals(void);
void reply_frame(const struct rw_frame *frame); // from the host; to whichever queries it is for

#endif
