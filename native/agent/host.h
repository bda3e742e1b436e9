// What a connection knows of the host: is it there, and has the epoch ended under the calls? See link.c for how it
// comes and goes.
//
// A call on a stream may say that the whole epoch is over. host_lost() only notes that: link_settle(), behind the turn
// in which it happened, ends every connection. So no connection is taken from under the code that works on it.

#ifndef RINGWAY_AGENT_HOST_H
#define RINGWAY_AGENT_HOST_H

#include "ringway.h"

int host_is_up(void);
struct rw_guest *host_guest(void);
uint32_t host_region_pages(void);
// 1 where the status is not one stream's alone: the epoch is over, or the host broke the protocol.
int host_lost(int32_t status);
void host_over(int32_t status); // the epoch is over by it, whatever it is

// For link.c.
void host_up(struct rw_guest *guest, uint32_t region_pages);
void host_down(void);
int32_t host_lost_by(void); // the first such status since host_up(), or RW_OK

#endif
