// The table of nf_tables that turns what programs connect to towards the agent: see nftables.c.

#ifndef RINGWAY_AGENT_NFTABLES_H
#define RINGWAY_AGENT_NFTABLES_H

#include <stdint.h>

struct nftables_ports { // where new connections and datagrams go, whomever they are for; 0: no IPv6
  uint16_t tcp_ipv4, tcp_ipv6, udp_ipv4, udp_ipv6;
};

struct nftables {
  uint32_t mark;                   // of packets that the agent itself sends
  struct nftables_ports ports;     // of its listeners
  uint8_t own_ipv4[4], own_ipv6[16]; // the guest's own addresses, besides loopback
};

// Each 0, or an errno, with what the kernel refused in *what. The table is there until nftables_remove(), or until this
// process ends, however it does.
int nftables_claim(const char **what); // the table, empty. EEXIST: somebody else has it
int nftables_make(const struct nftables *wish, const char **what); // what is in it
void nftables_remove(void);

#endif
