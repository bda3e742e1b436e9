// The stream of a connection: see streams.c.

#ifndef RINGWAY_AGENT_STREAMS_H
#define RINGWAY_AGENT_STREAMS_H

#include "table.h"

enum how { CLOSE, RESET };

// Asks for a stream with two such rings: it wakes this connection from now on. RW_AGAIN: not now, and stream_retry()
// wakes it.
int32_t stream_ask(struct conn *conn, struct rw_stream **place, uint32_t ring_bytes);
uint32_t stream_ring_bytes(uint32_t most);   // how large its rings may be now
void stream_asked(struct conn *conn);        // it takes the pages of `ring_bytes`
void stream_came(struct conn *conn);         // it takes those that the host gave
void stream_waits(void);                     // one more waits for stream_retry()
void stream_retry(void);                     // the link is up, or there is a slot or room in the control pipe again
void stream_leave(struct conn *conn, enum how how);   // gives stream and listener back
void listener_leave(struct conn *conn, enum how how); // the listener alone

#endif
