// The loop: see loop.c.

#ifndef RINGWAY_AGENT_LOOP_H
#define RINGWAY_AGENT_LOOP_H

void loop_init(void);
void loop_run(void); // until SIGTERM or SIGINT

#endif
