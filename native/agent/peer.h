// Which program is at the other end of a connection on loopback: see peer.c.

#ifndef RINGWAY_AGENT_PEER_H
#define RINGWAY_AGENT_PEER_H

#include <stdint.h>

struct peer {
  uint32_t pid, name_bytes;
  char name[16];
};
// Who has the socket of this inode open? Reads at most so many links; what is left of them.
int peer_find(uint32_t inode, uint32_t *links, struct peer *peer);

#endif
