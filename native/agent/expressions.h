// What rules of nf_tables are made of: see expressions.c.

#ifndef RINGWAY_AGENT_EXPRESSIONS_H
#define RINGWAY_AGENT_EXPRESSIONS_H

#include "netlink.h"

enum { FAMILY_INET = 1, FAMILY_IPV4 = 2, FAMILY_IPV6 = 10 };
enum { KEY_MARK = 3, KEY_FAMILY = 15, KEY_PROTOCOL = 16 };
enum { OF_NETWORK = 1, OF_TRANSPORT = 2 };
enum { IS = 0, IS_NOT = 1 };
enum { DROP = 0, ACCEPT = 1, JUMP = -3 };

void rule_meta(struct netlink *to, uint32_t key); // of the packet, not in it
void rule_payload(struct netlink *to, uint32_t base, uint32_t offset, uint32_t bytes);
void rule_mask(struct netlink *to, const void *bits, uint32_t count);
void rule_compare(struct netlink *to, uint32_t how, const void *bytes, uint32_t count);
void rule_verdict(struct netlink *to, int32_t code, const char *chain); // `chain`: of JUMP
void rule_tproxy(struct netlink *to, uint8_t family, const uint8_t *address, uint16_t port);
void rule_reject(struct netlink *to); // port unreachable

#endif
