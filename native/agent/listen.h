// Sockets that programs of the guest connect to: see listen.c.

#ifndef RINGWAY_AGENT_LISTEN_H
#define RINGWAY_AGENT_LISTEN_H

#include "front.h"
#include "options.h"

void listen_init(void); // before any front listens
// For a front: a socket at `address`. Ends the program where it cannot be had, and names the option. 1, with a line of
// the log that says where it listens, for the caller to end; 0 where the address says: not at all.
int listen_tcp(const struct address *address, const struct front *front, uint32_t route, const char *option);
int listen_fd(const struct front *front, uint32_t route);        // a socket of listen_tcp(), or -1
uint16_t listen_port(const struct front *front, uint32_t route); // where it listens, or 0
int listen_unix(const char *path, const struct front *front); // 0, or an errno
int listen_has(uint32_t inode);   // it is one of these sockets
void listen_own(int fd, const struct front *front); // a descriptor that is no such socket: front->come()
_Noreturn void listen_failed(const char *where, const char *option, int error);
void listen_exit(void);           // removes the file of listen_unix()

void listen_ready(uint32_t index); // connections wait at one of them
int64_t listen_accept(void);       // takes some; when to call again, or -1

#endif
