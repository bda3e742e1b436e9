// The guest's network, as --transparent wants it: see network.c.

#ifndef RINGWAY_AGENT_NETWORK_H
#define RINGWAY_AGENT_NETWORK_H

#include <stdint.h>

// These end the program where they cannot.
int network_take(void); // every address is the guest's own; 1 where that is so of IPv6, too
void network_turn(uint16_t port_ipv4, uint16_t port_ipv6); // new connections go to these ports; 0: no IPv6
_Noreturn void network_cannot(const char *what, int error);

#endif
