// --publish: ports on the host that lead to ports of the guest.
//
//   listener:      IDLE ──▶ ASKING ──▶ ON ──▶ IDLE         the link went
//                    ▲         │ EADDRINUSE, no room        every other refusal: OFF until the link is up anew
//                    └─────────┘ later
//   connections:   WANTING ──▶ ASKED ──▶ POSTED ── Incoming ──▶ CONNECTING ──▶ CARRYING
//
// Accepts are posted ahead, each with its stream, so that a connection finds one waiting. Their rings take room of the region,
// used or not: they are no larger than 64 KiB.

#include <errno.h>
#include <string.h>

#include "agent.h"

enum {
  POSTED_MAX = 32,
  BACKLOG = 4096,
  RETRY_MIN_MS = 100,
  RETRY_MAX_MS = 5000,
  FAMILIES = 2,
  PROBE_MS = 250, // none is posted: soon
  CONNECT_MS = 30000,
  FRAMES_AT_ONCE = 64, // then others get their turn
  LINUX_EADDRINUSE = 98,
  LINUX_ENOMEM = 12,
  LINUX_EMFILE = 24,
};

static struct publish {
  enum { IDLE, ASKING, ON, OFF } state;
  struct conn *listener;
  uint32_t posted, target; // streams given or to be given to the listener
  uint32_t retry_ms;
  int64_t next_ms; // IDLE: when to ask; ON: when to raise the target again, from 0 by one
  int told;        // of an address in use: once
} publishes[ROUTES_MAX];

static struct publish *publish_of(const struct conn *conn) { return &publishes[conn->route]; }

// All that are posted take a quarter of the connections at most.
static uint32_t most_posted(void) {
  uint32_t share = options.streams / 4 / options.publishes;
  return share == 0 ? 1 : share < POSTED_MAX ? share : POSTED_MAX;
}

static void say_route(const struct conn *conn) {
  const struct route *route = &options.publish[conn->route];
  say_begin();
  say("publish ");
  say_inet(&route->there);
  say(" to ");
  say_number(route->port);
}

void publish_up(void) {
  for (uint32_t i = 0; i < options.publishes; i++)
    publishes[i] = (struct publish){.state = IDLE, .retry_ms = RETRY_MIN_MS, .told = publishes[i].told};
}

// Its stream is not needed any more, whether it is on its way or there.
void publish_left(struct conn *conn) {
  struct publish *publish = publish_of(conn);
  if (conn->kind == KIND_LISTENER) {
    if (publish->listener == conn) publish->listener = NULL;
  } else if (conn->state < CONNECTING && publish->posted > 0) {
    publish->posted--;
  }
}

// ── The listener ────────────────────────────────────────────────────────────────────────────────────────────────────

static enum shake no_shake(struct conn *conn) {
  (void)conn;
  return SHAKE_DONE;
}

static int32_t listener_open(struct conn *conn) {
  return rw_listen(conn->stream, &options.publish[conn->route].there, BACKLOG);
}

static void listener_opened(struct conn *conn, const struct rw_frame *frame) {
  struct publish *publish = publish_of(conn);
  struct rw_inet bound = options.publish[conn->route].there;
  if (frame->payload) rw_decode_bound(frame->payload, frame->bytes, &bound);
  conn->state = LISTENING;
  publish->state = ON;
  publish->target = most_posted();
  publish->retry_ms = RETRY_MIN_MS;
  publish->told = 0;
  say_begin();
  say("publish: the host's ");
  say_inet(&bound);
  say(" to ");
  say_number(options.publish[conn->route].port);
  say_end();
  conn_wake(conn); // what it says is not waited for yet
}

static void retry(struct publish *publish) {
  publish->state = IDLE;
  publish->next_ms = now_ms() + publish->retry_ms;
  publish->retry_ms = publish->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : publish->retry_ms * 2;
}

static void listener_refused(struct conn *conn, const struct rw_error *error) {
  struct publish *publish = publish_of(conn);
  int again = error->error == LINUX_EADDRINUSE || error->error == LINUX_ENOMEM || error->error == LINUX_EMFILE;
  if (!again || !publish->told) {
    say_route(conn);
    say(": ");
    say_error(error);
    if (again) say(": trying again");
    say_end();
  }
  publish->told = again;
  publish->state = OFF;
  if (again) retry(publish);
  conn_drop(conn, CLOSE);
}

const struct front listener_front = {no_shake, listener_open, listener_opened, listener_refused, RW_RING_BYTES_MIN, NULL};

// The host has no stream to spare: those that are posted must do for a while.
static void fewer(struct publish *publish) {
  publish->target = publish->posted;
  if (publish->state == ON) publish->next_ms = now_ms() + (publish->target > 0 ? RETRY_MAX_MS : PROBE_MS);
}

// An Accept that the host did not take: one fewer is posted from now on.
static void not_posted(struct conn *listener, uint32_t request) {
  struct conn *conn;
  for (uint32_t i = 0; (conn = conn_at(i)) != NULL; i++) {
    if (conn->state != POSTED || conn->kind != KIND_PUBLISHED || conn->route != listener->route) continue;
    if (rw_stream_request(conn->stream) != request) continue;
    struct publish *publish = publish_of(conn);
    rw_accept_failed(conn->stream);
    conn_drop(conn, CLOSE);
    fewer(publish);
    return;
  }
}

void publish_listening(struct conn *conn) {
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
    link_violated(status);
    return;
  }
  say_route(conn);
  say(": the host closed the listener");
  say_end();
  retry(publish_of(conn));
  conn_drop(conn, CLOSE);
}

// ── Its connections ─────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t published_open(struct conn *conn) {
  const struct conn *listener = publish_of(conn)->listener;
  struct publish *publish = publish_of(conn);
  if (!listener || listener->state != LISTENING) return RW_RESET;
  int32_t status = rw_accept(listener->stream, conn->stream);
  if (status == RW_OK) conn->state = POSTED;
  if (status != RW_AGAIN) return status;
  conn_drop(conn, CLOSE); // the host is behind with those that it has
  fewer(publish);
  return RW_OK;
}

static void published_opened(struct conn *conn, const struct rw_frame *frame) {
  (void)frame; // Incoming comes in POSTED
  conn_drop(conn, RESET);
}

static void published_refused(struct conn *conn, const struct rw_error *error) {
  struct publish *publish = publish_of(conn);
  (void)error;
  conn_drop(conn, RESET);
  fewer(publish);
}

const struct front published_front = {no_shake, published_open, published_opened, published_refused, 64 * 1024, NULL};

// Many a server listens on one of the loopback addresses alone, and which of them is chance (what `localhost` is to it). A port on
// which nobody listens is a reset to who called the host.
static void connect_next(struct conn *conn) {
  static const uint8_t families[FAMILIES] = {4, 6};
  while (conn->step < FAMILIES)
    if (local_connect(conn, families[conn->step++], options.publish[conn->route].port) == 0) return;
  conn_drop(conn, RESET);
}

void publish_incoming(struct conn *conn) {
  int32_t status = rw_opened(conn->stream, NULL, NULL, 0);
  if (status == RW_AGAIN) return;
  if (status == RW_LOST || status == RW_FAILED || status <= RW_BAD_SUPERBLOCK) {
    link_violated(status);
    return;
  }
  if (status != RW_OK) { // the listener went (LSN-6)
    conn_drop(conn, CLOSE);
    return;
  }
  struct publish *publish = publish_of(conn);
  if (publish->posted > 0) publish->posted--;
  conn->state = CONNECTING;
  conn_deadline(conn, CONNECT_MS);
  connect_next(conn);
}

void publish_connected(struct conn *conn) {
  if (!(conn->flags & (WRITABLE | BROKEN | HUP))) return;
  int error = local_error(conn);
  // It was up, and is broken since: what it has said counts, as in carry_break().
  if (error == ECONNRESET) conn->flags |= TAKEN;
  else if (error != 0) {
    connect_next(conn);
    return;
  }
  if (error == 0) conn->flags &= (uint16_t)~BROKEN;
  carry_begin(conn);
}

// ── Keeping them posted ─────────────────────────────────────────────────────────────────────────────────────────────

// One at first where there was none: a host that still has no stream to spare says so once.
static void raise_target(struct publish *publish, int64_t now) {
  int probe = publish->target == 0;
  publish->target = probe ? 1 : most_posted();
  publish->next_ms = now + (probe ? RETRY_MAX_MS : 0);
}

static void post(uint32_t i) {
  struct publish *publish = &publishes[i];
  while (publish->posted < publish->target && room_may_post(publish->posted)) {
    struct conn *conn = table_free() > 0 || room_make_slot() ? conn_new(KIND_PUBLISHED, -1) : NULL;
    if (!conn) return; // with the next one that ends
    conn->route = i;
    room_enter(conn, PLACED);
    publish->posted++;
    open_wish(conn);
  }
}

// Programs of the guest have less than their share, which is learned late where it is the host that gives few.
static void post_fewer(uint32_t surplus) {
  struct conn *conn;
  for (uint32_t i = 0; surplus > 0 && (conn = conn_at(i)) != NULL; i++) {
    if (conn->state != POSTED || conn->kind != KIND_PUBLISHED || publish_of(conn)->posted < 2) continue;
    conn_drop(conn, CLOSE);
    surplus--;
  }
}

int64_t publish_tick(int64_t now) {
  int64_t next = -1;
  room_posting();
  if (!link_is_up() || options.publishes == 0) return -1;
  if (room_surplus() > 0) post_fewer(room_surplus());
  for (uint32_t i = 0; i < options.publishes; i++) {
    struct publish *publish = &publishes[i];
    int64_t due = -1;
    if (publish->state == IDLE && now >= publish->next_ms) {
      struct conn *conn = conn_new(KIND_LISTENER, -1);
      if (conn) {
        conn->route = i;
        publish->listener = conn;
        publish->state = ASKING;
        open_wish(conn);
      }
    } else if (publish->state == IDLE) {
      due = publish->next_ms;
    } else if (publish->state == ON) {
      if (publish->target < most_posted() && now >= publish->next_ms) raise_target(publish, now);
      if (publish->target < most_posted()) due = publish->next_ms;
      post(i);
    }
    if (due >= 0 && (next < 0 || due < next)) next = due;
  }
  return next;
}
