// Addresses of SOCKS5: a type, an address or a name, a port.

#include "socks5.h"

#include <string.h>

enum { TYPE_IPV4 = 1, TYPE_NAME = 3, TYPE_IPV6 = 4 };

static void read_inet(const uint8_t *at, uint32_t length, struct socks5_end *end) {
  end->inet.family = length == 16 ? 6 : 4;
  end->inet.port = end->port;
  memcpy(end->inet.address, at, length);
  inet_ntop(length == 16 ? AF_INET6 : AF_INET, at, end->literal, sizeof end->literal);
  end->host = end->literal;
  end->host_bytes = (uint32_t)strlen(end->literal);
}

int32_t socks5_end(const uint8_t *bytes, uint32_t count, struct socks5_end *end) {
  uint32_t at = 1, length = 4;
  memset(end, 0, sizeof *end);
  if (count < 1) return SOCKS5_NOT_ALL;
  if (bytes[0] == TYPE_NAME) {
    if (count < 2) return SOCKS5_NOT_ALL;
    length = bytes[at++];
    if (length == 0) return SOCKS5_BAD_NAME;
  } else if (bytes[0] == TYPE_IPV6) {
    length = 16;
  } else if (bytes[0] != TYPE_IPV4) {
    return SOCKS5_BAD_TYPE;
  }
  if (count < at + length + 2) return SOCKS5_NOT_ALL;
  end->port = (uint32_t)bytes[at + length] << 8 | bytes[at + length + 1];
  end->host = (const char *)bytes + at;
  end->host_bytes = length;
  if (bytes[0] != TYPE_NAME) read_inet(bytes + at, length, end);
  return (int32_t)(at + length + 2);
}

static uint32_t put_port(uint8_t *to, uint32_t at, uint32_t port) {
  to[at] = (uint8_t)(port >> 8);
  to[at + 1] = (uint8_t)port;
  return at + 2;
}

uint32_t socks5_put_inet(uint8_t *to, const struct rw_inet *inet) {
  uint32_t bytes = inet->family == 6 ? 16 : 4;
  to[0] = inet->family == 6 ? TYPE_IPV6 : TYPE_IPV4;
  memcpy(to + 1, inet->address, bytes);
  return put_port(to, 1 + bytes, inet->port);
}

uint32_t socks5_put_name(uint8_t *to, const char *name, uint32_t bytes, uint32_t port) {
  to[0] = TYPE_NAME;
  to[1] = (uint8_t)bytes;
  memcpy(to + 2, name, bytes);
  return put_port(to, 2 + bytes, port);
}
