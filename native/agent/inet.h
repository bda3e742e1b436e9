// Addresses of the protocol's, as sockets have them.

#ifndef RINGWAY_AGENT_INET_H
#define RINGWAY_AGENT_INET_H

#include <sys/socket.h>

#include "ringway.h"

socklen_t inet_to(const struct rw_inet *from, struct sockaddr_storage *to); // its bytes
struct rw_inet inet_from(const struct sockaddr_storage *from);

#endif
