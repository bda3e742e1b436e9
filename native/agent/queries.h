// Questions of programs that wait for the host: see queries.c.

#ifndef RINGWAY_AGENT_QUERIES_H
#define RINGWAY_AGENT_QUERIES_H

#include <sys/socket.h>

#include "dns.h"

enum query_state { QUERY_FREE, QUERY_WAITING, QUERY_ASKED };

struct query {
  struct dns_question question;
  struct rw_inet pointer;       // of a PTR: the address
  uint32_t request;             // ASKED: its id on the stream
  uint32_t conn;                // by TCP: the connection's index; else QUERY_NO_CONN
  int64_t came_ms, deadline_ms;
  int fd;                       // by UDP: the socket that it came by, and who asked
  socklen_t from_bytes;
  struct sockaddr_storage from;
  uint8_t state;
};

#define QUERY_NO_CONN 0xffffffffu

struct query *query_new(int64_t now, int64_t latest_ms); // in WAITING; NULL: as many as there may be
struct query *query_oldest(void);                  // or NULL
void query_free(struct query *query);
struct query *query_at(uint32_t index);            // NULL past the end; may be FREE
struct query *query_asked(uint32_t request);       // one of them, or NULL
struct query *query_of_conn(uint32_t conn);        // or NULL
uint32_t queries_waiting(void);
void query_is_asked(struct query *query, uint32_t request);
int query_joins(struct query *query);              // its name is asked for already: ASKED. 0: it is not
void queries_unasked(void);                        // the stream is gone: all are WAITING again
void queries_deadline(int64_t latest_ms);          // of all that are there
int64_t queries_expire(int64_t now, void (*expired)(struct query *query)); // when the next one is, or -1

#endif
