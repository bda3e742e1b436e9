// Frames and streams, from open to the second closed word.

#include "host.h"
#include "unit.h"

// ── Frames ───────────────────────────────────────────────────────────────────────────────────────────────────────────

void frames_arrive_whole_however_they_are_cut(void) {
  struct host *h = attached();
  struct rw_stream *stream = running_stream(h, 2);
  struct rw_producer *out = &h->streams[2].to_guest;
  uint32_t seed = 17;
  for (int round = 0; round < 300; round++) {
    uint8_t frame[12 + 900];
    uint32_t bytes = draw(&seed) % 901;
    rwi_put_u32(frame, bytes);
    rwi_put_u32(frame + 4, RW_T_DATA);
    rwi_put_u32(frame + 8, (uint32_t)round + 1);
    for (uint32_t i = 0; i < bytes; i++) frame[12 + i] = (uint8_t)draw(&seed);
    struct rw_frame got;
    for (uint32_t at = 0; at < 12 + bytes;) {
      IS(rw_frame_next(stream, &got, 0, 0), RW_AGAIN);
      uint32_t piece = rwi_min(1 + draw(&seed) % 300, 12 + bytes - at);
      rwi_put(out, 0, frame + at, piece);
      IS(rwi_produced(out, piece), 1); // the guest waits for it
      at += piece;
    }
    IS(rw_frame_next(stream, &got, 0, 0), RW_OK);
    IS(got.request, round + 1);
    IS(got.bytes, bytes);
    CHECK(memcmp(got.payload, frame + 12, bytes) == 0);
  }
  free_host(h);
}

void a_bad_frame_is_found_at_its_header(void) {
  static const struct {
    uint32_t bytes, type, request;
    int32_t status;
  } cases[] = {
      {4085, RW_T_DATA, 1, RW_BAD_LENGTH},       // never fits the ring
      {65601, RW_T_DATA, 1, RW_BAD_LENGTH},      {0xffffffffu, RW_T_DATA, 1, RW_BAD_LENGTH},
      {0xfffffff4u, RW_T_DATA, 1, RW_BAD_LENGTH}, {4, RW_T_READ, 1, RW_BAD_TYPE},
      {0, 0x8fff, 1, RW_BAD_TYPE},               {4084, RW_T_DATA, 1, RW_AGAIN},
      {0, 0x8fff, 0, RW_AGAIN},                  {0, RW_T_DONE, 1, RW_OK},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct host *h = attached();
    struct rw_stream *stream = running_stream(h, 2);
    uint8_t header[12];
    struct rw_frame got;
    rwi_put_u32(header, cases[i].bytes);
    rwi_put_u32(header + 4, cases[i].type);
    rwi_put_u32(header + 8, cases[i].request);
    rwi_put(&h->streams[2].to_guest, 0, header, 12);
    rwi_produced(&h->streams[2].to_guest, 12);
    IS(rw_frame_next(stream, &got, 0, 0), cases[i].status);
    free_host(h);
  }
}

void a_frame_cut_off_by_the_end_is_a_violation(void) {
  struct host *h = attached();
  struct rw_stream *stream = running_stream(h, 2);
  struct rw_frame got;
  rwi_put(&h->streams[2].to_guest, 0, "abc", 3);
  rwi_produced(&h->streams[2].to_guest, 3);
  IS(rw_frame_next(stream, &got, 0, 0), RW_AGAIN);
  rwi_producer_close(&h->streams[2].to_guest, CLOSED_END);
  IS(rw_frame_next(stream, &got, 0, 0), RW_BAD_LENGTH);
  free_host(h);
}

void a_frame_beyond_the_buffer_waits(void) {
  struct host *h = attached();
  struct rw_stream *stream = running_stream(h, 2);
  struct rw_frame got;
  uint8_t small[8], data[100] = {1, 2, 3};
  put_frame(h, 2, &h->streams[2].to_guest, RW_T_DATA, 1, data, 100);
  IS(rw_frame_next(stream, &got, small, sizeof small), RW_TOO_LONG);
  IS(got.bytes, 100);
  IS(rw_frame_next(stream, &got, 0, 0), RW_OK);
  CHECK(memcmp(got.payload, data, 100) == 0);
  IS(rw_request(stream, RW_T_DATA, 0, 0), RW_INVALID); // the host's direction
  uint8_t large[4085];
  IS(rw_request(stream, RW_T_WRITE, large, 4085), RW_TOO_LONG);
  free_host(h);
}

struct flood {
  struct host *h;
  struct rw_producer *out;
  uint32_t rings;
};

// A host that, each time it is given room, puts another message that nobody asked for and nobody knows.
static void keep_flooding(void *context) {
  struct flood *flood = context;
  uint32_t *bell = (uint32_t *)(void *)page(flood->h, BELL_PAGE);
  CHECK(++flood->rings < 1000);
  memset(bell, 0, 2 * RW_PAGE_BYTES);
  rwi_store(bell, BELL_ASLEEP, 1);
  put_frame(flood->h, 2, flood->out, 0x8fff, 0, "flood", 5);
}

void a_flood_of_unknown_messages_does_not_hold_the_guest(void) {
  struct host *h = attached();
  struct rw_stream *stream = running_stream(h, 2);
  struct flood flood = {.h = h, .out = &h->streams[2].to_guest};
  struct rw_frame got;
  uint32_t slots[4];
  rwi_want_space(flood.out, 1);
  rw_guest_bell(&h->guest, keep_flooding, &flood);
  keep_flooding(&flood);
  IS(rw_frame_next(stream, &got, 0, 0), RW_AGAIN);
  rw_take_pending(&h->guest, slots, 4);
  IS(rw_frame_next(stream, &got, 0, 0), RW_AGAIN);
  memset(page(h, BELL_PAGE) + BELL_TO_GUEST, 0, 2 * RW_PAGE_BYTES);
  IS(rw_prepare_sleep(&h->guest), 0); // it comes out without a bell
  IS(rw_take_pending(&h->guest, slots, 4), 1);
  IS(slots[0], rw_stream_slot(stream));
  free_host(h);
}

void a_small_scratch_is_enough_to_be_refused(void) {
  struct host *h = new_host();
  uint8_t scratch[128], payload[12 + 600] = {111};
  IS(rw_guest_init(&h->guest, h->region, REGION_PAGES, h->slots, SLOTS, scratch, sizeof scratch), RW_OK);
  rw_guest_attach(&h->guest);
  answer_attach(h);
  IS(rw_poll(&h->guest), RW_OK);
  struct rw_stream *stream = fresh_stream(h, 1);
  struct rw_frame frame;
  char path[200];
  uint32_t request;
  memset(path, 'p', sizeof path);
  IS(rw_file(stream, RW_FILE_READ, 0, path, sizeof path), RW_TOO_LONG);
  IS(rw_file(stream, RW_FILE_READ, 0, path, 20), RW_OK);
  IS(take_frame(&h->streams[1].to_host, &request, 0, 0), RW_T_OPEN);
  rwi_put_u32(payload + 4, 600);
  put_frame(h, 1, &h->streams[1].to_guest, RW_T_REFUSED, request, payload, sizeof payload);
  IS(rw_opened(stream, &frame, 0, 0), RW_REFUSED);
  IS(rw_stream_error(stream), 111);
  CHECK(frame.payload == 0);
  free_host(h);
}

// ── Streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────

void bytes_go_both_ways_and_end(void) {
  struct host *h = attached();
  struct rw_stream *stream = running_stream(h, 1);
  uint8_t bytes[RING + 1];
  memset(bytes, 7, sizeof bytes);
  IS(rw_send_commit(stream, RING + 1), RW_INVALID);
  IS(rw_send_commit(stream, 0xffffffffu), RW_INVALID);
  IS(rw_send(stream, bytes, sizeof bytes), RING);
  IS(rw_send_commit(stream, 1), RW_INVALID);
  IS(rw_send(stream, bytes, 1), RW_AGAIN);
  IS(rwi_load(h->streams[1].to_host.other, PART_WANT), RING / 4);
  rwi_readable(&h->streams[1].to_host);
  IS(rwi_consumed(&h->streams[1].to_host, RING / 4 - 1), 0);
  IS(rwi_consumed(&h->streams[1].to_host, 1), 1);
  IS(rw_send(stream, bytes, 100), 100);
  IS(rwi_load(h->streams[1].to_host.other, PART_WANT), 0);
  IS(rw_end(stream), RW_OK);
  IS(rw_send(stream, bytes, 1), RW_CLOSED);
  IS(rwi_peer_closed(&h->streams[1].to_host), CLOSED_END);

  IS(rw_recv(stream, bytes, 1), RW_AGAIN);
  rwi_put(&h->streams[1].to_guest, 0, "tail", 4);
  rwi_produced(&h->streams[1].to_guest, 4);
  rwi_producer_close(&h->streams[1].to_guest, CLOSED_END);
  void *span;
  IS(rw_recv_span(stream, &span), 4);
  IS(rw_recv_commit(stream, 5), RW_INVALID);
  IS(rw_recv_commit(stream, 0xffffffffu), RW_INVALID);
  IS(rw_recv_commit(stream, 4), 4);
  IS(rw_recv(stream, bytes, 1), RW_END);
  IS(rw_close(stream), RW_OK);
  free_host(h);
}

void a_reset_is_told_after_the_bytes_before_it(void) {
  struct host *h = attached();
  struct rw_stream *stream = running_stream(h, 1);
  uint8_t bytes[8];
  rwi_put(&h->streams[1].to_guest, 0, "last", 4);
  rwi_produced(&h->streams[1].to_guest, 4);
  rwi_producer_close(&h->streams[1].to_guest, CLOSED_RESET);
  rwi_consumer_close(&h->streams[1].to_host);
  IS(rw_send(stream, "x", 1), RW_RESET);
  IS(rw_recv(stream, bytes, 8), 4);
  IS(rw_recv(stream, bytes, 8), RW_RESET);
  IS(rw_reset(stream), RW_OK);
  IS(rwi_peer_closed(&h->streams[1].to_host), CLOSED_RESET);
  IS(rwi_abandoned(&h->streams[1].to_guest), 1);
  free_host(h);
}

void a_reset_is_seen_before_the_bytes_are_taken(void) {
  struct host *h = attached();
  struct rw_stream *stream = running_stream(h, 2);
  struct rw_producer *out = &h->streams[2].to_guest;
  char bytes[8];
  rwi_put(out, 0, "unread", 6);
  rwi_produced(out, 6);
  IS(rw_recv_check(stream), RW_OK);
  rwi_producer_close(out, CLOSED_END);
  IS(rw_recv_check(stream), RW_OK);
  rwi_producer_close(out, CLOSED_RESET);
  IS(rw_recv_check(stream), RW_RESET);
  IS(rw_recv(stream, bytes, sizeof bytes), 6); // whoever wants them still has them
  rwi_store(out->own, PART_CLOSED, 3);
  IS(rw_recv_check(stream), RW_BAD_FLAG);
  free_host(h);
}

void what_the_host_has_not_taken_is_counted(void) {
  struct host *h = attached();
  struct rw_stream *stream = running_stream(h, 2);
  struct rw_consumer *in = &h->streams[2].to_host;
  IS(rw_send_check(stream), RW_OK);
  IS(rw_unsent(stream), 0);
  IS(rw_send(stream, "three", 5), 5);
  IS(rw_unsent(stream), 5);
  IS(rwi_readable(in), 5);
  IS(rwi_consumed(in, 2), 0); // not yet: it waits for the last byte
  IS(rw_unsent(stream), 3);
  IS(rwi_consumed(in, 3), 1);
  IS(rw_unsent(stream), 0);
  IS(rw_send(stream, "for nobody", 10), 10);
  rwi_consumer_close(in);
  IS(rw_unsent(stream), 0);
  IS(rw_send_check(stream), RW_CLOSED);
  IS(rw_recv_check(stream), RW_OK);
  rwi_producer_close(&h->streams[2].to_guest, CLOSED_RESET);
  IS(rw_send_check(stream), RW_RESET);
  free_host(h);
}

void a_raw_stream_carries_its_own_open(void) {
  struct host *h = attached();
  struct rw_stream *stream = fresh_stream(h, 2);
  uint8_t open[16];
  char answer[16];
  uint32_t request;
  IS(rw_send(stream, "x", 1), RW_STATE);
  IS(rw_stream_raw(stream), RW_OK);
  IS(rw_stream_raw(stream), RW_STATE);
  IS(rw_echo(stream), RW_STATE);
  rwi_put_u32(open, 4);
  rwi_put_u32(open + 4, RW_T_OPEN);
  rwi_put_u32(open + 8, 77);
  rwi_put_u32(open + 12, RW_ECHO);
  IS(rw_send(stream, open, 10), 10);
  IS(rw_send(stream, open + 10, 6), 6);
  IS(take_frame(&h->streams[2].to_host, &request, 0, 0), RW_T_OPEN);
  IS(request, 77);
  IS(rw_recv(stream, answer, sizeof answer), RW_AGAIN);
  put_frame(h, 2, &h->streams[2].to_guest, RW_T_OPENED, 77, 0, 0);
  IS(take_one(h), (int32_t)rw_stream_slot(stream));
  IS(rw_recv(stream, answer, sizeof answer), RW_FRAME_HEADER_BYTES); // as it came
  IS(rw_end(stream), RW_OK);
  free_host(h);
}

void a_refusal_carries_its_reason(void) {
  struct host *h = attached();
  struct rw_stream *stream = fresh_stream(h, 1);
  struct rw_frame frame;
  struct rw_error error;
  uint8_t payload[12 + 3 + 7];
  uint32_t request;
  IS(rw_send(stream, "x", 1), RW_STATE);
  IS(rw_connect(stream, "example.test", 12, 80, 0), RW_OK);
  IS(rw_connect(stream, "example.test", 12, 80, 0), RW_STATE);
  IS(rw_send(stream, "ahead", 5), 5); // STR-3
  IS(take_frame(&h->streams[1].to_host, &request, 0, 0), RW_T_OPEN);
  rwi_put_u32(payload, 13);
  rwi_put_u32(payload + 4, 3);
  memcpy(payload + 8, "web", 3);
  rwi_put_u32(payload + 11, 7);
  memcpy(payload + 15, "because", 7);
  put_frame(h, 1, &h->streams[1].to_guest, RW_T_REFUSED, request, payload, sizeof payload);
  rwi_producer_close(&h->streams[1].to_guest, CLOSED_END);
  rwi_consumer_close(&h->streams[1].to_host);
  IS(rw_opened(stream, &frame, 0, 0), RW_REFUSED);
  IS(rw_stream_error(stream), 13);
  IS(rw_decode_error(frame.payload, frame.bytes, &error), RW_OK);
  CHECK(error.rule.length == 3 && memcmp(error.reason.bytes, "because", 7) == 0);
  IS(rw_send(stream, "x", 1), RW_REFUSED);
  IS(rw_close(stream), RW_OK);
  IS(rwi_peer_closed(&h->streams[1].to_host), CLOSED_END);
  free_host(h);
}

void a_block_is_not_touched_after_its_second_closed_word(void) {
  struct host *h = attached();
  struct rw_stream *stream = running_stream(h, 1);
  IS(rw_stop(stream), RW_OK);
  IS(rw_recv(stream, h->scratch, 1), RW_CLOSED);
  IS(rw_send(stream, "x", 1), 1);
  IS(rw_end(stream), RW_OK);
  memset(page(h, stream_page(1)), 0xa5, 3 * RW_PAGE_BYTES);
  struct rw_frame frame;
  void *span;
  IS(rw_send(stream, "x", 1), RW_CLOSED);
  IS(rw_send_span(stream, &span), RW_CLOSED);
  IS(rw_recv(stream, h->scratch, 1), RW_CLOSED);
  IS(rw_recv_pause(stream), RW_CLOSED);
  IS(rw_frame_next(stream, &frame, 0, 0), RW_CLOSED);
  IS(rw_request(stream, RW_T_READ, 0, 0), RW_CLOSED);
  IS(rw_stop(stream), RW_OK);
  IS(rw_end(stream), RW_OK);
  IS(rw_reset(stream), RW_OK);
  for (int i = 0; i < 3 * RW_PAGE_BYTES; i++) CHECK(page(h, stream_page(1))[i] == 0xa5);
  fresh_stream(h, 1); // the id may come again at once
  free_host(h);
}

void a_listener_gets_what_was_posted(void) {
  struct host *h = attached();
  struct rw_inet any = {.family = 4, .port = 80, .address = {127, 0, 0, 1}};
  struct rw_stream *listener = fresh_stream(h, 1), *stream = fresh_stream(h, 2);
  uint32_t request, bytes;
  uint8_t payload[64], ends[48];
  IS(rw_accept(listener, stream), RW_STATE);
  IS(rw_listen(listener, &any, 0), RW_OK);
  IS(rw_accept(listener, listener), RW_STATE);
  IS(rw_accept(listener, stream), RW_OK);
  IS(take_frame(&h->streams[1].to_host, &request, 0, 0), RW_T_OPEN);
  IS(take_frame(&h->streams[1].to_host, &request, payload, &bytes), RW_T_ACCEPT);
  IS(rwi_u32(payload), 2);
  IS(rw_send(stream, "x", 1), RW_STATE); // POSTED: close, nothing else
  memset(ends, 0, sizeof ends);
  ends[0] = ends[24] = 4;
  ends[24 + 4] = 99;
  put_frame(h, 2, &h->streams[2].to_guest, RW_T_INCOMING, request, ends, 48);
  struct rw_frame frame;
  struct rw_endpoints endpoints;
  IS(rw_opened(stream, &frame, 0, 0), RW_OK);
  IS(rw_decode_endpoints(frame.payload, frame.bytes, &endpoints), RW_OK);
  IS(endpoints.peer.port, 99);
  IS(rw_send(stream, "x", 1), 1);
  free_host(h);
}

void slots_with_the_same_hash_are_told_apart(void) {
  struct host *h = attached();
  static const uint32_t ids[] = {1, 9, 17, 25, 33, 41, 49, 57}; // all of one bucket of 8
  struct rw_stream *streams[8];
  for (int i = 0; i < 8; i++) streams[i] = fresh_stream(h, ids[i]);
  IS(rw_close(streams[3]), RW_OK);
  IS(rw_close(streams[0]), RW_OK);
  IS(rw_close(streams[7]), RW_OK);
  uint32_t slots[16];
  for (int i = 0; i < 8; i++) bell_guest(h, ids[i]);
  IS(rw_take_pending(&h->guest, slots, 2), 2);
  CHECK(rw_pending(&h->guest)); // kept
  IS(rw_take_pending(&h->guest, slots + 2, 14), 3);
  for (int i = 0; i < 8; i++) {
    int found = 0;
    for (int k = 0; k < 5; k++) found += rw_stream_at(&h->guest, slots[k]) == streams[i];
    IS(found, i != 0 && i != 3 && i != 7);
  }
  free_host(h);
}
