// Takes the network of the guest over, and gives it back at the end of the program, whichever exit() that is.
//
//   nothing ── the table of nf_tables ── addresses and routes ── sockets, ports (the caller) ── what is in the table
//
// The table is first, since it is what a second agent in the same network does not get: its routes would be those of
// the first, and go with it. A step that fails ends the program, which undoes those before.

#define _GNU_SOURCE
#include "network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "nftables.h"
#include "packet.h"
#include "routes.h"

static void give_back(void) {
  routes_remove(); // first: without the rules each program could pose as any server
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
static int take_ipv6(void) {
  const char *what;
  int error = routes_make(1, &what);
  if (error == 0) return 1;
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
  if (!error) error = routes_make(0, &what);
  if (error) network_cannot(what, error);
  return take_ipv6();
}

void network_turn(uint16_t port_ipv4, uint16_t port_ipv6) {
  const char *what;
  struct nftables wish = {.mark = PACKET_MARK, .port_ipv4 = port_ipv4, .port_ipv6 = port_ipv6};
  memcpy(wish.own_ipv4, routes_own_ipv4, sizeof wish.own_ipv4);
  memcpy(wish.own_ipv6, routes_own_ipv6, sizeof wish.own_ipv6);
  int error = nftables_make(&wish, &what);
  if (error) network_cannot(what, error);
}
