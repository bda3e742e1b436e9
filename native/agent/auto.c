// --publish auto: a port of TCP on which a program of the guest listens is the same port on the host, if the policy
// lets it be, for as long as the program listens.
//
// The kernel lists who listens (NETLINK_SOCK_DIAG) and tells nobody when that changes, so the list is looked at twice a
// second. What is reached at loopback counts, which is where connections are taken to: a server at 127.0.0.1, ::1, or
// at every address. The agent's own sockets do not.
//
// The list is no picture of one moment, and a look may fail: what was published is withdrawn when two looks that had
// the whole list have not found it.

#include <errno.h>
#include <string.h>

#include "agent.h"
#include "diag.h"
#include "front.h"
#include "host.h"
#include "listen.h"
#include "ports.h"
#include "publish.h"

static uint16_t found[AUTO_MAX];
static uint32_t founds;
static int64_t next_ms; // -1: the kernel does not tell
static int is_told;     // that there are too many

static int is_reached(const struct rw_inet *at) {
  static const uint8_t zeros[16], loopback_ipv6[16] = {[15] = 1};
  const uint8_t *address = at->address;
  if (memcmp(address, zeros, at->family == 6 ? 16 : 4) == 0) return 1;
  return at->family == 6 ? memcmp(address, loopback_ipv6, 16) == 0 : memcmp(address, "\x7f\0\0\x01", 4) == 0;
}

static int is_found(uint16_t port) {
  for (uint32_t i = 0; i < founds; i++)
    if (found[i] == port) return 1;
  return 0;
}

static void too_many(void) {
  if (is_told) return;
  is_told = 1;
  say_begin();
  say("--publish auto: programs listen on more than ");
  say_number(AUTO_MAX);
  say(" ports: the others are not published");
  say_end();
}

static void on_listener(const struct rw_inet *at, uint32_t inode) {
  uint16_t port = (uint16_t)at->port;
  if (!is_reached(at) || is_found(port) || listen_has(inode)) return;
  if (founds < AUTO_MAX) found[founds++] = port;
  else too_many();
}

// Of a kernel that has no such list, or keeps it from this process: it has none later either.
static int is_never(int error) {
  return error == ENOENT || error == EPROTONOSUPPORT || error == EAFNOSUPPORT || error == EOPNOTSUPP ||
         error == EPERM || error == EACCES;
}

static void withdraw(void) {
  for (uint32_t i = 0; port_at(i); i++) {
    if (!port_is_added(i)) continue;
    struct publish *publish = port_at(i);
    publish->missed = is_found(publish->port) ? 0 : publish->missed + 1;
    if (publish->missed == AUTO_MISSED) publish_end(i);
  }
}

static void look(void) {
  founds = 0;
  int ipv4 = diag_listeners(0, on_listener), ipv6 = diag_listeners(1, on_listener);
  if (is_never(ipv4) && is_never(ipv6)) {
    say_begin();
    say("--publish auto wants to know who listens (NETLINK_SOCK_DIAG), and this kernel does not tell");
    say_end();
    next_ms = -1;
    return;
  }
  if ((ipv4 == 0 || is_never(ipv4)) && (ipv6 == 0 || is_never(ipv6))) withdraw();
  for (uint32_t i = 0; i < founds; i++)
    if (!ports_have(found[i]) && !port_add(found[i])) too_many();
}

static int64_t auto_tick(int64_t now) {
  if (!options.publish_auto || !host_is_up() || next_ms < 0) return -1;
  if (now < next_ms) return next_ms;
  next_ms = now + AUTO_MS;
  look();
  return next_ms;
}

const struct front auto_front = {.name = "auto", .side = BESIDE, .tick = auto_tick};
