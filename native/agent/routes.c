// Addresses and routes of a guest that has no network card. As ip(8) would have it:
//
//   ip address add 10.0.2.15/32 dev lo                 ip address add fd00::15/128 dev lo
//   ip route add local default dev lo src 10.0.2.15    ip route add local default dev lo src fd00::15
//
// So whatever a program connects to is delivered to this very kernel. Without an address of its own it would come from
// the one that it connects to.
//
// What a killed agent has left is the same, and is taken over. With an interface besides lo these routes would take
// from it what it is there for, so routes_other() is asked first.

#define _GNU_SOURCE
#include "routes.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

// <linux/rtnetlink.h>, which musl-gcc does not find.
enum { NEW_ADDRESS = 20, DELETE_ADDRESS = 21, NEW_ROUTE = 24, DELETE_ROUTE = 25 };
enum { ADDRESS = 1, ADDRESS_LOCAL = 2, ROUTE_INTERFACE = 4, ROUTE_SOURCE = 7 };
enum { TABLE_LOCAL = 255, BY_STATIC = 4, SCOPE_HOST = 254, TYPE_LOCAL = 2, NO_DETECTION = 2 };

const uint8_t routes_own_ipv4[4] = {10, 0, 2, 15};
const uint8_t routes_own_ipv6[16] = {0xfd, [15] = 0x15};

struct address_head { // ifaddrmsg
  uint8_t family, prefix_bits, flags, scope;
  uint32_t interface;
};

struct route_head { // rtmsg
  uint8_t family, to_bits, from_bits, service, table, protocol, scope, type;
  uint32_t flags;
};

static int fd = -1;
static struct {
  int address, route;
} made[2]; // of IPv4, of IPv6

static const void *own_address(int ipv6) { return ipv6 ? (const void *)routes_own_ipv6 : routes_own_ipv4; }

static int ask_address(int ipv6, int is_new) {
  struct netlink requests = {.length = 0};
  struct address_head head = {
      .family = ipv6 ? AF_INET6 : AF_INET,
      .prefix_bits = ipv6 ? 128 : 32,
      .flags = ipv6 ? NO_DETECTION : 0, // of duplicates
      .interface = if_nametoindex("lo"),
  };
  uint32_t bytes = ipv6 ? 16 : 4, which;
  uint32_t flags = is_new ? NETLINK_CREATE | NETLINK_REPLACE : 0;
  netlink_request(&requests, is_new ? NEW_ADDRESS : DELETE_ADDRESS, flags, &head, sizeof head);
  netlink_put(&requests, ADDRESS_LOCAL, own_address(ipv6), bytes);
  netlink_put(&requests, ADDRESS, own_address(ipv6), bytes);
  return netlink_ask(fd, &requests, &which);
}

static int ask_route(int ipv6, int is_new) {
  struct netlink requests = {.length = 0};
  struct route_head head = {
      .family = ipv6 ? AF_INET6 : AF_INET,
      .table = TABLE_LOCAL,
      .protocol = BY_STATIC,
      .scope = ipv6 ? 0 : SCOPE_HOST,
      .type = TYPE_LOCAL,
  };
  uint32_t lo = if_nametoindex("lo"), which;
  uint32_t flags = is_new ? NETLINK_CREATE | NETLINK_REPLACE : 0;
  netlink_request(&requests, is_new ? NEW_ROUTE : DELETE_ROUTE, flags, &head, sizeof head);
  netlink_put(&requests, ROUTE_INTERFACE, &lo, sizeof lo);
  netlink_put(&requests, ROUTE_SOURCE, own_address(ipv6), ipv6 ? 16 : 4);
  return netlink_ask(fd, &requests, &which);
}

int routes_address(int ipv6, const char **what) {
  *what = "its sockets (rtnetlink)";
  if (fd < 0) fd = netlink_open(NETLINK_OF_ROUTES);
  if (fd < 0) return -fd;
  *what = "an address";
  int error = ask_address(ipv6, 1);
  made[ipv6].address = error == 0;
  return error;
}

int routes_make(int ipv6, const char **what) {
  *what = "a local route";
  int error = ask_route(ipv6, 1);
  made[ipv6].route = error == 0;
  return error;
}

int routes_have_ipv6(void) { return made[1].route; }

void routes_remove(void) {
  for (int ipv6 = 0; ipv6 < 2; ipv6++) {
    if (made[ipv6].route) ask_route(ipv6, 0);
    if (made[ipv6].address) ask_address(ipv6, 0);
    made[ipv6].route = made[ipv6].address = 0;
  }
}

static int is_up(int any, const char *name) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
  return ioctl(any, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP);
}

const char *routes_other(void) {
  static char name[IF_NAMESIZE];
  name[0] = 0;
  struct if_nameindex *all = if_nameindex();
  int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  for (const struct if_nameindex *at = all; at && at->if_index != 0; at++)
    if (strcmp(at->if_name, "lo") != 0 && is_up(any, at->if_name)) strncpy(name, at->if_name, sizeof name - 1);
  if (any >= 0) close(any);
  if (all) if_freenameindex(all);
  return name[0] == 0 ? NULL : name;
}
