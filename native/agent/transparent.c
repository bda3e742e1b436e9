// --transparent: programs that know nothing of Ringway connect to whatever they like, and have the host's answer.
//
// Every address is this guest's own (routes.c). A program's SYN is held (syn.c) until the host has connected to the
// same address; then it is put back and comes to a listener of ours (nftables.c), and the connection accepted there,
// whose own address is the one that was asked for, is joined to the stream that waits. So connect() says exactly what
// the host was told:
//
//   the host has connected          the SYN is put back: connect() is done
//   ECONNREFUSED, ECONNRESET        RST                                          ECONNREFUSED
//   ENETUNREACH, no monitor         ICMP: network unreachable                    ENETUNREACH
//   EACCES, EPERM (policy)          ICMP: administratively prohibited            IPv6 EACCES, IPv4 EHOSTUNREACH
//   ETIMEDOUT, no room              nothing; the program's kernel asks again     ETIMEDOUT, when it gives up
//   any other                       ICMP: host unreachable                       EHOSTUNREACH
//
// (What ICMPv4 calls prohibited Linux calls EHOSTUNREACH; it has no code for EACCES.) An address that stands for a name
// (names.c) is not told to the host: the name is.
//
//   connection:  WANTING ─▶ ASKED ─▶ OPENING ─▶ OWN, its SYN put back ─▶ CARRYING       syn.c has the SYN's states

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "begin.h"
#include "carry.h"
#include "diag.h"
#include "end.h"
#include "errors.h"
#include "front.h"
#include "listen.h"
#include "local.h"
#include "names.h"
#include "network.h"
#include "refusal.h"
#include "routes.h"
#include "syn.h"
#include "text.h"
#include "watch.h"

struct transparent {    // a connection's own
  struct named *named; // what its target stands for, or NULL
  uint32_t held;       // 1 more than the index of its SYN; 0: it has none any more
};
_Static_assert(sizeof(struct transparent) <= OWN_BYTES, "a connection has room for it");
static struct transparent *own(struct conn *conn) { return (struct transparent *)(void *)conn->own; }

enum { ROUTE_IPV4, ROUTE_IPV6 }; // of its two listeners

static struct held *held_of(struct conn *conn) { return own(conn)->held == 0 ? NULL : held_at(own(conn)->held - 1); }

static void release(struct conn *conn) {
  struct held *held = held_of(conn);
  if (held) held_free(held);
  own(conn)->held = 0;
}

// ── Setting up ──────────────────────────────────────────────────────────────────────────────────────────────────────

// It answers from every address (IP_TRANSPARENT), with the mark of what is the agent's.
static void take_all(int fd, int is_ipv6) {
  enum { TRANSPARENT_IPV4 = 19, TRANSPARENT_IPV6 = 75 }; // <linux/in.h>, <linux/in6.h>
  int one = 1;
  uint32_t mark = PACKET_MARK;
  int level = is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, option = is_ipv6 ? TRANSPARENT_IPV6 : TRANSPARENT_IPV4;
  if (setsockopt(fd, level, option, &one, sizeof one) < 0 ||
      setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) < 0)
    network_cannot("a transparent socket (CAP_NET_ADMIN)", errno);
}

static uint16_t listen_for(const struct address *address, uint32_t route) {
  if (!listen_tcp(address, &transparent_front, route, "--transparent")) return 0;
  say(route == ROUTE_IPV6 ? ", for all of IPv6" : ", for all of IPv4");
  say_end();
  take_all(listen_fd(&transparent_front, route), route == ROUTE_IPV6);
  return listen_port(&transparent_front, route);
}

static void transparent_listen(void) {
  static const struct address ipv4 = {.text = "127.0.0.1", .ip = {127, 0, 0, 1}, .family = 4};
  static const struct address ipv6 = {.text = "[::1]", .ip = {[15] = 1}, .family = 6};
  const char *what;
  if (!options.transparent) return;
  int has_ipv6 = network_take();
  held_init();
  int wire = packet_init(has_ipv6, &what);
  if (wire < 0) network_cannot(what, -wire);
  listen_own(wire, &transparent_front);
  uint16_t port = listen_for(&ipv4, ROUTE_IPV4);
  network_turn(port, has_ipv6 ? listen_for(&ipv6, ROUTE_IPV6) : 0);
}

// ── SYNs ────────────────────────────────────────────────────────────────────────────────────────────────────────────

// To the guest itself: nftables.c lets it pass.
static int is_own(const struct rw_inet *target) {
  static const uint8_t loopback[16] = {[15] = 1};
  if (target->family == 4) return target->address[0] == 127 || memcmp(target->address, routes_own_ipv4, 4) == 0;
  return memcmp(target->address, loopback, 16) == 0 || memcmp(target->address, routes_own_ipv6, 16) == 0;
}

// The oldest makes room: if its program still waits, its kernel asks again.
static void hold(const struct syn *syn) {
  struct conn *conn = table_free() > 0 || conn_yields() ? conn_new(&transparent_front, -1) : NULL;
  if (!conn) return; // and so does this one's
  if (held_full()) conn_drop(conn_at(held_oldest()->conn), RESET);
  own(conn)->held = held_index(held_new(syn, conn_index(conn))) + 1;
  own(conn)->named = options.names == NAMES_OWN ? names_find(&syn->target) : NULL;
  if (own(conn)->named) names_take(own(conn)->named);
  begin_wish(conn);
}

static void come_again(struct held *held, const struct syn *syn) {
  if (held->syn.sequence != syn->sequence) { // the program has closed that one, and begins another from the same port
    conn_drop(conn_at(held->conn), RESET);
    hold(syn);
  } else if (held->state == HELD_BACK) {
    held->syn = *syn;
    packet_put_back(syn);
  }
}

static int transparent_come(int fd) {
  struct syn syn;
  enum packet packet = packet_next(fd, &syn);
  if (packet != PACKET_SYN || is_own(&syn.target)) return packet != PACKET_NONE;
  struct held *held = held_find(&syn.source, &syn.target);
  if (held) come_again(held, &syn);
  else hold(&syn);
  return 1;
}

// ── The host's answer ───────────────────────────────────────────────────────────────────────────────────────────────

static int32_t transparent_open(struct conn *conn) {
  char host[INET6_ADDRSTRLEN];
  const struct held *held = held_of(conn);
  if (!held) return RW_INVALID;
  const struct rw_inet *target = &held->syn.target;
  const struct named *named = own(conn)->named;
  if (named) return rw_connect(conn->stream, named->name, named->bytes, target->port, 0);
  if (options.names == NAMES_OWN && names_has(target)) return RW_INVALID; // of a name that is forgotten
  inet_ntop(target->family == 6 ? AF_INET6 : AF_INET, target->address, host, sizeof host);
  return rw_connect(conn->stream, host, (uint32_t)strlen(host), target->port, 0);
}

static void transparent_opened(struct conn *conn, const struct rw_frame *frame) {
  struct held *held = held_of(conn);
  (void)frame;
  conn->state = OWN;
  if (!held || !packet_put_back(&held->syn)) {
    conn_drop(conn, RESET);
    return;
  }
  held->state = HELD_BACK;
  conn_deadline(conn, PUT_BACK_MS);
}

static void log_refusal(struct conn *conn, const struct rw_inet *target, const struct rw_error *error) {
  char host[INET6_ADDRSTRLEN] = "", bytes[RW_HOST_MAX_BYTES + 16];
  struct text to = {.bytes = bytes, .room = sizeof bytes};
  const struct named *named = own(conn)->named;
  int has_brackets = target->family == 6;
  inet_ntop(has_brackets ? AF_INET6 : AF_INET, target->address, host, sizeof host);
  put(&to, has_brackets ? "[" : "");
  if (named) put_span(&to, (struct span){named->name, named->bytes});
  else put(&to, host);
  put(&to, has_brackets ? "]:" : ":");
  put_number(&to, target->port);
  refusal_say(conn, (struct rw_text){(const uint8_t *)to.bytes, to.length}, error);
}

static void tell(const struct syn *syn, uint32_t error, int is_named) {
  if (is_named && error == LINUX_EAGAIN) error = LINUX_EHOSTUNREACH; // no answer about the name
  switch (error) { // Linux numbers (ERR-2)
    case LINUX_ECONNREFUSED:
    case LINUX_ECONNRESET:
      packet_refuse(syn);
      break;
    case LINUX_ENETUNREACH:
    case LINUX_ENETDOWN:
      packet_unreachable(syn, NO_NETWORK);
      break;
    case LINUX_EACCES:
    case LINUX_EPERM:
      packet_unreachable(syn, NOT_ALLOWED);
      break;
    case LINUX_ETIMEDOUT:
    case LINUX_EAGAIN:
    case LINUX_EMFILE:
    case LINUX_ENOMEM:
    case LINUX_ENOBUFS:
      break;
    default:
      packet_unreachable(syn, NO_HOST);
  }
}

static void transparent_refused(struct conn *conn, const struct rw_error *error) {
  const struct held *held = held_of(conn);
  if (held) {
    log_refusal(conn, &held->syn.target, error);
    tell(&held->syn, error->error, own(conn)->named != NULL);
  }
  conn_drop(conn, RESET);
}

// While there is no descriptor, the kernel knows which socket has sent the SYN.
static enum far transparent_far_end(struct conn *conn, struct far_end *end) {
  enum { STATE_SYN_SENT = 2 };
  const struct held *held = held_of(conn);
  if (!held) return FAR_UNKNOWN;
  enum far far = diag_look(&held->syn.source, &held->syn.target, end);
  return far == FAR_THERE && end->state != STATE_SYN_SENT ? FAR_GONE : far;
}

// ── The program's connection ────────────────────────────────────────────────────────────────────────────────────────

// Of a connection that came by itself, to the port of the listener, there is no SYN.
static struct held *held_for(int fd) {
  struct rw_inet source, target;
  struct held *held = diag_ends(fd, &source, &target) ? held_find(&source, &target) : NULL;
  return held && held->state == HELD_BACK ? held : NULL;
}

static void transparent_accepted(int fd) {
  struct held *held = held_for(fd);
  local_tune(fd);
  if (!held) {
    close(fd);
    return;
  }
  struct conn *conn = conn_at(held->conn);
  release(conn);
  conn->fd = fd;
  conn->flags |= READABLE | WRITABLE;
  if (watch_add(fd, TAG_CONN, conn_index(conn)) != 0) conn_drop(conn, RESET);
  else carry_begin(conn);
}

// What the server says before the program's handshake is over waits in the ring.
static void transparent_step(struct conn *conn) { (void)conn; }

static void transparent_ended(struct conn *conn) {
  release(conn);
  if (own(conn)->named) names_leave(own(conn)->named, rw_posix_now_ms());
}

const struct front transparent_front = {
    .name = "transparent",
    .side = OUT,
    .ring_bytes_max = RW_RING_BYTES_MAX,
    .listen = transparent_listen,
    .come = transparent_come,
    .accepted = transparent_accepted,
    .far_end = transparent_far_end,
    .open = transparent_open,
    .opened = transparent_opened,
    .refused = transparent_refused,
    .step = transparent_step,
    .ended = transparent_ended,
};
