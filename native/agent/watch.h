// What the loop waits for: descriptors, and time.

#ifndef RINGWAY_AGENT_WATCH_H
#define RINGWAY_AGENT_WATCH_H

#include <stdint.h>
#include <sys/epoll.h>

enum tag { TAG_CONN, TAG_LISTEN, TAG_LINK, TAG_SIGNAL }; // whose descriptor it is

int watch_init(void);                                  // 0, or an errno
int watch_add(int fd, enum tag tag, uint32_t index);   // 0, or an errno
int watch_wait(const struct epoll_event **events, int wait_ms); // how many there are; -1: without end

static inline enum tag watch_tag(const struct epoll_event *event) { return (enum tag)(event->data.u64 >> 32); }
static inline uint32_t watch_index(const struct epoll_event *event) { return (uint32_t)event->data.u64; }

#endif
