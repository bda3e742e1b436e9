// Datagrams by a stream of udp-connect (section 16): single ones, as a program has them; those that come may be trains.

#include "guest.h"

#include "../udpload.h"

enum { HEAD_BYTES = FRAME_HEADER + 4 };

static struct stream *s;
static struct frame received;

// As many as there are at a time, published as one.
static void send_datagrams(const uint8_t *data, uint32_t bytes, uint32_t count) {
  const uint32_t whole = HEAD_BYTES + bytes, all = count * whole;
  if (all > s->out.capacity) FAIL("a ring of %u bytes is too small", s->out.capacity);
  while (checked(rwi_writable(&s->out)) < all) {
    const uint32_t good_part = s->out.capacity / 2;
    if (checked(rwi_want_space(&s->out, all > good_part ? all : good_part)) == 0) wait_pending();
    rwi_unwant_space(&s->out);
    if (checked(rwi_abandoned(&s->out)) != 0) FAIL("the relay closed the socket");
  }
  const uint32_t head[4] = {4 + bytes, RW_T_UDP_SEND, 0, 0};
  for (uint32_t i = 0; i < count; i++) {
    rwi_put(&s->out, i * whole, head, HEAD_BYTES);
    rwi_put(&s->out, i * whole + HEAD_BYTES, data + i * bytes, bytes);
  }
  if (rwi_produced(&s->out, all)) bell_signal(&to_host, s->id);
}

static uint32_t receive_datagrams(const uint8_t **data, uint32_t *segment) {
  uint64_t end = 0;
  for (;;) {
    if (checked(frame_peek(&s->in, &received)) == 0) {
      if (checked(rwi_peer_closed(&s->in)) != CLOSED_OPEN) FAIL("the relay closed the socket");
      // By the clock: a ring may be late, of a bell that was looked at already.
      const uint64_t now = now_ns();
      if (end == 0) end = now + PATIENCE_MS * 1000000u;
      if (now < end) wait_pending_for((int)((end - now) / 1000000u) + 1);
      else if (checked(rwi_readable(&s->in)) == 0) return 0;
      continue;
    }
    if (rwi_consumed(&s->in, FRAME_HEADER + received.bytes)) bell_signal(&to_host, s->id);
    if (received.type == RW_T_UDP_LOST) continue;  // the server's count says as much
    if (received.type != RW_T_UDP_RECEIVED || received.bytes < 4) FAIL("a frame of type %x", received.type);
    const uint32_t bytes = received.bytes - 4, size = rwi_u32(received.payload);
    *data = received.payload + 4;
    *segment = size == 0 ? bytes : size;
    return bytes;
  }
}

static void end_datagrams(void) {}

void udp(struct stream *stream) {
  s = stream;
  udp_load(&load);
}
