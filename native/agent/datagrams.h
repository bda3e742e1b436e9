// Datagrams of programs that know nothing of Ringway: see datagrams.c.

#ifndef RINGWAY_AGENT_DATAGRAMS_H
#define RINGWAY_AGENT_DATAGRAMS_H

#include "network.h"

void datagrams_listen(struct nftables_ports *ports, int ipv6); // says which these are

#endif
