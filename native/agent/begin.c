// From a wish to an open stream: what the program says first, NewStream, Open, and what the host says to them.
//
//   HANDSHAKE ── the front has heard enough ──▶ WANTING ── a place (room.c), NewStream ──▶ ASKED
//   ASKED ── StreamInfo ──▶ OPENING ── Open, Opened ──▶ what the front makes of it
//   ASKED ── no room for such rings ──▶ WANTING, with smaller ones; no room at all ──▶ WANTING, in line
//
// Each step falls through to the next where it can, in one turn. A refusal, at any of them, is the front's to tell.

#include "begin.h"

#include <stdio.h>
#include <string.h>

#include "end.h"
#include "errors.h"
#include "front.h"
#include "gone.h"
#include "host.h"
#include "local.h"
#include "options.h"
#include "room.h"
#include "shortage.h"
#include "silence.h"

// ── HANDSHAKE ───────────────────────────────────────────────────────────────────────────────────────────────────────

static void shake(struct conn *conn) {
  if ((conn->flags & BROKEN) && local_error(conn)) {
    conn_drop(conn, RESET);
    return;
  }
  enum shake shook = conn->front->shake ? conn->front->shake(conn) : SHAKE_DONE;
  // And no more will come. Where a Unix socket has no RST an end would be an answer.
  if (shook == SHAKE_MORE && (conn->flags & RDHUP)) conn_drop(conn, conn->flags & UNIX ? RESET : CLOSE);
  if (shook == SHAKE_DONE) begin_wish(conn);
}

// ── Refusals ────────────────────────────────────────────────────────────────────────────────────────────────────────

void begin_refuse(struct conn *conn, uint32_t error, const char *reason) {
  struct rw_error refusal = {.error = error};
  refusal.reason = (struct rw_text){.bytes = (const uint8_t *)reason, .length = (uint32_t)strlen(reason)};
  stream_leave(conn, RESET);
  conn->front->refused(conn, &refusal);
}

static void no_host(struct conn *conn) { begin_refuse(conn, LINUX_ENETDOWN, "no monitor is attached"); }

void begin_in_vain(struct conn *conn) {
  static char reason[64];
  if (!host_is_up()) {
    no_host(conn);
    return;
  }
  shortage_refused();
  snprintf(reason, sizeof reason, "all %u connections of the agent are taken", options.streams);
  begin_refuse(conn, LINUX_EMFILE, reason);
}

static void failed(struct conn *conn, int32_t status) {
  if (host_lost(status)) return;
  begin_refuse(conn, status == RW_INVALID || status == RW_TOO_LONG ? LINUX_EINVAL : LINUX_ECONNRESET, "");
}

// ── WANTING ─────────────────────────────────────────────────────────────────────────────────────────────────────────

void begin_wish(struct conn *conn) {
  conn->state = WANTING;
  conn->ring_bytes = 0;
  conn_deadline(conn, 0);
  if (!host_is_up()) {
    if (options.hold_ms == 0) {
      no_host(conn);
      return;
    }
    conn_deadline(conn, options.hold_ms);
  }
  if (conn->list != PLACED) room_enter(conn, IN_LINE);
  conn_wake(conn);
}

static void want(struct conn *conn) {
  int has_waited = conn->deadline_ms != 0;
  if (!host_is_up() || !room_take(conn)) return;
  if (has_waited && conn->fd < 0 && conn->front->far_end && gone_look(conn)) { // its program did not
    conn_drop(conn, RESET);
    return;
  }
  conn_deadline(conn, 0);
  if (conn->ring_bytes == 0) conn->ring_bytes = stream_ring_bytes(conn->front->ring_bytes_max);
  int32_t status = stream_ask(conn, &conn->stream, conn->ring_bytes);
  if (status == RW_AGAIN) {
    stream_waits();
  } else if (status != RW_OK) {
    failed(conn, status);
  } else {
    conn->state = ASKED;
    room_asks(conn);
    stream_asked(conn);
  }
}

// ── ASKED ───────────────────────────────────────────────────────────────────────────────────────────────────────────

static void came(struct conn *conn) {
  stream_came(conn);
  conn->state = OPENING;
  room_answered(conn);
}

static void refused(struct conn *conn) {
  uint32_t error = rw_stream_error(conn->stream);
  if (error == LINUX_ENOMEM && conn->ring_bytes > RW_RING_BYTES_MIN) {
    uint32_t less = conn->ring_bytes / 4;
    stream_leave(conn, CLOSE);
    begin_wish(conn);
    conn->ring_bytes = less < RW_RING_BYTES_MIN ? RW_RING_BYTES_MIN : less;
  } else if ((error == LINUX_EMFILE || error == LINUX_ENOMEM) && room_host_full(conn)) {
    stream_leave(conn, CLOSE);
    conn->state = WANTING;
    conn->ring_bytes = 0;
  } else {
    begin_refuse(conn, error, "the host has no stream for it");
  }
}

static void asked(struct conn *conn) {
  uint32_t state = rw_stream_state(conn->stream);
  if (state == RW_STREAM_ASKED) return;
  if (state == RW_STREAM_FRESH) came(conn);
  else refused(conn);
  silence_heard();
}

// ── OPENING ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// 1 where Open was sent, and the answer is this file's to take. A front may have gone on by itself, or not yet be
// ready.
static int is_opened(struct conn *conn) {
  if (rw_stream_state(conn->stream) != RW_STREAM_FRESH) return 1;
  int32_t status = conn->front->open(conn);
  if (status == RW_AGAIN) stream_waits();
  else if (status != RW_OK) failed(conn, status);
  return status == RW_OK && conn->state == OPENING && rw_stream_state(conn->stream) != RW_STREAM_FRESH;
}

static void opening(struct conn *conn) {
  struct rw_frame frame;
  if (!is_opened(conn)) return;
  int32_t status = rw_opened(conn->stream, &frame, NULL, 0);
  if (status == RW_AGAIN) return;
  if (status == RW_OK) {
    conn->front->opened(conn, &frame);
  } else if (status == RW_REFUSED) {
    struct rw_error error = {.error = rw_stream_error(conn->stream)};
    if (frame.payload) rw_decode_error(frame.payload, frame.bytes, &error);
    stream_leave(conn, CLOSE);
    conn->front->refused(conn, &error);
  } else {
    failed(conn, status);
  }
}

// ── A turn ──────────────────────────────────────────────────────────────────────────────────────────────────────────

// The program waits for the answer to a question, and has ended: the question is all that it has said.
static int only_asks(struct conn *conn) {
  if (conn->fd < 0) return conn->front->far_end != NULL;
  if (!(conn->flags & RDHUP) || !conn->front->question_bytes) return 0;
  uint32_t bytes = conn->front->question_bytes(conn);
  return bytes > 0 && local_unread(conn) == bytes;
}

// Nobody waits for the answer where it has closed its socket. Who said more, and closed, has said it to the server.
void begin_look(struct conn *conn) {
  if (only_asks(conn) && gone_look(conn)) conn_drop(conn, RESET);
}

void begin_step(struct conn *conn) {
  if (conn->state == HANDSHAKE) {
    shake(conn);
    return;
  }
  // The program may give up while the host is still at it. One that only sends no more waits for its answer.
  if (conn->fd >= 0 && ((conn->flags & HUP) || ((conn->flags & BROKEN) && local_error(conn)))) {
    conn_drop(conn, RESET);
    return;
  }
  if (conn->state == WANTING) want(conn);
  if (conn->state == ASKED) asked(conn);
  if (conn->state == OPENING) opening(conn);
  if ((conn->state == ASKED || conn->state == OPENING) && conn->deadline_ms == 0 && only_asks(conn)) gone_watch(conn);
}
