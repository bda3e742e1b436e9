// What the log says of times when there are more connections than there is room for: see shortage.c.

#ifndef RINGWAY_AGENT_SHORTAGE_H
#define RINGWAY_AGENT_SHORTAGE_H

#include <stdint.h>

int shortage_begins(void); // 1 where the caller says why, and ends the line
void shortage_waits(void); // one more that must
void shortage_refused(void);
void shortage_ended(void);
int64_t shortage_tick(int64_t now, int goes_on); // when to call again, or -1

#endif
