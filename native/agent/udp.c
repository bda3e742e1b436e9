// Flows of datagrams and their streams: a udp-connect (PROTOCOL.md section 16) for each socket of a program's and each
// target. datagrams.c and associate.c are the ways in which programs come to them.
//
//   program ─▶ udp_take() ─▶ waits in the flow ─▶ ring ─▶ the host's socket ─▶ target
//   program ◀─ the front's pass() ◀─ udp_hear() ◀─ ring ◀─ the host's socket ◀─ target
//
//   connection:  WANTING ─▶ ASKED ─▶ OPENING ─▶ OWN
//
// A flow is over when the host says so, which has a time limit for those without datagrams (udpIdleMs); when its front
// says so; or when it makes room for another. The next datagram begins a new one. Datagrams get lost, where there is no
// room for them, and where rings are too small for them (streams.c); those that the agent drops are counted in the log.

#include "udp.h"

#include "agent.h"
#include "begin.h"
#include "end.h"
#include "errors.h"
#include "host.h"
#include "refusal.h"
#include "target.h"

struct udp { // a connection's own
  uint32_t flow; // its index
};
_Static_assert(sizeof(struct udp) <= OWN_BYTES, "a connection has room for it");
static struct udp *own(struct conn *conn) { return (struct udp *)(void *)conn->own; }

uint8_t udp_buffer[DATAGRAM_BYTES_MAX];
static uint32_t dropped; // and not told yet
static int64_t told_ms;

struct flow *udp_flow(struct conn *conn) { return flow_at(own(conn)->flow); }
void udp_dropped(void) { dropped++; }

void udp_init(void) {
  static int is_done;
  if (is_done) return;
  is_done = 1;
  uint32_t share = options.streams / SHARE;
  flows_init(share == 0 ? 1 : share);
}

// ── To the host ─────────────────────────────────────────────────────────────────────────────────────────────────────

// 1: it is the host's to see to, or lost. 0: its ring is full.
static int put(struct conn *conn, const void *bytes, uint32_t count) {
  int32_t status = rw_udp_send(conn->stream, NULL, bytes, count);
  if (status == RW_TOO_LONG) udp_dropped();
  else if (status != RW_OK && status != RW_AGAIN) conn_wake(conn); // its turn finds out what it is
  return status != RW_AGAIN;
}

static int send_or_keep(struct conn *conn, const void *bytes, uint32_t count, uint32_t most) {
  struct flow *flow = udp_flow(conn);
  flow_used(flow);
  if (conn->state == OWN && !flow->first && put(conn, bytes, count)) return 1;
  if (!flow_keep(flow, bytes, count, most)) udp_dropped();
  return 0;
}

int udp_send(struct conn *conn, const void *bytes, uint32_t count) {
  return send_or_keep(conn, bytes, count, FLOW_WAITING_MAX);
}

// All of it in one frame; 0: one by one, as where its ring is full, or too small for so many.
static int put_train(struct conn *conn, const uint8_t *bytes, uint32_t count, uint32_t segment) {
  uint8_t fields[4];
  if (conn->state != OWN || udp_flow(conn)->first) return 0;
  int32_t fields_bytes = rw_encode_udp_send(fields, sizeof fields, segment);
  return rw_tell(conn->stream, RW_T_UDP_SEND, fields, (uint32_t)fields_bytes, bytes, count) == RW_OK;
}

// The whole of it waits where there is no room: it has been taken from its socket, of which nothing is read then.
int udp_send_train(struct conn *conn, const uint8_t *bytes, uint32_t count, uint32_t segment) {
  uint32_t whole = TRAIN_BYTES_MAX / segment, most = segment * (whole < RW_UDP_TRAIN_MAX ? whole : RW_UDP_TRAIN_MAX);
  int went = 1;
  while (count > 0) {
    uint32_t train = most < count ? most : count;
    int is_sent = train > segment && put_train(conn, bytes, train, segment);
    if (is_sent) flow_used(udp_flow(conn));
    if (!is_sent) {
      train = segment < count ? segment : count;
      went = send_or_keep(conn, bytes, train, FLOW_TRAIN_MAX);
    }
    bytes += train;
    count -= train;
  }
  return went;
}

int udp_send_waiting(struct conn *conn) {
  struct flow *flow = udp_flow(conn);
  flow_used(flow);
  while (flow->first && put(conn, flow->first->data, flow->first->bytes)) flow_sent(flow);
  return flow->first == NULL;
}

static void begin(const struct front *front, const struct rw_inet *source, const struct rw_inet *target,
                  struct named *named, const void *bytes, uint32_t count) {
  if (flows_full()) conn_drop(conn_at(flow_oldest()->conn), CLOSE);
  struct conn *conn = table_free() > 0 || conn_yields() ? conn_new(front, -1) : NULL;
  if (!conn) {
    udp_dropped();
    return;
  }
  struct flow *flow = flow_new(source, target, conn_index(conn));
  own(conn)->flow = flow_index(flow);
  flow->named = named;
  if (named) names_take(named);
  if (!flow_keep(flow, bytes, count, FLOW_WAITING_MAX)) udp_dropped();
  begin_wish(conn);
}

void udp_take(const struct front *front, const struct rw_inet *source, const struct rw_inet *target,
              struct named *named, const void *bytes, uint32_t count) {
  struct flow *flow = flow_find(source, target);
  if (flow) udp_send(conn_at(flow->conn), bytes, count);
  else begin(front, source, target, named, bytes, count);
}

int32_t udp_open(struct conn *conn) {
  char host[RW_HOST_MAX_BYTES];
  const struct flow *flow = udp_flow(conn);
  uint32_t bytes = target_host(&flow->target, flow->named, host);
  return bytes == 0 ? RW_INVALID : rw_udp_connect(conn->stream, host, bytes, flow->target.port, 0);
}

// ── From the host ───────────────────────────────────────────────────────────────────────────────────────────────────

int udp_hear(struct conn *conn, int (*pass)(struct conn *conn, struct rw_train *train),
             void (*tell)(struct conn *conn, const struct rw_error *error)) {
  struct rw_udp udp;
  for (int frames = 0; frames < DATAGRAMS_AT_ONCE; frames++) {
    int32_t status = rw_udp_recv(conn->stream, &udp, NULL, 0);
    if (status == RW_AGAIN || host_lost(status)) return 1;
    if (status != RW_OK) return 0;
    if (udp.type == RW_T_UDP_ERROR && udp.error.error == LINUX_EMSGSIZE) udp_dropped();
    else if (udp.type == RW_T_UDP_ERROR) tell(conn, &udp.error);
    if (udp.train.datagrams > 0 && !pass(conn, &udp.train)) return 0;
  }
  conn_wake(conn);
  return 1;
}

void udp_refusal(struct conn *conn, const struct rw_error *error, uint32_t (*inode_of)(const void *flow)) {
  const struct flow *flow = udp_flow(conn);
  refusal_say_for(conn->front->name, target_text(&flow->target, flow->named), error, inode_of, flow);
}

void udp_ended(struct conn *conn) {
  struct flow *flow = udp_flow(conn);
  if (flow->named) names_leave(flow->named, rw_posix_now_ms());
  flow_free(flow);
}

// ── The log ─────────────────────────────────────────────────────────────────────────────────────────────────────────

int64_t udp_tick(int64_t now) {
  if (dropped == 0) return -1;
  if (told_ms != 0 && now < told_ms + QUIET_MS_MAX) return told_ms + QUIET_MS_MAX;
  say_begin();
  say_number(dropped);
  say(dropped == 1 ? " datagram was dropped: " : " datagrams were dropped: ");
  say("there was no room, or they were too long");
  say_end();
  dropped = 0;
  told_ms = now;
  return -1;
}
