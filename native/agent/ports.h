// Ports on the host that lead to ports of the guest: see ports.c for the table, publish.c for what becomes of them.

#ifndef RINGWAY_AGENT_PORTS_H
#define RINGWAY_AGENT_PORTS_H

#include "table.h"

struct publish {
  enum { UNUSED, IDLE, ASKING, ON, OFF } state;
  struct rw_inet there; // on the host
  uint16_t port;        // in the guest
  struct conn *listener;
  uint32_t posted, target; // streams given or to be given to the listener
  uint32_t retry_ms;
  int64_t next_ms; // IDLE: when to ask; ON: when to raise the target again, from 0 by one
  int told;        // of an address in use: once
  int missed;      // of port_add(): looks in a row that have not found it
};

void ports_init(void);                // those of the command line
void ports_up(void);                  // an epoch begins: all of them are IDLE
struct publish *port_at(uint32_t i);  // NULL past the end; may be UNUSED
uint32_t ports_in_use(void);
int ports_have(uint16_t port);        // of the guest
int port_add(uint16_t port);          // the same on the host. 0: there are as many as there may be
void port_remove(struct publish *publish);
int port_is_added(uint32_t i);        // by port_add(), and still there

#endif
