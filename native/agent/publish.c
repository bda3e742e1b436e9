// --publish: ports on the host that lead to ports of the guest.
//
//   listener:      IDLE ──▶ ASKING ──▶ ON ──▶ IDLE         the link went
//                    ▲         │ EADDRINUSE, no room, denied    every other refusal: OFF until the link is up anew
//                    └─────────┘ later
//   connections:   WANTING ──▶ ASKED ──▶ OPENING ── Accept ──▶ OWN, posted ── Incoming ──▶ OWN, connecting ──▶ CARRYING
//
// Accepts are posted ahead, each with its stream, so that a connection finds one waiting. Their rings take room of the
// region, used or not: they are no larger than PUBLISHED_RING_BYTES_MAX.

#include "publish.h"

#include <errno.h>

#include "agent.h"
#include "begin.h"
#include "carry.h"
#include "end.h"
#include "errors.h"
#include "front.h"
#include "host.h"
#include "local.h"
#include "ports.h"
#include "room.h"
#include "watch.h"

struct published { // a connection's own; a listener has none
  uint16_t port;   // in the guest
  uint8_t came;    // it is a client's: no more posted
  uint8_t tried;   // of families
};
_Static_assert(sizeof(struct published) <= OWN_BYTES, "a connection has room for it");
static struct published *own(struct conn *conn) { return (struct published *)(void *)conn->own; }

static struct publish *publish_of(const struct conn *conn) { return port_at(conn->route); }

static int is_posted(struct conn *conn) {
  return conn->front == &published_front && conn->state == OWN && !own(conn)->came;
}

// All that are posted take their share of the connections at most.
static uint32_t most_posted(void) {
  uint32_t share = options.streams / SHARE / ports_in_use();
  return share == 0 ? 1 : share < POSTED_MAX ? share : POSTED_MAX;
}

static void say_route(const struct conn *conn) {
  say_begin();
  say("publish ");
  say_inet(&publish_of(conn)->there);
  say(" to ");
  say_number(publish_of(conn)->port);
}

// ── The listener ────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t listener_open(struct conn *conn) {
  return rw_listen(conn->stream, &publish_of(conn)->there, BACKLOG);
}

static void listener_opened(struct conn *conn, const struct rw_frame *frame) {
  struct publish *publish = publish_of(conn);
  struct rw_inet bound = publish_of(conn)->there;
  if (frame->payload) rw_decode_bound(frame->payload, frame->bytes, &bound);
  conn->state = OWN; // it listens
  publish->state = ON;
  publish->target = most_posted();
  publish->retry_ms = RETRY_MS_MIN;
  publish->told = 0;
  say_begin();
  say("publish: the host's ");
  say_inet(&bound);
  say(" to ");
  say_number(publish->port);
  say_end();
  conn_wake(conn); // what it says is not waited for yet
}

static void retry(struct publish *publish, uint32_t most_ms) {
  publish->state = IDLE;
  publish->next_ms = rw_posix_now_ms() + publish->retry_ms;
  publish->retry_ms = publish->retry_ms * 2 > most_ms ? most_ms : publish->retry_ms * 2;
}

static void listener_refused(struct conn *conn, const struct rw_error *error) {
  struct publish *publish = publish_of(conn);
  // What programs listen on comes and goes by itself, and may be much: one that is denied is not asked for again.
  int denied = error->error == LINUX_EACCES && !port_is_added(conn->route);
  int again =
      denied || error->error == LINUX_EADDRINUSE || error->error == LINUX_ENOMEM || error->error == LINUX_EMFILE;
  if (!again || !publish->told) {
    say_route(conn);
    say(": ");
    say_error(error);
    if (again) say(": trying again");
    say_end();
  }
  publish->told = again;
  publish->state = OFF;
  if (again) retry(publish, denied ? DENIED_MS_MAX : RETRY_MS_MAX);
  conn_drop(conn, CLOSE);
}

// The host has no stream to spare: those that are posted must do for a while.
static void fewer(struct publish *publish) {
  publish->target = publish->posted;
  if (publish->state == ON) publish->next_ms = rw_posix_now_ms() + (publish->target > 0 ? RETRY_MS_MAX : PROBE_MS);
}

// An Accept that the host did not take: one fewer is posted from now on.
static void not_posted(struct conn *listener, uint32_t request) {
  struct conn *conn;
  for (uint32_t i = 0; (conn = conn_at(i)) != NULL; i++) {
    if (!is_posted(conn) || conn->route != listener->route) continue;
    if (rw_stream_request(conn->stream) != request) continue;
    struct publish *publish = publish_of(conn);
    rw_accept_failed(conn->stream);
    conn_drop(conn, CLOSE);
    fewer(publish);
    return;
  }
}

static void listener_step(struct conn *conn) {
  struct rw_frame frame;
  int32_t status = RW_OK;
  for (int frames = 0; frames < FRAMES_AT_ONCE; frames++) {
    status = rw_frame_next(conn->stream, &frame, NULL, 0);
    if (status != RW_OK) break;
    // Without a request it is an accept(2) that failed, and that the host tries again (LSN-5).
    if (frame.type == RW_T_ERROR && frame.request != 0) not_posted(conn, frame.request);
  }
  if (status == RW_OK) conn_wake(conn);
  if (status == RW_OK || status == RW_AGAIN) return;
  if (status != RW_END && status != RW_RESET) {
    host_over(status);
    return;
  }
  say_route(conn);
  say(": the host closed the listener");
  say_end();
  retry(publish_of(conn), RETRY_MS_MAX);
  conn_drop(conn, CLOSE);
}

static void listener_ended(struct conn *conn) {
  struct publish *publish = publish_of(conn);
  if (publish->listener == conn) publish->listener = NULL;
}

// ── Its connections ─────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t published_open(struct conn *conn) {
  const struct conn *listener = publish_of(conn)->listener;
  struct publish *publish = publish_of(conn);
  if (!listener || listener->state != OWN) return RW_RESET;
  int32_t status = rw_accept(listener->stream, conn->stream);
  if (status == RW_OK) conn->state = OWN; // posted
  if (status != RW_AGAIN) return status;
  conn_drop(conn, CLOSE); // the host is behind with those that it has
  fewer(publish);
  return RW_OK;
}

static void published_refused(struct conn *conn, const struct rw_error *error) {
  struct publish *publish = publish_of(conn);
  (void)error;
  conn_drop(conn, RESET);
  fewer(publish);
}

// Its stream is not needed any more, whether it is on its way or there.
static void published_ended(struct conn *conn) {
  struct publish *publish = publish_of(conn);
  if (!own(conn)->came && publish->posted > 0) publish->posted--;
}

// Many a server listens on one of the loopback addresses alone, and which of them is chance (what `localhost` is to
// it). A port on which nobody listens is a reset to whoever called the host.
static void connect_next(struct conn *conn) {
  static const uint8_t families[] = {4, 6};
  while (own(conn)->tried < sizeof families)
    if (local_connect(conn, families[own(conn)->tried++], own(conn)->port) == 0) return;
  conn_drop(conn, RESET);
}

static void incoming(struct conn *conn) {
  int32_t status = rw_opened(conn->stream, NULL, NULL, 0);
  if (status == RW_AGAIN) return;
  if (host_lost(status)) return;
  if (status != RW_OK) { // the listener went (LSN-6)
    conn_drop(conn, CLOSE);
    return;
  }
  struct publish *publish = publish_of(conn);
  if (publish->posted > 0) publish->posted--;
  own(conn)->came = 1;
  conn_deadline(conn, CONNECT_MS);
  connect_next(conn);
}

static void connected(struct conn *conn) {
  if (!(conn->flags & (WRITABLE | BROKEN | HUP))) return;
  int error = local_error(conn);
  // It was up, and is broken since: what it has said counts, as in break.c.
  if (error == ECONNRESET) conn->flags |= TAKEN;
  else if (error != 0) {
    connect_next(conn);
    return;
  }
  if (error == 0) conn_clear(conn, BROKEN);
  carry_begin(conn);
}

static void published_step(struct conn *conn) {
  if (own(conn)->came) connected(conn);
  else incoming(conn);
}

// ── Keeping them posted ─────────────────────────────────────────────────────────────────────────────────────────────

// One at first where there was none: a host that still has no stream to spare says so once.
static void raise_target(struct publish *publish, int64_t now) {
  int probe = publish->target == 0;
  publish->target = probe ? 1 : most_posted();
  publish->next_ms = now + (probe ? RETRY_MS_MAX : 0);
}

static void post(struct publish *publish, uint32_t i) {
  while (publish->posted < publish->target && room_may_post(publish->posted)) {
    struct conn *conn = table_free() > 0 || conn_yields() ? conn_new(&published_front, -1) : NULL;
    if (!conn) return; // with the next one that ends
    conn->route = i;
    own(conn)->port = publish->port;
    room_enter(conn, PLACED);
    publish->posted++;
    begin_wish(conn);
  }
}

// Programs of the guest have less than their share, which is learned late where it is the host that gives few.
static void post_fewer(uint32_t surplus) {
  struct conn *conn;
  for (uint32_t i = 0; surplus > 0 && (conn = conn_at(i)) != NULL; i++) {
    if (!is_posted(conn) || publish_of(conn)->posted < 2) continue;
    conn_drop(conn, CLOSE);
    surplus--;
  }
}

// What is due at one port; when to call again, or -1.
static int64_t tick(struct publish *publish, uint32_t i, int64_t now) {
  if (publish->state == IDLE && now < publish->next_ms) return publish->next_ms;
  if (publish->state == IDLE) {
    struct conn *conn = conn_new(&listener_front, -1);
    if (!conn) return -1; // with the next one that ends
    conn->route = i;
    publish->listener = conn;
    publish->state = ASKING;
    begin_wish(conn);
  } else if (publish->state == ON) {
    if (publish->target < most_posted() && now >= publish->next_ms) raise_target(publish, now);
    int64_t due = publish->target < most_posted() ? publish->next_ms : -1;
    post(publish, i);
    return due;
  }
  return -1;
}

static int64_t publish_tick(int64_t now) {
  int64_t next = -1;
  room_posting();
  if (!host_is_up() || ports_in_use() == 0) return -1;
  if (room_surplus() > 0) post_fewer(room_surplus());
  struct publish *publish;
  for (uint32_t i = 0; (publish = port_at(i)) != NULL; i++) {
    int64_t due = tick(publish, i, now);
    if (due >= 0 && (next < 0 || due < next)) next = due;
  }
  return next;
}

// Its server listens no more. A connection that has come goes on.
void publish_end(uint32_t route) {
  struct conn *conn;
  for (uint32_t i = 0; (conn = conn_at(i)) != NULL; i++) {
    if (conn->state == FREE || conn->route != route) continue;
    if (conn->front == &listener_front || (conn->front == &published_front && !own(conn)->came)) conn_drop(conn, CLOSE);
  }
  port_remove(port_at(route));
}

const struct front listener_front = {
    .name = "listener",
    .side = BESIDE,
    .ring_bytes_max = RW_RING_BYTES_MIN,
    .listen = ports_init,
    .up = ports_up,
    .tick = publish_tick,
    .open = listener_open,
    .opened = listener_opened,
    .refused = listener_refused,
    .step = listener_step,
    .ended = listener_ended,
};

const struct front published_front = {
    .name = "publish",
    .side = IN,
    .ring_bytes_max = PUBLISHED_RING_BYTES_MAX,
    .open = published_open,
    .refused = published_refused,
    .step = published_step,
    .ended = published_ended,
};
