// Bytes between the socket of a connection and its rings. No copy of our own: recv() into the ring, send() out of it.
// Each turn moves at most TURN_BYTES each way.
//
//   the program ends (FIN)      rw_end()                       END from the host     shutdown(SHUT_WR)
//   the program is slow         the ring fills up, want-data is withdrawn
//   the host is slow            the socket's buffer fills up
//   the host takes no more      what the program says is dropped (a Unix socket's write fails)
//   the program takes no more   rw_stop()
//
// A front may bound what goes to the host (BOUNDED), put something before it (AHEAD), or read along in what comes
// (FOLLOWED): struct framing. Of most connections none of the flags is set, and a byte passes nobody.

#define _GNU_SOURCE
#include "pump.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#include "front.h"
#include "local.h"

static uint32_t least(int32_t a, uint32_t b) { return (uint32_t)a < b ? (uint32_t)a : b; }

// The host takes no more: what the program still says is for nobody.
static enum turn stop_program(struct conn *conn) {
  conn->flags |= OUT_DONE;
  if (conn->flags & UNIX) shutdown(conn->fd, SHUT_RD); // its next write fails
  else conn->flags |= DROPPING; // a RST would take what it has not read yet, and a full buffer would stop its reading
  return MORE;
}

void pump_stop_host(struct conn *conn) {
  conn->flags |= STOPPED;
  if (conn->front->framing) conn->front->framing->unheard(conn);
  rw_stop(conn->stream);
}

// A call had the socket's error: the next recv() will say that it ended.
static enum turn gone(struct conn *conn) {
  conn->flags |= TAKEN;
  return GONE;
}

static enum turn end_host(struct conn *conn) {
  if (conn->flags & TAKEN) return gone(conn);
  rw_end(conn->stream);
  conn->flags |= OUT_DONE;
  return WAITS;
}

// A recv() that gives less than was asked for has taken all, and what comes later is an event. But one may have ended
// at an urgent mark, or at a descriptor of a Unix socket; and an end that has come, or an error, has no other event.
enum { BEHIND_A_SHORT_ONE = URGENT | UNIX | RDHUP | HUP | BROKEN };

static enum turn broke(int32_t *status, int32_t why) {
  *status = why;
  return BROKE;
}

// ── To the host ─────────────────────────────────────────────────────────────────────────────────────────────────────

// All is said that may go to this host. What comes now is for another one perhaps: not a byte of it goes to this one.
// Where the answer has ended the program knows already that it must say it elsewhere; else a RST tells it.
static enum turn after_whole(struct conn *conn) {
  const uint8_t *bytes;
  int32_t count = local_peek(conn, &bytes);
  if (count > 0 && (conn->flags & FOLLOWED)) return WAITS; // whose bytes they are the answer will tell
  if (count > 0 && !(conn->flags & IN_DONE)) return TOO_MUCH;
  if (count > 0) {
    local_consume(conn, (uint32_t)count);
    return MORE;
  }
  if (count == 0) return end_host(conn);
  if (count == -1) conn_clear(conn, READABLE);
  return count == -2 ? gone(conn) : WAITS;
}

static enum turn drop_what_comes(struct conn *conn) {
  int more = local_drain(conn);
  if (more < 0) conn_clear(conn, DROPPING);
  return more > 0 ? MORE : WAITS;
}

// Is the host there for more, and has it what goes first? RW_OK, RW_AGAIN, or how it ended.
static int32_t ready(struct conn *conn) {
  int32_t status = rw_send_check(conn->stream);
  return status == RW_OK && (conn->flags & AHEAD) ? conn->front->framing->ahead(conn) : status;
}

// How many bytes the socket may give the ring at *at: 0 with what the turn is then in *turn.
static uint32_t may_go(struct conn *conn, uint32_t budget, void **at, enum turn *turn, int32_t *status) {
  int32_t room = rw_send_span(conn->stream, at);
  *turn = WAITS;
  if (room == RW_AGAIN) return 0;
  if (room < 0) {
    *turn = room == RW_CLOSED || room == RW_RESET ? stop_program(conn) : broke(status, room);
    return 0;
  }
  uint32_t most = least(room, budget);
  if (!(conn->flags & BOUNDED)) return most;
  int32_t bounded = conn->front->framing->most(conn, most);
  if (bounded == 0) conn_clear(conn, READABLE);
  if (bounded < 0) *turn = broke(status, RW_RESET);
  return bounded < 0 ? 0 : (uint32_t)bounded;
}

enum turn pump_to_host(struct conn *conn, int32_t *status) {
  uint32_t budget = TURN_BYTES;
  if (conn->flags & DROPPING) return drop_what_comes(conn);
  if (conn->flags & OUT_DONE) return WAITS;
  *status = ready(conn);
  if (*status == RW_CLOSED || *status == RW_RESET) return stop_program(conn); // which, pump_to_program() tells
  if (*status == RW_AGAIN) return WAITS;
  if (*status < 0) return BROKE;
  while (conn->flags & READABLE) {
    void *at;
    enum turn turn;
    if ((conn->flags & BOUNDED) && conn->front->framing->is_whole(conn)) return after_whole(conn);
    uint32_t most = may_go(conn, budget, &at, &turn, status);
    if (most == 0) return turn;
    ssize_t got = recv(conn->fd, at, most, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN) return gone(conn);
    if (got == 0) return end_host(conn);
    if (got < 0) {
      conn_clear(conn, READABLE | URGENT);
      return WAITS;
    }
    if ((conn->flags & BOUNDED) && !conn->front->framing->took(conn, (uint32_t)got, most))
      return broke(status, RW_RESET);
    rw_send_commit(conn->stream, (uint32_t)got);
    budget -= (uint32_t)got;
    if ((uint32_t)got < most && !(conn->flags & BEHIND_A_SHORT_ONE)) conn_clear(conn, READABLE);
    if (budget == 0) return MORE;
  }
  return WAITS;
}

// ── To the program ──────────────────────────────────────────────────────────────────────────────────────────────────

static enum turn end_program(struct conn *conn) {
  local_end(conn);
  conn->flags |= IN_DONE;
  if (conn->flags & FOLLOWED) conn->front->framing->heard(conn, NULL, 0);
  return WAITS;
}

// EPIPE: recv() has its error still, or there was a FIN first.
static enum turn not_taken(struct conn *conn, int error) {
  if ((conn->flags & OUT_DONE) && !(conn->flags & UNIX)) return GONE;
  if (error != EPIPE) conn->flags |= TAKEN;
  conn->flags |= READABLE;
  pump_stop_host(conn);
  return MORE;
}

enum turn pump_to_program(struct conn *conn, int32_t *status) {
  uint32_t budget = TURN_BYTES;
  if (conn->flags & STOPPED) return WAITS;
  if (conn->flags & IN_DONE) { // END may become RESET (RING-6)
    *status = rw_recv_check(conn->stream);
    return *status == RW_OK ? WAITS : BROKE;
  }
  for (;;) {
    void *at;
    int32_t bytes = rw_recv_span(conn->stream, &at);
    if (bytes == RW_AGAIN) return WAITS;
    if (bytes == RW_END) return end_program(conn);
    if (bytes < 0) return broke(status, bytes);
    if (!(conn->flags & WRITABLE)) {
      rw_recv_pause(conn->stream);
      return WAITS;
    }
    if (budget == 0) return MORE;
    ssize_t put = send(conn->fd, at, least(bytes, budget), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) {
      conn_clear(conn, WRITABLE);
      continue;
    }
    if (put < 0) return not_taken(conn, errno);
    if (conn->flags & FOLLOWED) conn->front->framing->heard(conn, at, (uint32_t)put);
    rw_recv_commit(conn->stream, (uint32_t)put);
    budget -= (uint32_t)put;
  }
}
