// The link to the host, which comes and goes: see link.c.

#ifndef RINGWAY_AGENT_LINK_H
#define RINGWAY_AGENT_LINK_H

#include <stdint.h>

enum link_part { LINK_BELL, LINK_SOCKET }; // whose descriptor is ready

void link_init(void);
int64_t link_tick(int64_t now); // tries what is due; when to call again, or -1
void link_heard(enum link_part part);
void link_take(void);           // what is pending goes to the run queue
void link_settle(void);         // after each turn: was the epoch found to be over (host.h)?
int link_is_up(void);           // an epoch, with a host
int link_pending(void);         // in the rings of an epoch
int link_sleep(void);           // 1: nothing is pending, and the host knows that it must ring
void link_leave(void);

#endif
