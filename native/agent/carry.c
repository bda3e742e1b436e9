// Bytes both ways, and how they end. No copy of our own: recv() into the ring, send() out of it.
//
//   the program ends (FIN)      rw_end()                       END from the host     shutdown(SHUT_WR)
//   the program resets (RST)    rw_reset()                     RESET                 RST: see local_reset()
//   the program is slow         the ring fills up, want-data is withdrawn
//   the host is slow            the socket's buffer fills up
//   an HTTP request is whole    nothing more is passed on: see after_body()
//
// Both have ended: the stream is closed, the descriptor as well. Each turn moves at most TURN_BYTES each way.

#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>

#include "agent.h"

enum { TURN_BYTES = 256 * 1024 };
enum turn { WAITS, MORE, BROKE, TOO_MUCH };

static uint32_t least(int32_t a, uint32_t b) { return (uint32_t)a < b ? (uint32_t)a : b; }

static void clear(struct conn *conn, enum flag flag) { conn->flags &= (uint16_t)~flag; }

// The host takes no more: what the program still says is for nobody.
static void stop_program(struct conn *conn) {
  conn->flags |= OUT_DONE;
  if (local_is_unix(conn)) shutdown(conn->fd, SHUT_RD); // its next write fails
}

// The request is whole. What comes now is another one, for another server perhaps: not a byte of it goes to this one. Where the
// answer has ended the program knows already that it must say it elsewhere; else a RST tells it.
static enum turn after_body(struct conn *conn, int32_t *status) {
  const uint8_t *bytes;
  int32_t count = local_peek(conn, &bytes);
  if (count > 0 && !(conn->flags & IN_DONE)) return TOO_MUCH;
  if (count > 0) {
    local_consume(conn, (uint32_t)count);
    return MORE;
  }
  if (count == 0) {
    rw_end(conn->stream);
    conn->flags |= OUT_DONE;
  }
  if (count == -1) clear(conn, READABLE);
  *status = RW_RESET;
  return count == -2 ? BROKE : WAITS;
}

// How many bytes the socket may give now, at most `most`: all of them data, or looked at, and *ahead is the body after them.
// 0: there are none; below 0: it broke, or they are no chunks.
static int32_t body_most(struct conn *conn, uint32_t most, struct body *ahead) {
  const uint8_t *bytes;
  uint64_t data = body_data(&conn->body);
  *ahead = conn->body;
  if (data > 0) return (int32_t)(data < most ? data : most);
  int32_t count = local_peek(conn, &bytes);
  if (count == -1) return 0;
  if (count <= 0) return count == 0 ? (int32_t)most : -1; // recv() says that it is the end
  return body_take(ahead, bytes, least(count, most));
}

static int body_count(struct conn *conn, const struct body *ahead, uint32_t got, uint32_t most) {
  if (body_data(&conn->body) > 0) body_took(&conn->body, got);
  else if (got == most) conn->body = *ahead;
  else return 0;
  return 1;
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
    struct body ahead;
    if ((conn->flags & FRAMED) && body_is_over(&conn->body)) return after_body(conn, status);
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
    if (conn->flags & FRAMED) {
      int32_t body = body_most(conn, most, &ahead);
      if (body == 0) clear(conn, READABLE);
      if (body == 0) return WAITS;
      *status = RW_RESET;
      if (body < 0) return BROKE;
      most = (uint32_t)body;
    }
    ssize_t got = recv(conn->fd, at, most, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if ((got < 0 && errno != EAGAIN) ||
        (got > 0 && (conn->flags & FRAMED) && !body_count(conn, &ahead, (uint32_t)got, most))) {
      *status = RW_RESET;
      return BROKE;
    }
    if (got == 0) {
      rw_end(conn->stream);
      conn->flags |= OUT_DONE;
      return WAITS;
    }
    // A short one may have ended at an urgent mark, or at a descriptor of a Unix socket: there is more behind it without an event.
    if (got < 0) {
      clear(conn, READABLE);
      return WAITS;
    }
    rw_send_commit(conn->stream, (uint32_t)got);
    budget -= (uint32_t)got;
    if (budget == 0) return MORE;
  }
  return WAITS;
}

static enum turn to_program(struct conn *conn, int32_t *status) {
  uint32_t budget = TURN_BYTES;
  if (conn->flags & IN_DONE) { // END may become RESET (RING-6)
    *status = rw_recv_check(conn->stream);
    return *status == RW_OK ? WAITS : BROKE;
  }
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
  if (out == TOO_MUCH && in == WAITS && !(conn->flags & IN_DONE)) {
    stream_leave(conn, CLOSE); // the server gets its request whole
    conn_drop(conn, RESET);
    return;
  }
  int done = conn->flags & OUT_DONE;
  if (done && ((conn->flags & IN_DONE) || (local_is_unix(conn) && (conn->flags & HUP)))) conn_drop(conn, CLOSE);
  else if (out == MORE || out == TOO_MUCH || in == MORE) conn_wake(conn);
}
