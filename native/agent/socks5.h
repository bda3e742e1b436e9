// Addresses of SOCKS5 (RFC 1928, section 5), as they stand in requests, replies and datagrams.

#ifndef RINGWAY_AGENT_SOCKS5_H
#define RINGWAY_AGENT_SOCKS5_H

#include <arpa/inet.h>

#include "limits.h"

enum { SOCKS5_END_BYTES_MAX = 1 + 1 + 255 + 2 };

struct socks5_end {
  struct rw_inet inet; // family 0: it is a name
  const char *host;    // as text, in these bytes or in `literal`
  char literal[INET6_ADDRSTRLEN];
  uint32_t host_bytes, port;
};
enum { SOCKS5_NOT_ALL = 0, SOCKS5_BAD_NAME = -1, SOCKS5_BAD_TYPE = -2 };

int32_t socks5_end(const uint8_t *bytes, uint32_t count, struct socks5_end *end); // how many bytes it has, or why not
uint32_t socks5_put_inet(uint8_t *to, const struct rw_inet *inet);
uint32_t socks5_put_name(uint8_t *to, const char *name, uint32_t bytes, uint32_t port);

#endif
