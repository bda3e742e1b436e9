// Requests of netlink, put together in place, and what the kernel says to them: see netlink.c.

#ifndef RINGWAY_AGENT_NETLINK_H
#define RINGWAY_AGENT_NETLINK_H

#include "limits.h"

enum netlink_protocol { NETLINK_OF_ROUTES = 0, NETLINK_OF_FILTERS = 12 };

#define NETLINK_NUMBER_NONE 0xffffffffu

enum netlink_flag { // of <linux/netlink.h>, which musl-gcc does not find; each request has REQUEST and ACK as well
  NETLINK_REPLACE = 0x100,
  NETLINK_EXCL = 0x200,
  NETLINK_CREATE = 0x400,
  NETLINK_APPEND = 0x800,
};

struct netlink { // requests that are sent together
  _Alignas(4) uint8_t bytes[NETLINK_BYTES];
  uint32_t length;
  uint32_t last;     // where the last one begins
  uint32_t requests; // of which each is answered
  int full;          // something did not fit: nothing is sent
};

int netlink_open(enum netlink_protocol protocol); // a descriptor, or minus an errno
// A request begins; returns its number, from 0 on.
uint32_t netlink_request(struct netlink *to, uint32_t type, uint32_t flags, const void *head, uint32_t bytes);
// What stands around a batch: it has no answer, but where the kernel refuses all of the batch: NETLINK_NUMBER_NONE.
void netlink_bracket(struct netlink *to, uint32_t type, const void *head, uint32_t bytes);
void netlink_put(struct netlink *to, uint32_t type, const void *bytes, uint32_t count);
void netlink_put_text(struct netlink *to, uint32_t type, const char *text); // with its NUL
void netlink_put_be32(struct netlink *to, uint32_t type, uint32_t value);
uint32_t netlink_nest(struct netlink *to, uint32_t type); // attributes follow, as one
void netlink_nested(struct netlink *to, uint32_t nest);   // up to here
// Sends them. 0, or an errno of the first that the kernel refused, with its number in *which.
int netlink_ask(int fd, struct netlink *requests, uint32_t *which);

#endif
