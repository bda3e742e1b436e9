// The guest's network, as --transparent wants it: see network.c.

#ifndef RINGWAY_AGENT_NETWORK_H
#define RINGWAY_AGENT_NETWORK_H

#include "nftables.h"
#include "ringway.h"

// These end the program where they cannot.
int network_take(void); // 1 where IPv6 is to be had, too
void network_turn(const struct nftables_ports *ports, int ipv6); // every address is the guest's own, and goes there
void network_answers(int fd, int is_ipv6); // this socket may have any address, with the mark of what is the agent's
int network_socket(const struct rw_inet *at, int is_shared); // such a one, for datagrams; -1: there is none
_Noreturn void network_cannot(const char *what, int error);

#endif
