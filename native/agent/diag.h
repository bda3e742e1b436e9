// The program's end of a connection over loopback, as the kernel knows it: see diag.c.

#ifndef RINGWAY_AGENT_DIAG_H
#define RINGWAY_AGENT_DIAG_H

#include "ringway.h"

struct far_end {
  uint8_t state;  // of TCP
  uint32_t inode; // 0: nobody has it open
};
enum far { FAR_UNKNOWN, FAR_GONE, FAR_THERE }; // UNKNOWN: the kernel does not tell

void diag_init(void);
int diag_ends(int fd, struct rw_inet *program, struct rw_inet *asked); // 0: it is not connected
enum far diag_look(const struct rw_inet *program, const struct rw_inet *asked, struct far_end *end);
// The same, of the socket that would take a datagram from `asked` to `program`.
enum far diag_datagrams(const struct rw_inet *program, const struct rw_inet *asked, struct far_end *end);
// Tells of each socket of TCP that listens, of one family. 0: of all; else what stopped it, an errno.
int diag_listeners(int ipv6, void (*tell)(const struct rw_inet *at, uint32_t inode));
int diag_ask(int fd, struct far_end *end); // of a connected socket of ours; 0: the kernel does not tell

#endif
