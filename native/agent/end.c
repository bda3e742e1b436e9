// Every way to the end of a connection.
//
//   conn_drop()    at once: both ends, in order or as a reset, and the slot
//   end_with()     last words to the program, then PARTING until it hangs up
//   conn_broke()   the stream is gone: LEAVING until the program's kernel has what was sent, then a RST
//
// A program that broke its connection itself goes through BREAKING first: break.c.

#include "end.h"

#include "front.h"
#include "host.h"
#include "local.h"
#include "room.h"

void conn_drop(struct conn *conn, enum how how) {
  if (conn->state == FREE) return;
  if (conn->front->ended) conn->front->ended(conn);
  stream_leave(conn, how);
  if (how == RESET) local_reset(conn);
  else local_close(conn);
  room_enter(conn, NOWHERE);
  conn_free(conn);
}

int conn_yields(void) {
  struct conn *conn = room_yields();
  if (!conn) return 0;
  conn_drop(conn, conn->state == PARTING ? CLOSE : RESET);
  return table_free() > 0;
}

// ── PARTING ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// close() with bytes unread would send a RST, which takes the last words from the program that has not read them yet.
void end_with(struct conn *conn, const void *bytes, uint32_t count) {
  if (!local_answer(conn, bytes, count)) {
    conn_drop(conn, RESET);
    return;
  }
  local_end(conn);
  conn->state = PARTING;
  room_enter(conn, LATE);
  conn->flags |= READABLE;
  conn_deadline(conn, PARTING_MS);
  conn_wake(conn);
}

void end_parting(struct conn *conn) {
  int more = local_drain(conn);
  if (more > 0) conn_wake(conn);
  if (more < 0) conn_drop(conn, CLOSE);
}

// ── LEAVING ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// A RST drops what this side's kernel still has to send, and leaves what the program's kernel has. No event tells when
// all of it has been acknowledged: it is asked for, at first at once.
static void leave(struct conn *conn) {
  conn->state = LEAVING;
  room_enter(conn, LATE);
  conn_deadline(conn, 0);
  conn->look_ms = LEAVING_MS_MIN;
  conn->flags |= READABLE;
  end_leaving(conn);
}

void end_leaving(struct conn *conn) {
  int more = conn->flags & RDHUP ? 0 : local_drain(conn); // it may write while it reads
  if (more > 0) conn_wake(conn);
  if (more < 0) conn->flags |= RDHUP;
  if ((conn->flags & BROKEN) || local_untaken(conn) == 0) {
    conn_drop(conn, RESET);
    return;
  }
  if (conn->deadline_ms != 0) return; // an event, before it is time
  conn_deadline(conn, conn->look_ms);
  if (conn->look_ms < LEAVING_MS_MAX) conn->look_ms *= 2;
}

// A status that is not this stream's alone ends the epoch, and this connection with it. A Unix socket has no RST.
void conn_broke(struct conn *conn, int32_t status) {
  if (host_lost(status)) return;
  if (status == RW_RESET && !(conn->flags & UNIX)) {
    stream_leave(conn, RESET);
    leave(conn);
  } else {
    conn_drop(conn, RESET);
  }
}
