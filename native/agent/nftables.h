// The table of nf_tables that turns what programs connect to towards the agent: see nftables.c.

#ifndef RINGWAY_AGENT_NFTABLES_H
#define RINGWAY_AGENT_NFTABLES_H

#include <stdint.h>

struct nftables {
  uint32_t mark;                   // of packets that the agent itself sends
  uint16_t port_ipv4, port_ipv6;   // of its listeners; IPv6 0: there is none
  uint8_t own_ipv4[4], own_ipv6[16]; // the guest's own addresses, besides loopback
};

// Each 0, or an errno, with what the kernel refused in *what. The table is there until nftables_remove(), or until this
// process ends, however it does.
int nftables_claim(const char **what); // the table, empty. EEXIST: somebody else has it
int nftables_make(const struct nftables *wish, const char **what); // what is in it
void nftables_remove(void);

#endif
