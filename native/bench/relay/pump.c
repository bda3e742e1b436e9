// Bytes of a running stream: from the ring straight to send(), and from recv() straight into the ring. Each pump goes
// on until the ring is empty or full, the socket would block, or the budget is used.

#include "relay.h"

// Bytes of the guest's; below 0 where the stream broke. END is seen, THEN the ring is seen empty (RING-6).
static int32_t look_in(struct stream *s, int32_t *closed) {
  for (;;) {
    *closed = rwi_peer_closed(&s->in);
    const int32_t readable = rwi_readable(&s->in);
    if (*closed < 0 || *closed == CLOSED_RESET) return RW_RESET;
    if (readable != 0 || *closed == CLOSED_END || s->in.want_data) return readable;
    if (rwi_want_data(&s->in) == 0) return 0;  // RING-9
  }
}

// Free bytes of toGuest; asks for half the ring where there are none.
static int32_t look_out(struct stream *s) {
  for (;;) {
    const int32_t free = rwi_writable(&s->out);
    if (free < 0) return free;
    if (free > 0) {
      rwi_unwant_space(&s->out);
      return free;
    }
    const int32_t wanted = rwi_want_space(&s->out, s->out.capacity / 2);
    if (wanted != 1) return wanted;
    if (rwi_writable(&s->out) == 0) return 0;  // the guest reads no more
  }
}

enum result pump_out(struct stream *s) {
  for (uint32_t budget = STEP_BYTES; !s->in.closed && s->writable;) {
    if (budget == 0) return BUDGET_USED;
    int32_t closed;
    const int32_t readable = look_in(s, &closed);
    if (readable < 0) return BROKEN;
    if (readable == 0) {
      if (closed == CLOSED_END) {
        shutdown(s->socket, SHUT_WR);
        close_in(s);
      }
      return WAITING;
    }
    uint8_t *from;
    const uint32_t span = rwi_consumer_span(&s->in, (uint32_t)readable, &from);
    const uint32_t bytes = min_u32(span, min_u32(budget, SEND_BYTES));
    const ssize_t sent = send(s->socket, from, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) return BROKEN;
    if (sent < (ssize_t)bytes) s->writable = false;
    if (sent > 0) {
      budget -= (uint32_t)sent;
      if (rwi_consumed(&s->in, (uint32_t)sent)) bell_signal(&s->guest->to_guest, s->id);
    }
  }
  // Nothing can be taken now, so the guest need not signal what it puts.
  if (!s->in.closed) rwi_unwant_data(&s->in);
  return WAITING;
}

enum result pump_in(struct stream *s) {
  for (uint32_t budget = STEP_BYTES; !s->out.closed && s->readable;) {
    if (budget == 0) return BUDGET_USED;
    const int32_t free = look_out(s);
    if (free < 0) return BROKEN;
    if (free == 0) return WAITING;
    uint8_t *to;
    const uint32_t span = rwi_producer_span(&s->out, (uint32_t)free, &to);
    const uint32_t bytes = min_u32(span, min_u32(budget, RECEIVE_BYTES));
    const ssize_t got = recv(s->socket, to, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN) return BROKEN;
    if (got == 0) {
      close_out(s, CLOSED_END);
      return WAITING;
    }
    // Less than asked for: the socket is empty, unless the peer's FIN is behind it.
    if (got < (ssize_t)bytes && !s->hung_up) s->readable = false;
    if (got > 0) {
      budget -= (uint32_t)got;
      if (rwi_produced(&s->out, (uint32_t)got)) bell_signal(&s->guest->to_guest, s->id);
    }
  }
  return WAITING;
}

enum result pump_echo(struct stream *s) {
  for (uint32_t budget = STEP_BYTES; !s->in.closed && !s->out.closed;) {
    if (budget == 0) return BUDGET_USED;
    int32_t closed;
    const int32_t readable = look_in(s, &closed);
    if (readable < 0) return BROKEN;
    if (readable == 0) {
      if (closed == CLOSED_END) {
        close_out(s, CLOSED_END);
        close_in(s);
      }
      return WAITING;
    }
    const int32_t free = look_out(s);
    if (free < 0) return BROKEN;
    if (free == 0) return WAITING;
    uint8_t *from;
    const uint32_t span = rwi_consumer_span(&s->in, min_u32((uint32_t)readable, (uint32_t)free), &from);
    const uint32_t bytes = min_u32(span, budget);
    rwi_put(&s->out, 0, from, bytes);
    const int32_t data = rwi_produced(&s->out, bytes), space = rwi_consumed(&s->in, bytes);
    if (data || space) bell_signal(&s->guest->to_guest, s->id);
    budget -= bytes;
  }
  return WAITING;
}
