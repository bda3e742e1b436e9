// Whether the monitor that is attached answers at all: see silence.c.

#ifndef RINGWAY_AGENT_SILENCE_H
#define RINGWAY_AGENT_SILENCE_H

#include <stdint.h>

void silence_asks(void);         // a connection is ASKED
void silence_asks_no_more(void); // and is so no more, whatever it is now
void silence_heard(void);        // the host has answered one
int64_t silence_tick(int64_t now); // when to call again, or -1

#endif
