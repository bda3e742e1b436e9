// To look for work before sleeping: see look.c.

#ifndef RINGWAY_AGENT_LOOK_H
#define RINGWAY_AGENT_LOOK_H

#include <sys/epoll.h>

// 1: there is some, in the rings or among the `ready` events. 0: none was found, or it does not pay to look.
int look_for_work(const struct epoll_event **events, int *ready);

#endif
