// --transparent: programs that know nothing of Ringway connect to whatever they like, and have the host's answer.
//
// Every address is this guest's own (routes.c). A program's SYN is held (syn.c) until the host has connected to the
// same address; then it is put back and comes to a listener of ours (nftables.c), and the connection accepted there,
// whose own address is the one that was asked for, is joined to the stream that waits. So connect() says exactly what
// the host was told:
//
//   the host has connected          the SYN is put back: connect() is done
//   it has not                      RST, or ICMP: target.c has the table
//   no answer, no room              nothing; the program's kernel asks again, and says ETIMEDOUT when it gives up
//
//   connection:  WANTING ─▶ ASKED ─▶ OPENING ─▶ OWN, its SYN put back ─▶ CARRYING       syn.c has the SYN's states

#define _GNU_SOURCE
#include <unistd.h>

#include "agent.h"
#include "begin.h"
#include "carry.h"
#include "datagrams.h"
#include "diag.h"
#include "end.h"
#include "front.h"
#include "inet.h"
#include "listen.h"
#include "local.h"
#include "network.h"
#include "refusal.h"
#include "shortage.h"
#include "syn.h"
#include "target.h"
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

static uint16_t listen_for(const struct address *address, uint32_t route) {
  if (!listen_tcp(address, &transparent_front, route, "--transparent")) return 0;
  say(route == ROUTE_IPV6 ? ", for all of IPv6" : ", for all of IPv4");
  say_end();
  network_answers(listen_fd(&transparent_front, route), route == ROUTE_IPV6);
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
  struct nftables_ports ports = {.tcp_ipv4 = listen_for(&ipv4, ROUTE_IPV4)};
  if (has_ipv6) ports.tcp_ipv6 = listen_for(&ipv6, ROUTE_IPV6);
  datagrams_listen(&ports, has_ipv6);
  network_turn(&ports, has_ipv6);
}

// ── SYNs ────────────────────────────────────────────────────────────────────────────────────────────────────────────

static void crowded(void) {
  if (shortage_begins()) {
    say("out of connections: too many programs connect at once: some have to ask again");
    say_end();
  }
  shortage_waits();
}

// The oldest makes room: if its program still waits, its kernel asks again.
static void hold(const struct syn *syn) {
  struct conn *conn = table_free() > 0 || conn_yields() ? conn_new(&transparent_front, -1) : NULL;
  if (!conn || held_full()) crowded();
  if (!conn) return; // and so does this one's
  if (held_full()) conn_drop(conn_at(held_oldest()->conn), RESET);
  own(conn)->held = held_index(held_new(syn, conn_index(conn))) + 1;
  own(conn)->named = target_named(&syn->target);
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

enum { STATE_SYN_SENT = 2 };

// The kernel has sent a SYN again, and the first was answered meanwhile: nobody waits for an answer to this one.
static int is_late(const struct syn *syn) {
  struct far_end end;
  if (!held_was(syn)) return 0;
  enum far far = diag_look(&syn->source, &syn->target, &end);
  return far == FAR_GONE || (far == FAR_THERE && end.state != STATE_SYN_SENT);
}

static int transparent_come(int fd) {
  struct syn syn;
  enum packet packet = packet_next(fd, &syn);
  if (packet != PACKET_SYN || target_is_own(&syn.target)) return packet != PACKET_NONE;
  struct held *held = held_find(&syn.source, &syn.target);
  if (held) come_again(held, &syn);
  else if (!is_late(&syn)) hold(&syn);
  return 1;
}

// ── The host's answer ───────────────────────────────────────────────────────────────────────────────────────────────

static int32_t transparent_open(struct conn *conn) {
  char host[RW_HOST_MAX_BYTES];
  const struct held *held = held_of(conn);
  uint32_t bytes = held ? target_host(&held->syn.target, own(conn)->named, host) : 0;
  return bytes == 0 ? RW_INVALID : rw_connect(conn->stream, host, bytes, held->syn.target.port, 0);
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

static void transparent_refused(struct conn *conn, const struct rw_error *error) {
  const struct held *held = held_of(conn);
  enum unreachable why;
  if (held) {
    refusal_say(conn, target_text(&held->syn.target, own(conn)->named), error);
    if (target_told(error->error, own(conn)->named != NULL, &why)) packet_no_connection(&held->syn, why);
  }
  conn_drop(conn, RESET);
}

// While there is no descriptor, the kernel knows which socket has sent the SYN.
static enum far transparent_far_end(struct conn *conn, struct far_end *end) {
  const struct held *held = held_of(conn);
  if (!held) return FAR_UNKNOWN;
  enum far far = diag_look(&held->syn.source, &held->syn.target, end);
  return far == FAR_THERE && end->state != STATE_SYN_SENT ? FAR_GONE : far;
}

// ── The program's connection ────────────────────────────────────────────────────────────────────────────────────────

// Of a connection that came by itself, to the port of the listener, there is no SYN. One that the program has broken
// already has no peer any more (getpeername()), but what it said first is there.
static struct held *held_for(int fd, const struct rw_inet *program) {
  struct sockaddr_storage own;
  socklen_t bytes = sizeof own;
  if (getsockname(fd, (struct sockaddr *)&own, &bytes) < 0) return NULL;
  const struct rw_inet target = inet_from(&own);
  struct held *held = held_find(program, &target);
  return held && held->state == HELD_BACK ? held : NULL;
}

static void transparent_accepted(int fd, const struct rw_inet *program) {
  struct held *held = held_for(fd, program);
  if (!held) {
    close(fd);
    return;
  }
  struct conn *conn = conn_at(held->conn);
  release(conn);
  conn->fd = fd;
  conn->flags |= WRITABLE; // whether the program has said something, watch.c tells
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
