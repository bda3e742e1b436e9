// Bytes both ways, and how they end. No copy of our own: recv() into the ring, send() out of it.
//
//   the program ends (FIN)      rw_end()                       END from the host     shutdown(SHUT_WR)
//   and has closed, see gone.c  rw_close()
//   the program resets (RST)    rw_reset(), see BREAKING       RESET                 RST, see LEAVING
//   the program is slow         the ring fills up, want-data is withdrawn
//   the host is slow            the socket's buffer fills up
//   the host takes no more      what the program says is dropped (a Unix socket's write fails)
//   the program takes no more   rw_stop()
//   an HTTP request is whole    nothing more is passed on: see after_body(); or, after an upgrade, anything
//
// Both have ended: the stream is closed, the descriptor as well. Each turn moves at most TURN_BYTES each way.
//
// Who breaks a connection takes back nothing of what it has said: its peer reads that, and then finds that it broke (TCP-4). So RESET
// follows the bytes: it is sent when the host has taken what was in the socket and the ring, and RST when the program's kernel has
// acknowledged what was sent. A host that takes nothing for STANDSTILL_MS gets RESET all the same, as a peer that does not read gets a RST.

#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>

#include "agent.h"

enum { TURN_BYTES = 256 * 1024, STANDSTILL_MS = 1000 };
enum turn {
  WAITS,
  MORE,
  TOO_MUCH, // after the whole of an HTTP request
  GONE,     // the program broke it
  BROKE,    // the host did, or both ways must end: *status
};

static uint32_t least(int32_t a, uint32_t b) { return (uint32_t)a < b ? (uint32_t)a : b; }

static void clear(struct conn *conn, enum flag flag) { conn->flags &= (uint16_t)~flag; }

// The host takes no more: what the program still says is for nobody.
static void stop_program(struct conn *conn) {
  conn->flags |= OUT_DONE;
  if (local_is_unix(conn)) shutdown(conn->fd, SHUT_RD); // its next write fails
  else conn->flags |= DROPPING; // a RST would take from it what it has not read yet, and a full buffer would stop its reading
}

// The program takes no more: the host drops what comes for it.
static void stop_host(struct conn *conn) {
  conn->flags |= STOPPED;
  upgrade_give_up(&conn->upgrade);
  rw_stop(conn->stream);
}

// A call had the socket's error: the next recv() will say that it ended.
static enum turn gone(struct conn *conn) {
  conn->flags |= TAKEN;
  return GONE;
}

// The request is whole. What comes now is another one, for another server perhaps: not a byte of it goes to this one. Where the
// answer has ended the program knows already that it must say it elsewhere; else a RST tells it.
static enum turn after_body(struct conn *conn) {
  const uint8_t *bytes;
  int32_t count = local_peek(conn, &bytes);
  if (count > 0 && upgrade_is_awaited(&conn->upgrade)) return WAITS; // whose bytes they are the answer will tell
  if (count > 0 && !(conn->flags & IN_DONE)) return TOO_MUCH;
  if (count > 0) {
    local_consume(conn, (uint32_t)count);
    return MORE;
  }
  if (count == 0 && (conn->flags & TAKEN)) return gone(conn);
  if (count == 0) {
    rw_end(conn->stream);
    conn->flags |= OUT_DONE;
  }
  if (count == -1) clear(conn, READABLE);
  return count == -2 ? gone(conn) : WAITS;
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
  if (conn->flags & DROPPING) {
    int more = local_drain(conn);
    if (more < 0) clear(conn, DROPPING);
    return more > 0 ? MORE : WAITS;
  }
  if (conn->flags & OUT_DONE) return WAITS;
  *status = rw_send_check(conn->stream);
  if (*status == RW_OK && (conn->flags & HEAD)) *status = http_send_head(conn);
  if (*status == RW_CLOSED || *status == RW_RESET) { // which of them, to_program() tells after the bytes
    stop_program(conn);
    return MORE;
  }
  if (*status == RW_AGAIN || (*status == 0 && (conn->flags & HEAD))) return WAITS;
  if (*status < 0) return BROKE;
  while (conn->flags & READABLE) {
    void *at;
    struct body ahead;
    if ((conn->flags & FRAMED) && body_is_over(&conn->body)) {
      if (!upgrade_is_done(&conn->upgrade)) return after_body(conn);
      clear(conn, FRAMED);
    }
    int32_t room = rw_send_span(conn->stream, &at);
    if (room == RW_AGAIN) return WAITS;
    if (room == RW_CLOSED || room == RW_RESET) {
      stop_program(conn);
      return MORE;
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
    if (got < 0 && errno != EAGAIN) return gone(conn);
    if (got > 0 && (conn->flags & FRAMED) && !body_count(conn, &ahead, (uint32_t)got, most)) {
      *status = RW_RESET;
      return BROKE;
    }
    if (got == 0 && (conn->flags & TAKEN)) return gone(conn);
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

// Reads along while an answer is awaited; no more bytes are its end. With it to_host() may go on.
static void read_answer(struct conn *conn, const void *at, uint32_t bytes) {
  if (!upgrade_is_awaited(&conn->upgrade)) return;
  if (bytes == 0) upgrade_give_up(&conn->upgrade);
  if (bytes == 0 || upgrade_read(&conn->upgrade, at, bytes)) conn_wake(conn);
}

static enum turn to_program(struct conn *conn, int32_t *status) {
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
    if (bytes == RW_END) {
      local_end(conn);
      conn->flags |= IN_DONE;
      read_answer(conn, NULL, 0);
      return WAITS;
    }
    if (bytes < 0) {
      *status = bytes;
      return BROKE;
    }
    if (!(conn->flags & WRITABLE)) {
      rw_recv_pause(conn->stream);
      return WAITS;
    }
    if (budget == 0) return MORE;
    ssize_t put = send(conn->fd, at, least(bytes, budget), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) {
      clear(conn, WRITABLE);
      continue;
    }
    if (put < 0) { // EPIPE: recv() has its error still, or there was a FIN first
      if ((conn->flags & OUT_DONE) && !local_is_unix(conn)) return GONE;
      if (errno != EPIPE) conn->flags |= TAKEN;
      conn->flags |= READABLE;
      stop_host(conn);
      return MORE;
    }
    read_answer(conn, at, (uint32_t)put);
    rw_recv_commit(conn->stream, (uint32_t)put);
    budget -= (uint32_t)put;
  }
}

void carry_begin(struct conn *conn) {
  conn->state = CARRYING;
  conn_deadline(conn, 0);
  conn_wake(conn);
}

// A status that is not this stream's alone ends the epoch.
static void broke(struct conn *conn, int32_t status) {
  if (status == RW_LOST || status == RW_FAILED || status <= RW_BAD_SUPERBLOCK) {
    link_violated(status);
  } else if (status == RW_RESET && !local_is_unix(conn)) {
    stream_leave(conn, RESET);
    local_leave(conn);
  } else {
    conn_drop(conn, RESET);
  }
}

// The program's end has gone to the host, whose own has not come; or it stands behind bytes that wait for an answer.
static int half_closed(const struct conn *conn) {
  int waits = upgrade_is_awaited(&conn->upgrade) && (conn->flags & FRAMED) && body_is_over(&conn->body);
  if (local_is_unix(conn) || !((conn->flags & OUT_DONE) || waits)) return 0;
  return (conn->flags & (RDHUP | IN_DONE | STOPPED)) == RDHUP;
}

void carry_step(struct conn *conn) {
  int32_t status = RW_OK;
  if (conn->flags & BROKEN) {
    carry_break(conn);
    return;
  }
  enum turn out = to_host(conn, &status);
  enum turn in = out == BROKE || out == GONE ? out : to_program(conn, &status);
  if (in == GONE) {
    carry_break(conn);
    return;
  }
  if (in == BROKE) {
    broke(conn, status);
    return;
  }
  if (out == TOO_MUCH && in == WAITS && !(conn->flags & IN_DONE)) {
    stream_leave(conn, CLOSE); // the server gets its request whole
    conn_drop(conn, RESET);
    return;
  }
  int over = conn->flags & (IN_DONE | STOPPED) || (local_is_unix(conn) && (conn->flags & HUP));
  // The peer has ended, and broken it since: so does the program find it.
  if ((conn->flags & DROPPING) && (conn->flags & IN_DONE)) broke(conn, RW_RESET);
  else if ((conn->flags & OUT_DONE) && over) conn_drop(conn, CLOSE);
  else if (out == MORE || out == TOO_MUCH || in == MORE) conn_wake(conn);
  else if (half_closed(conn) && conn->deadline_ms == 0) {
    conn->left = LOOK_MIN_MS;
    conn_deadline(conn, conn->left);
  }
}

// The answer is for nobody where the program has closed its socket: to the host, too, it is close() then (TCP-5).
void carry_look(struct conn *conn) {
  if (!half_closed(conn)) return;
  if (gone_is_closed(conn)) {
    conn_drop(conn, CLOSE);
    return;
  }
  if (conn->left < LOOK_MAX_MS) conn->left *= 2;
  conn_deadline(conn, conn->left);
}

// ── The program is gone ─────────────────────────────────────────────────────────────────────────────────────────────

void carry_break(struct conn *conn) {
  if ((conn->flags & OUT_DONE) && (conn->flags & DROPPING)) { // nor does the host want to know more
    conn_drop(conn, RESET);
    return;
  }
  if (!(conn->flags & OUT_DONE)) stop_host(conn); // else it would be the second closed word, and no RESET could follow (STR-7)
  conn->state = BREAKING;
  conn->left = UINT32_MAX;
  conn->flags |= READABLE;
  carry_expired(conn); // its first look
  if (conn->state == BREAKING) carry_breaking(conn);
}

void carry_breaking(struct conn *conn) {
  int32_t status = RW_OK;
  enum turn out = conn->fd >= 0 && !(conn->flags & OUT_DONE) ? to_host(conn, &status) : GONE;
  if (out == BROKE) {
    broke(conn, status);
  } else if (out == MORE) {
    conn_wake(conn);
  } else if (out == WAITS && (conn->flags & OUT_DONE)) { // it had ended in order
    conn_drop(conn, CLOSE);
  } else if (out != WAITS || !(conn->flags & READABLE)) { // else the ring is full
    local_close(conn);
    status = rw_unsent(conn->stream);
    if (status < 0) broke(conn, status);
    else if (status == 0) conn_drop(conn, RESET);
  }
}

void carry_expired(struct conn *conn) {
  int32_t unsent = rw_unsent(conn->stream);
  uint32_t left = unsent < 0 ? 0 : (uint32_t)unsent + local_unread(conn);
  if (unsent < 0) {
    broke(conn, unsent);
  } else if (left == conn->left) {
    conn_drop(conn, RESET);
  } else {
    conn->left = left;
    conn_deadline(conn, STANDSTILL_MS);
  }
}
