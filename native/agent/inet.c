// Addresses of the protocol's, as sockets have them.

#include "inet.h"

#include <netinet/in.h>
#include <string.h>

socklen_t inet_to(const struct rw_inet *from, struct sockaddr_storage *to) {
  struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
  struct sockaddr_in *in = (struct sockaddr_in *)to;
  memset(to, 0, sizeof *to);
  if (from->family == 6) {
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t)from->port);
    memcpy(&in6->sin6_addr, from->address, 16);
    return sizeof *in6;
  }
  in->sin_family = AF_INET;
  in->sin_port = htons((uint16_t)from->port);
  memcpy(&in->sin_addr, from->address, 4);
  return sizeof *in;
}

struct rw_inet inet_from(const struct sockaddr_storage *from) {
  const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
  const struct sockaddr_in *in = (const struct sockaddr_in *)from;
  struct rw_inet to = {.family = from->ss_family == AF_INET6 ? 6 : 4};
  to.port = ntohs(to.family == 6 ? in6->sin6_port : in->sin_port);
  if (to.family == 6) memcpy(to.address, &in6->sin6_addr, 16);
  else memcpy(to.address, &in->sin_addr, 4);
  return to;
}
