// Who may have a connection when there are many, and who must go first: see room.c.

#ifndef RINGWAY_AGENT_ROOM_H
#define RINGWAY_AGENT_ROOM_H

#include "table.h"

enum list { NOWHERE, EARLY, IN_LINE, PLACED, LATE };

uint32_t room_init(void);      // how many slots the table must have; may lower options.streams
void room_for_programs(void);  // they may come: they have a share
void room_up(void);            // a new epoch
void room_enter(struct conn *conn, enum list list);
// A program's wish: 1 where it has a place now; 0 where it stands in line, and is woken for it.
int room_take(struct conn *conn);
void room_asks(const struct conn *conn);     // ASKED begins
void room_answered(const struct conn *conn); // ASKED ends
// The host refused it a stream for want of room, as it will those that have asked after it: 1 where it stands in line
// again, before all others; 0 where that would be in vain.
int room_host_full(struct conn *conn);
void room_posting(void);               // publish.c begins to ask
int room_may_post(uint32_t posted);    // one more, beside as many that wait for a client
uint32_t room_surplus(void);           // so many are posted that programs should have
int64_t room_yields_ms(void);          // when room_yields() could name one, or -1
struct conn *room_yields(void);        // who must end so that another may come, or NULL; it ends then
int64_t room_tick(int64_t now);        // when to call again, or -1

#endif
