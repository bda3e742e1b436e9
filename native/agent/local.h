// The socket of a connection, on the guest's side: see local.c.

#ifndef RINGWAY_AGENT_LOCAL_H
#define RINGWAY_AGENT_LOCAL_H

#include "table.h"

int local_init(void);    // 0, or an errno
void local_tune(int fd); // of a TCP connection, or of a listener, for all that it accepts
// connect() to a port on the guest's loopback, 127.0.0.1 or ::1, in place of one that failed. 0, or an errno.
int local_connect(struct conn *conn, uint8_t family, uint16_t port);
int local_error(const struct conn *conn);       // the socket's errno, or 0
uint32_t local_unread(const struct conn *conn); // bytes that recv() would give
uint32_t local_untaken(const struct conn *conn); // bytes that the program's kernel has not acknowledged

// Bytes at hand, at most PEEK_BYTES, in *bytes until the next call; 0 the end; -1 none yet; -2 broken.
int32_t local_peek(struct conn *conn, const uint8_t **bytes);
void local_consume(struct conn *conn, uint32_t count); // of what was peeked
// Takes what the program says for nobody. 1: there is more; 0: it may say more; -1: it ended, or broke.
int local_drain(struct conn *conn);
// A whole answer, at once: it is short, and the first bytes in an empty socket. 0: it could not be.
int local_answer(struct conn *conn, const void *bytes, uint32_t count);

void local_end(struct conn *conn); // no byte follows; what was sent is the kernel's to see to
void local_close(struct conn *conn);
void local_reset(struct conn *conn);

#endif
