// Flows of datagrams and their streams, whichever way the programs come: see udp.c. `conn` is a flow's connection.

#ifndef RINGWAY_AGENT_UDP_H
#define RINGWAY_AGENT_UDP_H

#include "flows.h"
#include "front.h"

void udp_init(void);
struct flow *udp_flow(struct conn *conn);
extern uint8_t udp_buffer[DATAGRAM_BYTES_MAX]; // where a program's datagram is read to

// One datagram of a program's, to a target that stands for this name, or NULL. Its flow begins where there is none.
void udp_take(const struct front *front, const struct rw_inet *source, const struct rw_inet *target,
              struct named *named, const void *bytes, uint32_t count);
void udp_dropped(void); // one was
// For the log; `inode_of` as in refusal.h, of a flow.
void udp_refusal(struct conn *conn, const struct rw_error *error, uint32_t (*inode_of)(const void *flow));

// In `step`. Each 0 where the flow is over.
int udp_send(struct conn *conn, const void *bytes, uint32_t count); // 1: done. 0: the ring is full, and it waits
// Several at once, each of `segment` bytes, and the last of what is left. 0: the last of them waits.
int udp_send_train(struct conn *conn, const uint8_t *bytes, uint32_t count, uint32_t segment);
int udp_send_waiting(struct conn *conn);                            // 1: nothing waits any more
int udp_hear(struct conn *conn, int (*pass)(struct conn *conn, struct rw_train *train),
             void (*tell)(struct conn *conn, const struct rw_error *error));

// A front's.
int64_t udp_tick(int64_t now);
int32_t udp_open(struct conn *conn);
void udp_ended(struct conn *conn);

#endif
