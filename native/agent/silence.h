// Whether the monitor that is attached answers at all: see silence.c.

#ifndef RINGWAY_AGENT_SILENCE_H
#define RINGWAY_AGENT_SILENCE_H

#include <stdint.h>

void silence_asks(void);         // somebody waits for a word of the host's
void silence_asks_no_more(void); // and does so no more: before silence_heard(), where that is why
void silence_heard(void);        // a word of the host's
void silence_over(void);         // the epoch is over
// When to call again, or -1. `now` is from before the host's words were taken: an agent that was stopped itself, for
// however long, hears them first.
int64_t silence_tick(int64_t now);

#endif
