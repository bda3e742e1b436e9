// Whom a program of --transparent asks for, by TCP or UDP: an address, or the name that it stands for (names.c). And
// what it is told where the host does not reach that:
//
//   ECONNREFUSED, ECONNRESET             nobody listens at that port         ECONNREFUSED
//   ENETUNREACH, no monitor              no such network                     ENETUNREACH
//   EACCES, EPERM (policy)               administratively prohibited         IPv6 EACCES, IPv4 EHOSTUNREACH
//   ETIMEDOUT, no room                   nothing
//   any other                            no such host                        EHOSTUNREACH
//
// (What ICMPv4 calls prohibited Linux calls EHOSTUNREACH; it has no code for EACCES.)

#include "target.h"

#include <arpa/inet.h>
#include <string.h>

#include "errors.h"
#include "options.h"
#include "routes.h"
#include "text.h"

int target_is_own(const struct rw_inet *target) {
  static const uint8_t loopback[16] = {[15] = 1};
  if (target->family == 4) return target->address[0] == 127 || memcmp(target->address, routes_own_ipv4, 4) == 0;
  return memcmp(target->address, loopback, 16) == 0 || memcmp(target->address, routes_own_ipv6, 16) == 0;
}

struct named *target_named(const struct rw_inet *target) {
  return options.names == NAMES_OWN ? names_find(target) : NULL;
}

static void address_text(const struct rw_inet *target, char to[INET6_ADDRSTRLEN]) {
  to[0] = 0;
  inet_ntop(target->family == 6 ? AF_INET6 : AF_INET, target->address, to, INET6_ADDRSTRLEN);
}

uint32_t target_host(const struct rw_inet *target, const struct named *named, char to[RW_HOST_MAX_BYTES]) {
  char text[INET6_ADDRSTRLEN];
  if (named) memcpy(to, named->name, named->bytes);
  if (named) return named->bytes;
  if (options.names == NAMES_OWN && names_has(target)) return 0;
  address_text(target, text);
  uint32_t bytes = (uint32_t)strlen(text);
  memcpy(to, text, bytes);
  return bytes;
}

struct rw_text target_text(const struct rw_inet *target, const struct named *named) {
  static char bytes[RW_HOST_MAX_BYTES + 16];
  char text[INET6_ADDRSTRLEN];
  struct text to = {.bytes = bytes, .room = sizeof bytes};
  int has_brackets = target->family == 6;
  address_text(target, text);
  put(&to, has_brackets ? "[" : "");
  if (named) put_span(&to, (struct span){named->name, named->bytes});
  else put(&to, text);
  put(&to, has_brackets ? "]:" : ":");
  put_number(&to, target->port);
  return (struct rw_text){(const uint8_t *)to.bytes, to.length};
}

int target_told(uint32_t error, int is_named, enum unreachable *why) {
  if (is_named && error == LINUX_EAGAIN) error = LINUX_EHOSTUNREACH; // no answer about the name
  switch (error) { // Linux numbers (ERR-2)
    case LINUX_ECONNREFUSED:
    case LINUX_ECONNRESET:
      *why = NO_PORT;
      return 1;
    case LINUX_ENETUNREACH:
    case LINUX_ENETDOWN:
      *why = NO_NETWORK;
      return 1;
    case LINUX_EACCES:
    case LINUX_EPERM:
      *why = NOT_ALLOWED;
      return 1;
    case LINUX_ETIMEDOUT:
    case LINUX_EAGAIN:
    case LINUX_EMFILE:
    case LINUX_ENOMEM:
    case LINUX_ENOBUFS:
      return 0;
    default:
      *why = NO_HOST;
      return 1;
  }
}
