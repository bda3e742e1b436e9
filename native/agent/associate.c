// SOCKS5's UDP ASSOCIATE (RFC 1928, section 7): a program sends its datagrams to a socket of the agent's, each with the
// address or name that it is for before it, and has answers in the same form. udp.c has the flows, one for each target.
//
//   program ◀── datagrams ──▶ relay socket ◀──▶ flows, each with its stream
//   program ◀── connection, which says nothing more, and with whose end all of it ends
//
// The association is a connection in OWN, without a stream; both of its descriptors wake it. It hears the program that
// made the connection, by its address, and of that the socket that is heard first. A datagram in fragments is dropped,
// as one that is malformed.
//
// A name is kept as the address that stands for it (names.c), so that a flow has the same key for all targets. One
// association has no more than its part of the flows: of its own the one that was used longest ago makes room.

#define _GNU_SOURCE
#include "associate.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "diag.h"
#include "end.h"
#include "inet.h"
#include "names.h"
#include "room.h"
#include "socks5.h"
#include "udp.h"
#include "watch.h"

enum { HEAD_BYTES = 3, FRAGMENT = 2 };

struct association { // a connection's own
  int32_t relay;     // a descriptor
  uint16_t port;     // of the program's socket; 0: not heard yet
  uint8_t family;    // and where the program is
  uint8_t reserved;
  uint8_t address[16];
};
_Static_assert(sizeof(struct association) <= OWN_BYTES, "a connection has room for it");
static struct association *own(struct conn *conn) { return (struct association *)(void *)conn->own; }

static const struct front associate_front, associated_front;
static uint32_t associations;

void associate_init(void) {
  udp_init();
  names_init();
}

// What a flow has for its source: the association, in place of an address that no packet comes from.
static struct rw_inet source_of(struct conn *conn) {
  uint32_t index = conn_index(conn);
  struct rw_inet source = {.family = 4, .port = own(conn)->port};
  for (int i = 1; i < 4; i++) source.address[i] = (uint8_t)(index >> (24 - 8 * i));
  return source;
}

static struct conn *association_of(const struct flow *flow) {
  const uint8_t *address = flow->source.address;
  return conn_at((uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 | address[3]);
}

// ── Beginning and end ───────────────────────────────────────────────────────────────────────────────────────────────

// Where the program reaches the agent, at a port of its own.
static int open_relay(const struct rw_inet *where, struct rw_inet *bound) {
  struct sockaddr_storage at;
  struct rw_inet wish = *where;
  wish.port = 0;
  socklen_t bytes = inet_to(&wish, &at);
  int fd = socket(at.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (bind(fd, (struct sockaddr *)&at, bytes) == 0 && getsockname(fd, (struct sockaddr *)&at, &bytes) == 0) {
    *bound = inet_from(&at);
    return fd;
  }
  close(fd);
  return -1;
}

int associate_begin(struct conn *conn, struct rw_inet *bound) {
  struct rw_inet program, agent;
  if (associations >= ASSOCIATIONS_MAX || !diag_ends(conn->fd, &program, &agent)) return 0;
  int relay = open_relay(&agent, bound);
  if (relay < 0) return 0;
  if (watch_add(relay, TAG_CONN, conn_index(conn)) != 0) {
    close(relay);
    return 0;
  }
  *own(conn) = (struct association){.relay = relay, .family = (uint8_t)program.family};
  memcpy(own(conn)->address, program.address, sizeof program.address);
  associations++;
  conn->front = &associate_front;
  conn->state = OWN;
  conn->flags |= READABLE;
  room_enter(conn, NOWHERE); // it has said all that it must
  conn_deadline(conn, 0);
  conn_wake(conn);
  return 1;
}

static void associate_ended(struct conn *conn) {
  struct conn *flow;
  for (uint32_t i = 0; (flow = conn_at(i)) != NULL; i++)
    if (flow->state != FREE && flow->front == &associated_front && association_of(udp_flow(flow)) == conn)
      conn_drop(flow, CLOSE);
  close(own(conn)->relay);
  associations--;
}

// ── A program's datagrams ───────────────────────────────────────────────────────────────────────────────────────────

static int is_its_program(struct conn *conn, const struct rw_inet *from) {
  struct association *it = own(conn);
  if (from->family != it->family || memcmp(from->address, it->address, sizeof it->address) != 0) return 0;
  if (it->port == 0) it->port = (uint16_t)from->port;
  return it->port == from->port;
}

// The target's address; of a name the one that stands for it. 0: there is none.
static int read_target(const struct socks5_end *end, struct rw_inet *target, struct named **named) {
  *target = end->inet;
  *named = NULL;
  if (end->inet.family == 0) {
    if (end->host_bytes > RW_HOST_MAX_BYTES) return 0;
    if (!names_give(end->host, end->host_bytes, 0, rw_posix_now_ms(), target)) return 0;
    *named = names_find(target);
  }
  target->port = end->port;
  return end->port != 0;
}

static void take(struct conn *conn, const struct rw_inet *from, uint32_t count) {
  struct socks5_end end;
  struct rw_inet target;
  struct named *named;
  if (count < HEAD_BYTES || udp_buffer[FRAGMENT] != 0 || !is_its_program(conn, from)) return;
  int32_t bytes = socks5_end(udp_buffer + HEAD_BYTES, count - HEAD_BYTES, &end);
  if (bytes <= 0 || !read_target(&end, &target, &named)) return;
  const struct rw_inet source = source_of(conn);
  struct flow *surplus = flow_find(&source, &target) ? NULL : flow_surplus(&source);
  if (surplus) conn_drop(conn_at(surplus->conn), CLOSE);
  uint32_t head = HEAD_BYTES + (uint32_t)bytes;
  udp_take(&associated_front, &source, &target, named, udp_buffer + head, count - head);
}

static void associate_step(struct conn *conn) {
  if (conn->flags & (RDHUP | HUP)) {
    conn_drop(conn, CLOSE);
    return;
  }
  conn_clear(conn, BROKEN);
  for (int n = 0; n < DATAGRAMS_AT_ONCE && (conn->flags & READABLE); n++) {
    struct sockaddr_storage from;
    socklen_t from_bytes = sizeof from;
    ssize_t got = recvfrom(own(conn)->relay, udp_buffer, sizeof udp_buffer, MSG_DONTWAIT, (struct sockaddr *)&from,
                           &from_bytes);
    if (got < 0 && errno == EAGAIN) conn_clear(conn, READABLE);
    if (got < 0) continue;
    const struct rw_inet program = inet_from(&from);
    take(conn, &program, (uint32_t)got);
  }
  if (conn->flags & READABLE) conn_wake(conn);
}

// ── A flow of it ────────────────────────────────────────────────────────────────────────────────────────────────────

static void associated_opened(struct conn *conn, const struct rw_frame *frame) {
  (void)frame;
  conn->state = OWN;
  conn_deadline(conn, 0);
  conn_wake(conn);
}

static uint32_t inode_of(const void *flow) {
  struct far_end end;
  return diag_ask(association_of(flow)->fd, &end) ? end.inode : 0;
}

// What the host could not send the program is not told: the protocol has no way.
static void tell(struct conn *conn, const struct rw_error *error) { udp_refusal(conn, error, inode_of); }

static void associated_refused(struct conn *conn, const struct rw_error *error) {
  tell(conn, error);
  conn_drop(conn, RESET);
}

static void pass_one(struct conn *conn, const struct rw_bytes *datagram) {
  const struct flow *flow = udp_flow(conn);
  struct association *it = own(association_of(flow));
  struct rw_inet program = {.family = it->family, .port = flow->source.port};
  uint8_t head[HEAD_BYTES + SOCKS5_END_BYTES_MAX] = {0};
  uint32_t head_bytes =
      flow->named ? socks5_put_name(head + HEAD_BYTES, flow->named->name, flow->named->bytes, flow->target.port)
                  : socks5_put_inet(head + HEAD_BYTES, &flow->target);
  memcpy(program.address, it->address, sizeof program.address);
  struct sockaddr_storage to;
  struct iovec parts[] = {{.iov_base = head, .iov_len = HEAD_BYTES + head_bytes},
                          {.iov_base = (void *)(uintptr_t)datagram->bytes, .iov_len = datagram->length}};
  struct msghdr message = {.msg_name = &to, .msg_namelen = inet_to(&program, &to), .msg_iov = parts, .msg_iovlen = 2};
  if (sendmsg(it->relay, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) udp_dropped();
}

static int pass(struct conn *conn, struct rw_train *train) {
  struct rw_bytes datagram;
  while (rw_next_datagram(train, &datagram)) pass_one(conn, &datagram);
  return 1;
}

static void associated_step(struct conn *conn) {
  udp_send_waiting(conn);
  if (!udp_hear(conn, pass, tell)) conn_drop(conn, CLOSE);
}

static const struct front associate_front = {
    .name = "SOCKS5 UDP",
    .side = OUT,
    .ring_bytes_max = RW_RING_BYTES_MIN, // it has no stream
    .step = associate_step,
    .ended = associate_ended,
};

static const struct front associated_front = {
    .name = "SOCKS5 UDP",
    .side = OUT,
    .ring_bytes_max = UDP_RING_BYTES_MAX,
    .open = udp_open,
    .opened = associated_opened,
    .refused = associated_refused,
    .step = associated_step,
    .ended = udp_ended,
};
