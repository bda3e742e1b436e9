// Messages of 64 bytes: there and back on one stream, on many, on a new one for each.

#include "guest.h"

void rtt(struct stream *s) {
  uint32_t *times = allocate(load.iterations * sizeof *times);
  uint8_t message[MESSAGE_BYTES], echo[MESSAGE_BYTES];
  for (uint32_t i = 0; i < load.iterations; i++) {
    fill_message(message, 0, i);
    const uint64_t start = now_ns();
    put_message(s, message, sizeof message);
    take_exactly(s, echo, sizeof echo);
    times[i] = (uint32_t)(now_ns() - start);
    check_message(&load, echo, 0, i);
  }
  report_latency(times, load.iterations);
  free(times);
}

// One message in flight on each stream, until the time is up and all have come back.
void echo(struct stream *streams) {
  uint8_t message[MESSAGE_BYTES];
  for (uint32_t i = 0; i < load.streams; i++) {
    fill_message(message, i, streams[i].sequence);
    put_message(&streams[i], message, sizeof message);
  }
  uint64_t count = 0;
  const uint64_t start = now_ns(), end = start + load.milliseconds * 1000000u;
  for (uint32_t flying = load.streams; flying > 0;) {
    const uint32_t pending = wait_pending();
    const bool time_is_up = now_ns() >= end;
    for (uint32_t i = 0; i < pending; i++) {
      struct stream *s = by_id[ids[i]];
      if (s == NULL) continue;
      if (checked(rwi_readable(&s->in)) < MESSAGE_BYTES) {
        if (checked(rwi_peer_closed(&s->in)) != CLOSED_OPEN) FAIL("stream %u closed early", s->id);
        continue;
      }
      take_bytes(s, message, sizeof message);
      check_message(&load, message, (uint32_t)(s - streams), s->sequence++);
      count++;
      if (time_is_up) {
        flying--;
      } else {
        fill_message(message, (uint32_t)(s - streams), s->sequence);
        put_message(s, message, sizeof message);
      }
    }
  }
  report_count(count, seconds_since(start));
}

// True once the stream's one message has come back, and the server has ended where it is one that ends.
static bool is_answered(struct stream *s, uint32_t index) {
  uint8_t message[MESSAGE_BYTES];
  if (!take_opened(s)) return false;
  const uint32_t closed = checked(rwi_peer_closed(&s->in));
  const uint32_t readable = checked(rwi_readable(&s->in));
  if (closed == CLOSED_RESET) FAIL("stream %u was reset", s->id);
  if (readable < MESSAGE_BYTES || (!load.echo_protocol && closed != CLOSED_END)) return false;
  take_bytes(s, message, sizeof message);
  check_message(&load, message, index, s->sequence++);
  return true;
}

// Streams for one message each: open, 64 bytes there and back, close; --streams of them at a time.
void rate(struct stream *streams) {
  uint8_t message[MESSAGE_BYTES];
  uint64_t count = 0;
  const uint64_t start = now_ns(), end = start + load.milliseconds * 1000000u;
  for (uint32_t slot = 0; slot < load.streams; slot++) request_stream(slot);
  for (uint32_t flying = load.streams; flying > 0;) {
    const uint32_t pending = wait_pending();
    const bool time_is_up = now_ns() >= end;
    for (uint32_t i = 0; i < pending; i++) {
      struct stream *s = by_id[ids[i]];
      if (ids[i] == 0) {
        while ((s = next_stream(streams, load.streams)) != NULL) {
          fill_message(message, (uint32_t)(s - streams), s->sequence);
          send_open(s, message, sizeof message);
        }
      } else if (s != NULL && is_answered(s, (uint32_t)(s - streams))) {
        close_stream(s);
        count++;
        if (time_is_up) {
          flying--;
        } else {
          request_stream((uint32_t)(s - streams));
        }
      }
    }
  }
  report_count(count, seconds_since(start));
}
