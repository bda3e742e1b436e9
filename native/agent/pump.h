// Bytes between the socket of a connection and its rings: see pump.c.

#ifndef RINGWAY_AGENT_PUMP_H
#define RINGWAY_AGENT_PUMP_H

#include "table.h"

enum turn {
  WAITS,
  MORE,
  TOO_MUCH, // after all that may go to the host
  GONE,     // the program broke it
  BROKE,    // the host did, or both ways must end: *status
};

enum turn pump_to_host(struct conn *conn, int32_t *status);
enum turn pump_to_program(struct conn *conn, int32_t *status);
void pump_stop_host(struct conn *conn); // the program takes no more: the host drops what comes for it

#endif
