// Bytes both ways, and how they end. No copy of our own: recv() into the ring, send() out of it.
//
//   the program ends (FIN)      rw_end()                       END from the host     shutdown(SHUT_WR)
//   the program resets (RST)    rw_reset()                     RESET                 RST: see local_reset()
//   the program is slow         the ring fills up, want-data is withdrawn
//   the host is slow            the socket's buffer fills up
//
// Both have ended: the stream is closed, the descriptor as well. Each turn moves at most TURN_BYTES each way.

#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>

#include "agent.h"

enum { TURN_BYTES = 256 * 1024 };
enum turn { WAITS, MORE, BROKE };

static uint32_t least(int32_t a, uint32_t b) { return (uint32_t)a < b ? (uint32_t)a : b; }

static void clear(struct conn *conn, enum flag flag) { conn->flags &= (uint16_t)~flag; }

// The host takes no more: what the program still says is for nobody.
static void stop_program(struct conn *conn) {
  conn->flags |= OUT_DONE;
  if (local_is_unix(conn)) shutdown(conn->fd, SHUT_RD); // its next write fails
}

static enum turn to_host(struct conn *conn, int32_t *status) {
  uint32_t budget = TURN_BYTES;
  if (conn->flags & OUT_DONE) return WAITS;
  if (conn->flags & HEAD) {
    *status = http_send_head(conn);
    if (*status == RW_AGAIN || *status == 0) return WAITS;
    if (*status < 0) return BROKE;
  }
  while (conn->flags & READABLE) {
    void *at;
    int32_t room = rw_send_span(conn->stream, &at);
    if (room == RW_AGAIN) return WAITS;
    if (room == RW_CLOSED) {
      stop_program(conn);
      return WAITS;
    }
    if (room < 0) {
      *status = room;
      return BROKE;
    }
    uint32_t most = least(room, budget);
    ssize_t got = recv(conn->fd, at, most, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN) {
      *status = RW_RESET;
      return BROKE;
    }
    if (got == 0) {
      rw_end(conn->stream);
      conn->flags |= OUT_DONE;
      return WAITS;
    }
    // A short one has emptied the socket, and what comes after it is an event; but the end may have come already.
    if (got < 0 || ((uint32_t)got < most && !(conn->flags & RDHUP))) clear(conn, READABLE);
    if (got < 0) return WAITS;
    rw_send_commit(conn->stream, (uint32_t)got);
    budget -= (uint32_t)got;
    if (budget == 0) return MORE;
  }
  return WAITS;
}

static enum turn to_program(struct conn *conn, int32_t *status) {
  uint32_t budget = TURN_BYTES;
  if (conn->flags & IN_DONE) return WAITS;
  for (;;) {
    void *at;
    int32_t bytes = rw_recv_span(conn->stream, &at);
    if (bytes == RW_AGAIN) return WAITS;
    if (bytes == RW_END) {
      shutdown(conn->fd, SHUT_WR);
      conn->flags |= IN_DONE;
      return WAITS;
    }
    if (bytes < 0) {
      *status = bytes;
      return BROKE;
    }
    if (!(conn->flags & WRITABLE)) {
      rw_recv_pause(conn->stream);
      // A program that does not read hears of a reset no later than one that does.
      *status = rw_recv_check(conn->stream);
      return *status == RW_OK ? WAITS : BROKE;
    }
    if (budget == 0) return MORE;
    ssize_t put = send(conn->fd, at, least(bytes, budget), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) {
      clear(conn, WRITABLE);
      continue;
    }
    if (put < 0) {
      *status = errno == EPIPE && local_is_unix(conn) ? RW_CLOSED : RW_RESET;
      return BROKE;
    }
    rw_recv_commit(conn->stream, (uint32_t)put);
    budget -= (uint32_t)put;
  }
}

void carry_begin(struct conn *conn) {
  conn->state = CARRYING;
  conn_deadline(conn, 0);
  conn_wake(conn);
}

void carry_step(struct conn *conn) {
  int32_t status = RW_OK;
  if (conn->flags & BROKEN) {
    clear(conn, BROKEN);
    if (local_error(conn) != 0) {
      conn_drop(conn, RESET);
      return;
    }
  }
  enum turn out = to_host(conn, &status);
  enum turn in = out == BROKE ? BROKE : to_program(conn, &status);
  if (in == BROKE) {
    if (status == RW_LOST || status == RW_FAILED || status <= RW_BAD_SUPERBLOCK) link_violated(status);
    // A Unix socket whose program has closed it: what it had said counts, if all of it was read.
    else conn_drop(conn, status == RW_CLOSED && (conn->flags & OUT_DONE) ? CLOSE : RESET);
    return;
  }
  int done = conn->flags & OUT_DONE;
  if (done && ((conn->flags & IN_DONE) || (local_is_unix(conn) && (conn->flags & HUP)))) conn_drop(conn, CLOSE);
  else if (out == MORE || in == MORE) conn_wake(conn);
}
