// Packets of TCP's beginning, off the wire of lo and onto it: see packet.c.

#ifndef RINGWAY_AGENT_PACKET_H
#define RINGWAY_AGENT_PACKET_H

#include "limits.h"

#define PACKET_MARK 0x72776179u // of what the agent puts on lo; programs may set none (CAP_NET_ADMIN, CAP_NET_RAW)

struct syn {
  struct rw_inet source, target; // the program, and whom it asks for
  uint32_t sequence;
  uint32_t bytes;                // of `packet`
  uint8_t packet[SYN_BYTES_MAX]; // its headers, as they were
};

// What is said of a target. A program sees: ENETUNREACH; EHOSTUNREACH; over IPv6 EACCES, over IPv4 EHOSTUNREACH;
// ECONNREFUSED.
enum unreachable { NO_NETWORK, NO_HOST, NOT_ALLOWED, NO_PORT };

int packet_init(int ipv6, const char **what); // a descriptor that has SYNs; or minus an errno
enum packet { PACKET_NONE, PACKET_OTHER, PACKET_SYN };
enum packet packet_next(int fd, struct syn *syn);
int packet_put_back(const struct syn *syn); // with the mark. 0: it could not be
void packet_no_connection(const struct syn *syn, enum unreachable why); // by ICMP; of a port by RST
// By ICMP: of a datagram of so many bytes.
void packet_no_datagram(const struct rw_inet *source, const struct rw_inet *target, uint32_t bytes,
                        enum unreachable why);

#endif
