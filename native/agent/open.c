// From a wish to an open stream: NewStream, Open, and what the host says to them.
//
// Rings: large ones are fast and few, small ones are many. A stream's are as large as it may have while the streams that are
// there take little of the region: 256 KiB up to a quarter of it, 64 KiB up to half, 16 KiB up to five eighths; what is left
// has room for thousands of 4 KiB. (In 64 MiB: about 30, 120, 230 and 2000.) Where the host has no room for them (ENOMEM) it is
// asked for a quarter.

#include <stdio.h>
#include <string.h>

#include "agent.h"

// Linux numbers, whatever this side's are (ERR-2).
enum { LINUX_ENOMEM = 12, LINUX_EMFILE = 24, LINUX_EINVAL = 22, LINUX_ENETDOWN = 100, LINUX_ECONNRESET = 104 };

static uint32_t used_pages; // of the region, by the streams of this agent, there and asked for
static uint32_t wanting;    // about how many wait for a slot, or for room in the control pipe: 0 only if none does

const struct front *front_of(const struct conn *conn) {
  static const struct front *const fronts[] = {
      [KIND_SOCKS] = &socks_front,     [KIND_HTTP] = &http_front,           [KIND_FORWARD] = &forward_front,
      [KIND_SERVICE] = &service_front, [KIND_PUBLISHED] = &published_front, [KIND_LISTENER] = &listener_front,
  };
  return fronts[conn->kind];
}

static uint32_t pages_of(uint32_t ring_bytes) { return 1 + 2 * ring_bytes / RW_PAGE_BYTES; }

static uint32_t ring_bytes_now(uint32_t most) {
  uint32_t region = link_region_pages(), bytes = RW_RING_BYTES_MIN;
  if (used_pages + pages_of(256 * 1024) <= region / 4) bytes = 256 * 1024;
  else if (used_pages + pages_of(64 * 1024) <= region / 2) bytes = 64 * 1024;
  else if (used_pages + pages_of(16 * 1024) <= region / 8 * 5) bytes = 16 * 1024;
  return bytes < most ? bytes : most;
}

static void take_pages(struct conn *conn, uint32_t pages) {
  used_pages -= conn->pages;
  conn->pages = pages;
  used_pages += pages;
}

// ── Ending ──────────────────────────────────────────────────────────────────────────────────────────────────────────

static void give_back(struct rw_stream **place, enum how how) {
  struct rw_stream *stream = *place;
  *place = NULL;
  if (!stream) return;
  stream->user = NULL;
  if (how == RESET) rw_reset(stream);
  else rw_close(stream);
  if (wanting > 0) open_retry(); // they may have waited for this slot
}

void listener_leave(struct conn *conn, enum how how) { give_back(&conn->listener, how); }

void stream_leave(struct conn *conn, enum how how) {
  if (conn->state == ASKED && conn->stream) room_answered(conn);
  take_pages(conn, 0);
  give_back(&conn->stream, how);
  listener_leave(conn, how);
}

void conn_drop(struct conn *conn, enum how how) {
  if (conn->state == FREE) return;
  if (conn->kind == KIND_PUBLISHED || conn->kind == KIND_LISTENER) publish_left(conn);
  stream_leave(conn, how);
  if (how == RESET) local_reset(conn);
  else local_close(conn);
  conn_free(conn);
}

static void no_host(struct conn *conn) { open_refuse(conn, LINUX_ENETDOWN, "no monitor is attached"); }

void open_in_vain(struct conn *conn) {
  static char reason[64];
  if (!link_is_up()) {
    no_host(conn);
    return;
  }
  shortage_refused();
  snprintf(reason, sizeof reason, "all %u connections of the agent are taken", options.streams);
  open_refuse(conn, LINUX_EMFILE, reason);
}

void open_refuse(struct conn *conn, uint32_t error, const char *reason) {
  struct rw_error refusal = {.error = error};
  refusal.reason = (struct rw_text){.bytes = (const uint8_t *)reason, .length = (uint32_t)strlen(reason)};
  stream_leave(conn, RESET);
  front_of(conn)->refused(conn, &refusal);
}

// ── Beginning ───────────────────────────────────────────────────────────────────────────────────────────────────────

void open_wish(struct conn *conn) {
  conn->state = WANTING;
  conn->ring_bytes = 0;
  conn_deadline(conn, 0);
  if (!link_is_up()) {
    if (options.hold_ms == 0) {
      no_host(conn);
      return;
    }
    conn_deadline(conn, options.hold_ms);
  }
  if (conn->list != PLACED) room_enter(conn, IN_LINE);
  conn_wake(conn);
}

// Those that want a stream, have one and want a listener, or have an Exit for the control pipe.
static int waits(const struct conn *conn) {
  if (conn->state == OPENING) return !conn->listener && rw_stream_state(conn->stream) == RW_STREAM_FRESH;
  return conn->state == WANTING || (conn->state == HANDSHAKE && (conn->flags & EXITING));
}

void open_retry(void) {
  struct conn *conn;
  wanting = 0;
  for (uint32_t i = 0; (conn = conn_at(i)) != NULL; i++)
    if (waits(conn)) conn_wake(conn);
}

// A status that is not this stream's alone ends the epoch, and this connection with it.
static void failed(struct conn *conn, int32_t status) {
  if (status == RW_LOST || status == RW_FAILED || status <= RW_BAD_SUPERBLOCK) link_violated(status);
  else open_refuse(conn, status == RW_INVALID || status == RW_TOO_LONG ? LINUX_EINVAL : LINUX_ECONNRESET, "");
}

static void want(struct conn *conn) {
  if (!link_is_up() || !room_take(conn)) return;
  conn_deadline(conn, 0);
  if (conn->ring_bytes == 0) conn->ring_bytes = ring_bytes_now(front_of(conn)->ring_bytes_max);
  int32_t slot = rw_stream_new(link_guest(), conn->ring_bytes, conn->ring_bytes);
  if (slot == RW_AGAIN || slot == RW_NO_SLOT) {
    wanting++;
    return;
  }
  if (slot < 0) {
    failed(conn, slot);
    return;
  }
  conn->stream = rw_stream_at(link_guest(), (uint32_t)slot);
  conn->stream->user = conn;
  conn->state = ASKED;
  room_asks(conn);
  take_pages(conn, pages_of(conn->ring_bytes));
}

static void given(struct conn *conn) {
  take_pages(conn, 1 + (rw_stream_to_host_bytes(conn->stream) + rw_stream_to_guest_bytes(conn->stream)) / RW_PAGE_BYTES);
  conn->state = OPENING;
  room_answered(conn);
}

static void asked(struct conn *conn) {
  uint32_t state = rw_stream_state(conn->stream);
  if (state == RW_STREAM_ASKED) return;
  if (state == RW_STREAM_FRESH) {
    given(conn);
    return;
  }
  uint32_t error = rw_stream_error(conn->stream);
  if (error == LINUX_ENOMEM && conn->ring_bytes > RW_RING_BYTES_MIN) {
    uint32_t less = conn->ring_bytes / 4;
    stream_leave(conn, CLOSE);
    open_wish(conn);
    conn->ring_bytes = less < RW_RING_BYTES_MIN ? RW_RING_BYTES_MIN : less;
  } else if ((error == LINUX_EMFILE || error == LINUX_ENOMEM) && room_host_full(conn)) {
    stream_leave(conn, CLOSE);
    conn->state = WANTING;
    conn->ring_bytes = 0;
  } else {
    open_refuse(conn, error, "the host has no stream for it");
  }
}

static void opening(struct conn *conn) {
  if (rw_stream_state(conn->stream) == RW_STREAM_FRESH) {
    int32_t status = front_of(conn)->open(conn);
    if (status == RW_AGAIN) wanting++; // a listener
    else if (status != RW_OK) failed(conn, status);
    // Published ones go on in POSTED, raw ones in CARRYING, one that listens with its listener.
    if (status != RW_OK || conn->state != OPENING || conn->listener) return;
  }
  struct rw_frame frame;
  int32_t status = rw_opened(conn->stream, &frame, NULL, 0);
  if (status == RW_AGAIN) return;
  if (status == RW_OK) {
    front_of(conn)->opened(conn, &frame);
  } else if (status == RW_REFUSED) {
    struct rw_error error = {.error = rw_stream_error(conn->stream)};
    if (frame.payload) rw_decode_error(frame.payload, frame.bytes, &error);
    stream_leave(conn, CLOSE);
    front_of(conn)->refused(conn, &error);
  } else {
    failed(conn, status);
  }
}

// The program waits for the answer to a question, and has ended: the question is all that it has said.
static int only_asks(struct conn *conn) {
  if (!(conn->flags & RDHUP) || conn->fd < 0 || !front_of(conn)->question_bytes) return 0;
  uint32_t bytes = front_of(conn)->question_bytes(conn);
  return bytes > 0 && local_unread(conn) == bytes;
}

// Nobody waits for the answer where it has closed its socket. Who said more, and closed, has said it to the server.
void open_look(struct conn *conn) {
  if (!only_asks(conn)) return;
  if (gone_is_closed(conn)) {
    conn_drop(conn, RESET);
    return;
  }
  if (conn->left < LOOK_MAX_MS) conn->left *= 2;
  conn_deadline(conn, conn->left);
}

void open_step(struct conn *conn) {
  // The program may give up while the host is still at it. One that only sends no more waits for its answer.
  if (conn->fd >= 0 && ((conn->flags & HUP) || ((conn->flags & BROKEN) && local_error(conn)))) {
    conn_drop(conn, RESET);
    return;
  }
  if (conn->state == WANTING) want(conn);
  if (conn->state == ASKED) asked(conn);
  if (conn->state == OPENING) {
    if (conn->listener) service_step(conn);
    else opening(conn);
  }
  if ((conn->state == ASKED || conn->state == OPENING) && conn->deadline_ms == 0 && only_asks(conn)) {
    conn->left = LOOK_MIN_MS;
    conn_deadline(conn, conn->left);
  }
}
