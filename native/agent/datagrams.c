// UDP of --transparent: programs that know nothing of Ringway send datagrams to whomever they like. udp.c has the
// flows.
//
//   the first datagrams ─▶ listener ─▶ wait in the flow ─┐
//                                                        ├─▶ the flow's stream
//   those behind them ─▶ the flow's own socket ──────────┘
//   program ◀──────────── the flow's own socket ◀────────── the flow's stream
//
// The flow's own socket has the target's address and is connected to the program (IP_TRANSPARENT), so what it sends
// comes from the address that was asked, and what the program sends next comes to it (nftables.c). It is there once
// the host has opened the stream. Where the program's socket is gone, the kernel says so to the next answer, and the
// flow is over.
//
// What the host could not send the program is told by ICMP (target.c has the table), as by a router on its way: a
// connected socket has the errors that ICMP may bring it, any other has none unless it asks (IP_RECVERR).

#define _GNU_SOURCE
#include "datagrams.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "diag.h"
#include "end.h"
#include "inet.h"
#include "listen.h"
#include "local.h"
#include "target.h"
#include "udp.h"
#include "watch.h"

enum { SENDS_TRAIN = 103, TAKES_TRAINS = 104 }; // UDP_SEGMENT and UDP_GRO of <linux/udp.h>

// ── Sockets ─────────────────────────────────────────────────────────────────────────────────────────────────────────

static uint16_t listen_on(const struct rw_inet *at) {
  enum { ASKED_IPV4 = 20, ASKED_IPV6 = 74 }; // IP_RECVORIGDSTADDR: <linux/in.h>, <linux/in6.h>
  struct sockaddr_storage own;
  socklen_t own_bytes = sizeof own;
  int is6 = at->family == 6, one = 1, room = WIRE_BYTES, fd = network_socket(at, 0);
  if (fd < 0 || setsockopt(fd, is6 ? IPPROTO_IPV6 : IPPROTO_IP, is6 ? ASKED_IPV6 : ASKED_IPV4, &one, sizeof one) < 0 ||
      getsockname(fd, (struct sockaddr *)&own, &own_bytes) < 0)
    network_cannot("a socket for datagrams", errno);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  listen_own(fd, &datagrams_front);
  return (uint16_t)inet_from(&own).port;
}

void datagrams_listen(struct nftables_ports *ports, int ipv6) {
  static const struct rw_inet loopback[] = {{.family = 4, .address = {127, 0, 0, 1}},
                                            {.family = 6, .address = {[15] = 1}}};
  udp_init();
  ports->udp_ipv4 = listen_on(&loopback[0]);
  ports->udp_ipv6 = ipv6 ? listen_on(&loopback[1]) : 0;
}

// ── A program's datagrams ───────────────────────────────────────────────────────────────────────────────────────────

// Groups and broadcasts have nobody behind them here, as where no router passes them on.
static int is_for_many(const struct rw_inet *target) {
  const uint8_t *address = target->address;
  return target->family == 6 ? address[0] == 0xff : address[0] >= 224;
}

static int datagrams_come(int fd) {
  struct sockaddr_storage from, asked = {.ss_family = AF_UNSPEC};
  union {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof asked)];
  } control;
  struct iovec part = {.iov_base = udp_buffer, .iov_len = sizeof udp_buffer};
  struct msghdr message = {.msg_name = &from,
                           .msg_namelen = sizeof from,
                           .msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
  if (got < 0) return errno != EAGAIN;
  const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_len <= CMSG_LEN(sizeof asked))
    memcpy(&asked, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
  if (asked.ss_family != from.ss_family) return 1;
  struct rw_inet source = inet_from(&from), target = inet_from(&asked);
  if (target_is_own(&target) || is_for_many(&target)) return 1; // to the port of the listener itself
  udp_take(&datagrams_front, &source, &target, target_named(&target), udp_buffer, (uint32_t)got);
  return 1;
}

// ── The host's answer ───────────────────────────────────────────────────────────────────────────────────────────────

static void datagrams_opened(struct conn *conn, const struct rw_frame *frame) {
  const struct flow *flow = udp_flow(conn);
  struct sockaddr_storage program;
  socklen_t bytes = inet_to(&flow->source, &program);
  (void)frame;
  conn->state = OWN;
  conn->fd = network_socket(&flow->target, 1); // flows to one target have one address
  if (conn->fd < 0 || connect(conn->fd, (const struct sockaddr *)&program, bytes) < 0 ||
      watch_add(conn->fd, TAG_CONN, conn_index(conn)) != 0) {
    conn_drop(conn, RESET);
    return;
  }
  int trains = 1; // Linux 5.0: else they come one by one
  setsockopt(conn->fd, IPPROTO_UDP, TAKES_TRAINS, &trains, sizeof trains);
  conn_deadline(conn, 0);
  conn->flags |= READABLE | WRITABLE;
  conn_wake(conn);
}

static uint32_t inode_of(const void *of) {
  const struct flow *flow = of;
  struct far_end end;
  return diag_datagrams(&flow->source, &flow->target, &end) == FAR_THERE ? end.inode : 0;
}

static void tell(struct conn *conn, const struct rw_error *error) {
  const struct flow *flow = udp_flow(conn);
  enum unreachable why;
  udp_refusal(conn, error, inode_of);
  if (target_told(error->error, flow->named != NULL, &why))
    packet_no_datagram(&flow->source, &flow->target, flow->first ? flow->first->bytes : 0, why);
}

static void datagrams_refused(struct conn *conn, const struct rw_error *error) {
  tell(conn, error);
  conn_drop(conn, RESET);
}

// ── Both ways ───────────────────────────────────────────────────────────────────────────────────────────────────────

// A datagram, or several that the program has sent at once (UDP_SEGMENT): then each has *segment bytes, and the last
// what is left.
static ssize_t take(int fd, uint32_t *segment) {
  int value = 0;
  union {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof value)];
  } control;
  struct iovec part = {.iov_base = udp_buffer, .iov_len = sizeof udp_buffer};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
  const struct cmsghdr *header = got < 0 ? NULL : CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_level == IPPROTO_UDP && header->cmsg_type == TAKES_TRAINS)
    memcpy(&value, CMSG_DATA(header), sizeof value);
  *segment = value > 0 && value < got ? (uint32_t)value : 0;
  return got;
}

// 0: the program's socket is gone.
static int to_host(struct conn *conn) {
  if (!udp_send_waiting(conn)) return 1;
  for (int n = 0; n < DATAGRAMS_AT_ONCE && (conn->flags & READABLE); n++) {
    uint32_t segment;
    ssize_t got = take(conn->fd, &segment);
    int went = got < 0 ? 1
               : segment == 0 ? udp_send(conn, udp_buffer, (uint32_t)got)
                              : udp_send_train(conn, udp_buffer, (uint32_t)got, segment);
    if (!went) return 1;
    if (got < 0 && errno == ECONNREFUSED) return 0;
    if (got < 0 && errno == EAGAIN) conn_clear(conn, READABLE);
  }
  if (conn->flags & READABLE) conn_wake(conn);
  return 1;
}

// All at once; 0: the kernel does not send them so, or errno is the flow's.
static int pass_train(int fd, const struct rw_train *train) {
  uint16_t segment = (uint16_t)train->segment;
  union {
    struct cmsghdr header;
    uint8_t bytes[CMSG_SPACE(sizeof segment)];
  } control = {.header = {.cmsg_level = IPPROTO_UDP, .cmsg_type = SENDS_TRAIN, .cmsg_len = CMSG_LEN(sizeof segment)}};
  memcpy(CMSG_DATA(&control.header), &segment, sizeof segment);
  struct iovec part = {.iov_base = (void *)(uintptr_t)train->from, .iov_len = train->bytes};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static int pass(struct conn *conn, struct rw_train *train) {
  struct rw_bytes datagram;
  if (train->datagrams > 1) {
    if (pass_train(conn->fd, train)) return 1;
    if (errno == ECONNREFUSED) return 0;
  }
  while (rw_next_datagram(train, &datagram)) {
    if (send(conn->fd, datagram.bytes, datagram.length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) continue;
    if (errno == ECONNREFUSED) return 0;
    udp_dropped();
  }
  return 1;
}

// What the program had sent before goes out.
static void datagrams_step(struct conn *conn) {
  int is_gone = (conn->flags & BROKEN) && local_error(conn) == ECONNREFUSED;
  conn_clear(conn, BROKEN);
  if (is_gone || !to_host(conn) || !udp_hear(conn, pass, tell)) conn_drop(conn, CLOSE);
}

const struct front datagrams_front = {
    .name = "transparent UDP",
    .side = OUT,
    .ring_bytes_max = UDP_RING_BYTES_MAX,
    .tick = udp_tick,
    .come = datagrams_come,
    .open = udp_open,
    .opened = datagrams_opened,
    .refused = datagrams_refused,
    .step = datagrams_step,
    .ended = udp_ended,
};
