// Ports on the host that lead to ports of the guest: see publish.c.

#ifndef RINGWAY_AGENT_PUBLISH_H
#define RINGWAY_AGENT_PUBLISH_H

#include <stdint.h>

void publish_end(uint32_t route); // of port_add(): no new connection comes

#endif
