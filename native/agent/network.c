// Takes the network of the guest over, and gives it back at the end of the program, whichever exit() that is.
//
//   nothing ── the table of nf_tables ── addresses ── sockets, ports (the caller) ── what is in the table ── routes
//
// The table is first, since it is what a second agent in the same network does not get: its routes would be those of
// the first, and go with it. The routes are last, and go first: without the rules each program could pose as any
// server. A step that fails ends the program, which undoes those before.

#define _GNU_SOURCE
#include "network.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "inet.h"
#include "nftables.h"
#include "packet.h"
#include "routes.h"

static void give_back(void) {
  routes_remove();
  nftables_remove();
}

_Noreturn void network_cannot(const char *what, int error) {
  say_begin();
  say("--transparent wants ");
  say(what);
  say(": ");
  if (error == EEXIST) say("another agent has one in this network");
  else say_errno((uint32_t)error);
  say_end();
  exit(1);
}

// It would lose its network: a machine that is reached by that would be reached no more.
static void must_be_alone(void) {
  const char *other = routes_other();
  if (!other) return;
  say_begin();
  say("--transparent takes every address, and ");
  say(other);
  say(" is up: it is for guests with nothing but lo");
  say_end();
  exit(1);
}

// Without IPv6 programs are told so by their own kernel, and use IPv4.
static int has_no_ipv6(const char *what, int error) {
  say_begin();
  say("transparent: no IPv6 in this guest (");
  say(what);
  say(": ");
  say_errno((uint32_t)error);
  say("): IPv4 alone");
  say_end();
  return 0;
}

int network_take(void) {
  const char *what;
  must_be_alone();
  atexit(give_back);
  int error = nftables_claim(&what);
  if (!error) error = routes_address(0, &what);
  if (error) network_cannot(what, error);
  error = routes_address(1, &what);
  return error ? has_no_ipv6(what, error) : 1;
}

void network_turn(const struct nftables_ports *ports, int ipv6) {
  const char *what;
  struct nftables wish = {.mark = PACKET_MARK, .ports = *ports};
  memcpy(wish.own_ipv4, routes_own_ipv4, sizeof wish.own_ipv4);
  memcpy(wish.own_ipv6, routes_own_ipv6, sizeof wish.own_ipv6);
  int error = nftables_make(&wish, &what);
  if (!error) error = routes_make(0, &what);
  if (error) network_cannot(what, error);
  error = ipv6 ? routes_make(1, &what) : 0;
  if (error) has_no_ipv6(what, error);
}

// 0, or an errno.
static int answers(int fd, int is_ipv6) {
  enum { TRANSPARENT_IPV4 = 19, TRANSPARENT_IPV6 = 75 }; // <linux/in.h>, <linux/in6.h>
  int one = 1, error;
  uint32_t mark = PACKET_MARK;
  int level = is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, option = is_ipv6 ? TRANSPARENT_IPV6 : TRANSPARENT_IPV4;
  error = setsockopt(fd, level, option, &one, sizeof one) < 0 ? errno : 0;
  if (!error && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) < 0) error = errno;
  return error;
}

void network_answers(int fd, int is_ipv6) {
  int error = answers(fd, is_ipv6);
  if (error) network_cannot("a transparent socket (CAP_NET_ADMIN)", error);
}

// `is_shared`: others have this address as well.
int network_socket(const struct rw_inet *at, int is_shared) {
  struct sockaddr_storage own;
  int is6 = at->family == 6;
  int fd = socket(is6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  socklen_t bytes = inet_to(at, &own);
  if (fd < 0) return -1;
  int error = answers(fd, is6);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &is_shared, sizeof is_shared);
  if (!error && bind(fd, (const struct sockaddr *)&own, bytes) < 0) error = errno;
  if (!error) return fd;
  close(fd);
  errno = error;
  return -1;
}
