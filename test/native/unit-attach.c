// The superblock, attach and epochs, bells, and the control pipe.

#include "host.h"
#include "unit.h"

// ── Superblock and attach ────────────────────────────────────────────────────────────────────────────────────────────

void a_superblock_that_cannot_be_is_refused(void) {
  static const struct {
    uint32_t offset, value;
    int32_t status;
  } cases[] = {
      {SB_MAGIC_LOW, 0, RW_BAD_MAGIC},
      {SB_MAGIC_HIGH, 0x32594157u, RW_BAD_MAGIC},
      {SB_VERSION_MAJOR, 2, RW_BAD_VERSION},
      {SB_VERSION_MAJOR, 0, RW_BAD_VERSION},
      {SB_VERSION_MINOR, 99, RW_OK},
      {SB_REGION_PAGES, REGION_PAGES + 1, RW_BAD_SIZE},
      {SB_REGION_PAGES, 0xffffffffu, RW_BAD_SIZE},
      {SB_REGION_PAGES, 0, RW_BAD_SIZE},
      {SB_REGION_PAGES, 7, RW_BAD_PLACE},
      {SB_BELL_PAGE, 0, RW_BAD_PLACE},
      {SB_BELL_PAGE, REGION_PAGES - 3, RW_BAD_PLACE},
      {SB_BELL_PAGE, REGION_PAGES, RW_BAD_PLACE},
      {SB_BELL_PAGE, 0xfffffffeu, RW_BAD_PLACE},
      {SB_CONTROL_PAGE, 0, RW_BAD_PLACE},
      {SB_CONTROL_PAGE, REGION_PAGES - 2, RW_BAD_PLACE},
      {SB_CONTROL_PAGE, 0xffffffffu, RW_BAD_PLACE},
      {SB_CONTROL_TO_HOST_BYTES, 0, RW_BAD_PLACE},
      {SB_CONTROL_TO_HOST_BYTES, 2048, RW_BAD_PLACE},
      {SB_CONTROL_TO_HOST_BYTES, 4097, RW_BAD_PLACE},
      {SB_CONTROL_TO_HOST_BYTES, 12288, RW_BAD_PLACE},
      {SB_CONTROL_TO_HOST_BYTES, 1u << 25, RW_BAD_PLACE},
      {SB_CONTROL_TO_GUEST_BYTES, 1u << 24, RW_BAD_PLACE},
      {SB_CONTROL_TO_GUEST_BYTES, 0x80000000u, RW_BAD_PLACE},
      {SB_MAX_STREAM_ID, 0xffffffffu, RW_OK},
      {SB_FEATURES_ACCEPTED - 0xf4, 0xffffffffu, RW_OK}, // features offered: unknown ones are ignored (VER-3)
      {0x02c, 0xffffffffu, RW_OK},                       // reserved
  };
  struct host *h = new_host();
  IS(init_guest(h), RW_OK);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    superblock(h);
    set(h, cases[i].offset, cases[i].value);
    IS(init_guest(h), cases[i].status);
    IS(rw_guest_attach(&h->guest), cases[i].status == RW_OK ? RW_OK : RW_STATE);
  }
  superblock(h);
  IS(rw_guest_init(&h->guest, h->region, 0, h->slots, SLOTS, h->scratch, sizeof h->scratch), RW_BAD_SIZE);
  IS(rw_guest_init(&h->guest, h->region, REGION_PAGES - 1, h->slots, SLOTS, h->scratch, 128), RW_BAD_SIZE);
  IS(rw_guest_init(&h->guest, h->region, REGION_PAGES, h->slots, SLOTS, h->scratch, 127), RW_INVALID);
  free_host(h);
}

void attach_follows_the_epoch(void) {
  struct host *h = new_host();
  IS(init_guest(h), RW_OK);
  IS(rw_poll(&h->guest), RW_STATE);
  IS(rw_stream_new(&h->guest, 0, 0), RW_STATE);
  set(h, SB_ATTACH_REPLY, 0xffffffffu);
  set(h, SB_ATTACH_REQUEST, 0xfffffffeu);
  IS(rw_guest_attach(&h->guest), RW_OK);
  IS(word(h, SB_ATTACH_REQUEST), 1); // neither of both, nor 0
  IS(word(h, SB_GUEST_STATE), GUEST_ATTACHING);
  IS(h->rung, 1);
  IS(rw_poll(&h->guest), RW_AGAIN);
  IS(rw_prepare_sleep(&h->guest), 1);
  // The area is the host's (ATT-5).
  IS(rwi_load((uint32_t *)(void *)page(h, BELL_PAGE), BELL_TO_GUEST + BELL_ASLEEP), 0);
  answer_attach(h);
  IS(rw_poll(&h->guest), RW_OK);
  IS(word(h, SB_GUEST_STATE), GUEST_ATTACHED);
  IS(h->rung, 2);

  struct rw_stream *stream = running_stream(h, 3);
  int32_t asked = rw_stream_new(&h->guest, 0, 0);
  CHECK(asked >= 0);
  IS(rw_close(rw_stream_at(&h->guest, (uint32_t)asked)), RW_OK); // doomed
  set(h, SB_EPOCH, word(h, SB_EPOCH) + 1);
  set(h, SB_HOST_STATE, RW_HOST_RESETTING);
  // Nothing of this is touched (ATT-1).
  memset(page(h, BELL_PAGE), 0x55, (size_t)(REGION_PAGES - BELL_PAGE) * RW_PAGE_BYTES);
  uint8_t *before = malloc((size_t)REGION_PAGES * RW_PAGE_BYTES);
  IS(take_one(h), RW_LOST);
  memcpy(before, h->region, (size_t)REGION_PAGES * RW_PAGE_BYTES);
  IS(rw_send(stream, "x", 1), RW_LOST);
  IS(rw_recv(stream, before, 1), RW_LOST);
  IS(rw_end(stream), RW_LOST);
  IS(rw_prepare_sleep(&h->guest), 1);
  IS(rw_close(stream), RW_OK);
  IS(rw_close(stream), RW_STATE);
  memcpy(before, h->region, 1);
  CHECK(memcmp(before + RW_PAGE_BYTES, h->region + RW_PAGE_BYTES, (size_t)(REGION_PAGES - 1) * RW_PAGE_BYTES) == 0);
  free(before);
  IS(rw_guest_attach(&h->guest), RW_OK);
  answer_attach(h);
  IS(rw_poll(&h->guest), RW_OK);
  for (uint32_t id = 1; id <= SLOTS; id++) fresh_stream(h, id); // every slot is free again
  IS(rw_stream_new(&h->guest, 0, 0), RW_NO_SLOT);

  // An open stream of before stays lost in the next epoch, until it is closed.
  stream = rw_stream_at(&h->guest, 0);
  IS(rw_guest_attach(&h->guest), RW_OK);
  IS(rw_echo(stream), RW_LOST);
  answer_attach(h);
  IS(rw_poll(&h->guest), RW_OK);
  IS(rw_echo(stream), RW_LOST);
  IS(rw_stream_new(&h->guest, 0, 0), RW_NO_SLOT);
  IS(rw_close(stream), RW_OK);
  fresh_stream(h, 1);

  set(h, SB_VIOLATION, 5);
  set(h, SB_HOST_STATE, RW_HOST_FAILED);
  IS(rw_poll(&h->guest), RW_FAILED);
  IS(rw_guest_violation(&h->guest), 5);
  set(h, SB_HOST_STATE, 9);
  IS(rw_guest_attach(&h->guest), RW_OK);
  IS(rw_poll(&h->guest), RW_BAD_SUPERBLOCK);
  IS(rw_poll(&h->guest), RW_BAD_SUPERBLOCK);
  free_host(h);
}

void an_attach_request_is_new_whatever_the_words_hold(void) {
  static const uint32_t widths[] = {3, 4, 7, 15, 63};
  static const uint32_t near[] = {0, 1, 2, 3, 0x7fffffffu, 0x80000000u, 0xfffffffdu, 0xfffffffeu, 0xffffffffu};
  for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
    for (uint32_t request = 0; request <= widths[i]; request++)
      for (uint32_t reply = 0; reply <= widths[i]; reply++) {
        uint32_t next = rwi_next_attach_request(request, reply, widths[i]);
        CHECK(next != 0 && next != request && next != reply && next <= widths[i]);
      }
  for (size_t i = 0; i < sizeof near / sizeof *near; i++)
    for (size_t j = 0; j < sizeof near / sizeof *near; j++) {
      uint32_t next = rwi_next_attach_request(near[i], near[j], 0xffffffffu);
      CHECK(next != 0 && next != near[i] && next != near[j]);
    }
}

void each_epoch_has_the_places_of_the_monitor_that_answered(void) {
  struct host *h = attached();
  enum { NEW_BELL = HEAP_PAGE + 20, NEW_CONTROL = HEAP_PAGE + 30 };
  set(h, SB_HOST_STATE, RW_HOST_RESETTING);
  IS(rw_poll(&h->guest), RW_LOST);
  IS(rw_guest_attach(&h->guest), RW_OK);
  set(h, SB_BELL_PAGE, NEW_BELL);
  set(h, SB_CONTROL_PAGE, NEW_CONTROL);
  set(h, SB_CONTROL_TO_HOST_BYTES, 8192);
  set(h, SB_EPOCH, word(h, SB_EPOCH) + 1);
  set(h, SB_HOST_STATE, RW_HOST_READY);
  set(h, SB_ATTACH_REPLY, word(h, SB_ATTACH_REQUEST));
  memset(page(h, NEW_BELL), 0, 4 * RW_PAGE_BYTES);
  memset(page(h, NEW_CONTROL), 0, RW_PAGE_BYTES);
  rwi_store((uint32_t *)(void *)page(h, NEW_CONTROL), PIPE_TO_HOST_CONSUMER + PART_WANT, 1);
  uint8_t *before = malloc(4 * RW_PAGE_BYTES);
  memcpy(before, page(h, BELL_PAGE), 4 * RW_PAGE_BYTES);
  IS(rw_poll(&h->guest), RW_OK);
  IS(rw_ping(&h->guest, "x", 1), RW_OK);
  IS(rwi_load((uint32_t *)(void *)page(h, NEW_CONTROL), PART_POSITION), 13);
  IS(rwi_load((uint32_t *)(void *)page(h, NEW_BELL), BELL_TOP), 1);
  CHECK(memcmp(before, page(h, BELL_PAGE), 4 * RW_PAGE_BYTES) == 0);
  free(before);

  // Places that cannot be, and another version, are found at each attach.
  IS(rw_guest_attach(&h->guest), RW_OK);
  set(h, SB_BELL_PAGE, 0);
  set(h, SB_ATTACH_REPLY, word(h, SB_ATTACH_REQUEST));
  IS(rw_poll(&h->guest), RW_BAD_PLACE);
  IS(rw_poll(&h->guest), RW_BAD_PLACE);
  uint32_t request = word(h, SB_ATTACH_REQUEST);
  set(h, SB_VERSION_MAJOR, 2);
  IS(rw_guest_attach(&h->guest), RW_BAD_VERSION);
  IS(word(h, SB_ATTACH_REQUEST), request);
  free_host(h);
}

void a_monitor_that_restarts_under_an_attach_is_asked_anew(void) {
  struct host *h = new_host();
  IS(init_guest(h), RW_OK);
  IS(rw_guest_attach(&h->guest), RW_OK);
  uint32_t request = word(h, SB_ATTACH_REQUEST);
  answer_attach(h);
  set(h, SB_HOST_STATE, RW_HOST_RESETTING);
  IS(rw_poll(&h->guest), RW_AGAIN);
  CHECK(word(h, SB_ATTACH_REQUEST) != request);
  answer_attach(h);
  IS(rw_poll(&h->guest), RW_OK);
  IS(rw_guest_detach(&h->guest), RW_OK);
  IS(word(h, SB_GUEST_STATE), GUEST_DETACHED);
  IS(rw_poll(&h->guest), RW_STATE);
  free_host(h);
}

void a_guest_that_waits_rings_a_monitor_that_may_not_have_heard_it(void) {
  struct host *h = new_host();
  IS(init_guest(h), RW_OK);
  set(h, SB_HOST_STATE, RW_HOST_ABSENT);
  IS(rw_guest_attach(&h->guest), RW_OK);
  uint32_t rung = h->rung;
  IS(rw_poll(&h->guest), RW_AGAIN); // nobody is there
  IS(h->rung, rung);
  set(h, SB_HOST_STATE, RW_HOST_RESETTING);
  IS(rw_poll(&h->guest), RW_AGAIN);
  IS(h->rung, rung + 1);
  answer_attach(h);
  IS(rw_poll(&h->guest), RW_OK);
  IS(h->rung, rung + 2);
  free_host(h);
}

// ── Bells ────────────────────────────────────────────────────────────────────────────────────────────────────────────

void every_pending_bit_comes_out_once(void) {
  struct host *h = attached();
  uint8_t *seen = calloc(1, 32768);
  uint32_t seed = 11, set_bits = 0, got = 0;
  IS(take_one(h), -1000);
  for (int i = 0; i < 500; i++) {
    uint32_t id = draw(&seed) & 32767;
    if (!seen[id]) set_bits++;
    seen[id] = 1;
    bell_guest(h, id);
  }
  rwi_take_begin(&h->guest);
  for (uint32_t id; (id = rwi_take_next(&h->guest)) != RWI_NONE; got++) {
    CHECK(seen[id] == 1);
    seen[id] = 2;
    CHECK(rw_pending(&h->guest) || got + 1 == set_bits);
  }
  IS(got, set_bits);
  CHECK(!rw_pending(&h->guest));
  free(seen);
  free_host(h);
}

void sleep_is_announced_and_taken_back(void) {
  struct host *h = attached();
  uint32_t *bell = (uint32_t *)(void *)(page(h, BELL_PAGE) + BELL_TO_GUEST);
  uint32_t slots[4];
  IS(rw_take_pending(&h->guest, slots, 4), 0);
  IS(rw_prepare_sleep(&h->guest), 1);
  IS(rwi_load(bell, BELL_ASLEEP), 1);
  bell_guest(h, 77); // no such stream: ignored (BELL-4)
  IS(rw_take_pending(&h->guest, slots, 4), 0);
  IS(rwi_load(bell, BELL_ASLEEP), 0);
  bell_guest(h, 77);
  IS(rw_prepare_sleep(&h->guest), 0);
  IS(rwi_load(bell, BELL_ASLEEP), 0);
  free_host(h);
}

void the_host_is_rung_only_where_it_sleeps(void) {
  struct host *h = attached();
  uint32_t *bell = (uint32_t *)(void *)page(h, BELL_PAGE);
  uint32_t rung = h->rung;
  rwi_signal(&h->guest, 1234);
  IS(h->rung, rung);
  IS(rwi_load(bell, BELL_TOP), 1u << 1);
  IS(rwi_load(bell, BELL_MIDDLE + 4), 1u << (38 - 32));
  IS(rwi_load(bell, BELL_LEAF + 4 * 38), 1u << (1234 & 31));
  rwi_store(bell, BELL_ASLEEP, 1);
  rwi_signal(&h->guest, 1234); // set already: whoever set it has rung
  IS(h->rung, rung);
  rwi_signal(&h->guest, 32767);
  IS(h->rung, rung + 1);
  IS(rwi_load(bell, BELL_ASLEEP), 0);
  rw_guest_bell(&h->guest, 0, 0);
  rwi_store(bell, BELL_ASLEEP, 1);
  rwi_signal(&h->guest, 5);
  IS(rw_take_rings(&h->guest), 1);
  IS(rw_take_rings(&h->guest), 0);
  free_host(h);
}

static uint32_t ticks(void *context) { return ++*(uint32_t *)context; }

void busy_polling_ends_and_adapts(void) {
  struct host *h = attached();
  uint32_t now = 0xfffffff0u, slots[4];
  rw_take_pending(&h->guest, slots, 4);
  IS(rw_busy_poll(&h->guest, 50), 0); // no clock
  rw_guest_clock(&h->guest, ticks, &now);
  uint32_t before = now;
  for (int i = 0; i < 320; i++) IS(rw_busy_poll(&h->guest, 50), 0);
  CHECK(now - before < 320 * 50 / 16); // it seldom pays: seldom done
  bell_guest(h, 9);
  IS(rw_busy_poll(&h->guest, 50), 1);
  free_host(h);
}

// ── Control pipe ─────────────────────────────────────────────────────────────────────────────────────────────────────

void replies_find_who_asked(void) {
  struct host *h = attached();
  uint8_t error[12 + 7];
  uint32_t request, slots[4];
  struct rw_frame frame;
  int32_t first = rw_stream_new(&h->guest, 4096, 8192);
  IS(rw_ping(&h->guest, "abc", 3), RW_OK);
  IS(rw_ping(&h->guest, "abc", 3), RW_BUSY);
  int32_t second = rw_stream_new(&h->guest, 0, 0);
  IS(rw_control_reply(&h->guest, &frame, 0, 0), RW_AGAIN);
  IS(rw_opened(rw_stream_at(&h->guest, (uint32_t)first), 0, 0, 0), RW_AGAIN);
  give_stream(h, 9);
  IS(take_frame(&h->requests, &request, 0, 0), RW_T_PING);
  put_frame(h, 0, &h->replies, 0x8fff, 0, "?", 1); // unknown, and nobody asked: ignored (FRM-7)
  put_frame(h, 0, &h->replies, RW_T_PONG, request, "abc", 3);
  IS(take_frame(&h->requests, &request, 0, 0), RW_T_NEW_STREAM);
  rwi_put_u32(error, 24);
  rwi_put_u32(error + 4, 0);
  rwi_put_u32(error + 8, 7);
  memcpy(error + 12, "enough!", 7);
  put_frame(h, 0, &h->replies, RW_T_ERROR, request, error, sizeof error);
  IS(rw_take_pending(&h->guest, slots, 4), 2);
  IS(slots[0], first);
  IS(slots[1], RW_SLOT_CONTROL);
  IS(rw_stream_state(rw_stream_at(&h->guest, (uint32_t)second)), RW_STREAM_ASKED); // it stands behind the Pong
  uint8_t small[2];
  IS(rw_control_reply(&h->guest, &frame, small, sizeof small), RW_TOO_LONG);
  IS(rw_control_reply(&h->guest, &frame, 0, 0), RW_OK);
  IS(frame.bytes, 3);
  CHECK(memcmp(frame.payload, "abc", 3) == 0);
  IS(rw_prepare_sleep(&h->guest), 0);
  IS(rw_take_pending(&h->guest, slots, 4), 1);
  IS(slots[0], second);
  struct rw_stream *refused = rw_stream_at(&h->guest, (uint32_t)second);
  IS(rw_connect(refused, "h", 1, 80, 0), RW_REFUSED);
  IS(rw_stream_error(refused), 24);
  IS(rw_close(refused), RW_OK);
  free_host(h);
}

void each_request_has_its_reply(void) {
  struct host *h = attached();
  uint32_t request, slots[4], bytes;
  struct rw_frame frame;
  uint8_t payload[64], verdict[12] = {1};
  IS(rw_get_args(&h->guest), RW_OK);
  IS(take_frame(&h->requests, &request, 0, &bytes), RW_T_GET_ARGS);
  IS(bytes, 0);
  put_frame(h, 0, &h->replies, RW_T_ARGS, request, verdict + 4, 8);
  IS(rw_take_pending(&h->guest, slots, 4), 1);
  IS(rw_control_reply(&h->guest, &frame, 0, 0), RW_OK);
  IS(frame.type, RW_T_ARGS);
  IS(rw_explain(&h->guest, RW_TCP_LISTEN, "body", 4), RW_OK);
  IS(take_frame(&h->requests, &request, payload, &bytes), RW_T_EXPLAIN);
  IS(bytes, 8);
  put_frame(h, 0, &h->replies, RW_T_VERDICT, request, verdict, 12);
  IS(rw_take_pending(&h->guest, slots, 4), 1);
  struct rw_verdict decoded;
  IS(rw_control_reply(&h->guest, &frame, 0, 0), RW_OK);
  IS(rw_decode_verdict(frame.payload, frame.bytes, &decoded), RW_OK);
  IS(decoded.allowed, 1);
  IS(rw_control_reply(&h->guest, &frame, 0, 0), RW_STATE);
  IS(rw_exit(&h->guest, 3), RW_OK);
  IS(take_frame(&h->requests, &request, payload, &bytes), RW_T_EXIT);
  IS(payload[0], 3);
  free_host(h);
}

void a_full_control_pipe_says_when_to_go_on(void) {
  struct host *h = attached();
  char text[990];
  memset(text, 'x', sizeof text);
  int sent = 0;
  uint32_t slots[4];
  while (rw_log(&h->guest, 30, text, sizeof text) == RW_OK) sent++;
  IS(sent, 4);
  IS(rw_stream_new(&h->guest, 0, 0) >= 0, 1); // a smaller one still fits
  IS(rw_log(&h->guest, 30, text, sizeof text), RW_AGAIN);
  IS(take_frame(&h->requests, 0, 0, 0), RW_T_LOG);
  bell_guest(h, 0);
  IS(rw_take_pending(&h->guest, slots, 4), 1);
  IS(slots[0], RW_SLOT_CONTROL);
  IS(rw_log(&h->guest, 30, text, sizeof text), RW_OK);
  IS(rw_log(&h->guest, 30, "\xff", 1), RW_INVALID);
  IS(rw_exit(&h->guest, 256), RW_INVALID);
  free_host(h);
}

void a_stream_closed_before_it_came_is_given_back(void) {
  struct host *h = attached();
  int32_t slot = rw_stream_new(&h->guest, 0, 0);
  IS(rw_close(rw_stream_at(&h->guest, (uint32_t)slot)), RW_OK);
  give_stream(h, 5);
  uint32_t slots[4];
  IS(rw_take_pending(&h->guest, slots, 4), 1);
  IS(slots[0], RW_SLOT_CONTROL); // a slot is free again: somebody may have waited for one
  IS(rwi_peer_closed(&h->streams[5].to_host), CLOSED_END);
  IS(rwi_abandoned(&h->streams[5].to_guest), 1);

  uint8_t refusal[12] = {24};
  uint32_t request;
  slot = rw_stream_new(&h->guest, 0, 0);
  IS(rw_reset(rw_stream_at(&h->guest, (uint32_t)slot)), RW_OK);
  IS(take_frame(&h->requests, &request, 0, 0), RW_T_NEW_STREAM);
  put_frame(h, 0, &h->replies, RW_T_ERROR, request, refusal, sizeof refusal);
  IS(rw_take_pending(&h->guest, slots, 4), 1);
  IS(slots[0], RW_SLOT_CONTROL);
  for (uint32_t id = 1; id <= SLOTS; id++) fresh_stream(h, id);
  free_host(h);
}

void what_no_host_sends_ends_the_guest(void) {
  static const struct {
    uint32_t type, request_add, id, page, to_host, bytes;
    int32_t status;
  } cases[] = {
      {RW_T_STREAM_INFO, 1, 1, HEAP_PAGE, RING, 20, RW_BAD_STATE},
      {RW_T_PONG, 0, 1, HEAP_PAGE, RING, 20, RW_BAD_TYPE},
      {RW_T_NEW_STREAM, 0, 1, HEAP_PAGE, RING, 20, RW_BAD_TYPE},
      {RW_T_STREAM_INFO, 0, 0, HEAP_PAGE, RING, 20, RW_BAD_STATE},
      {RW_T_STREAM_INFO, 0, 32768, HEAP_PAGE, RING, 20, RW_BAD_STATE},
      {RW_T_STREAM_INFO, 0, 4, HEAP_PAGE, RING, 20, RW_BAD_STATE}, // open already
      {RW_T_STREAM_INFO, 0, 1, 0, RING, 20, RW_BAD_PLACE},
      {RW_T_STREAM_INFO, 0, 1, REGION_PAGES - 2, RING, 20, RW_BAD_PLACE},
      {RW_T_STREAM_INFO, 0, 1, 0xffffffffu, RING, 20, RW_BAD_PLACE},
      {RW_T_STREAM_INFO, 0, 1, HEAP_PAGE, RING + 1, 20, RW_BAD_PLACE},
      {RW_T_STREAM_INFO, 0, 1, HEAP_PAGE, 1u << 24, 20, RW_BAD_PLACE},
      {RW_T_STREAM_INFO, 0, 1, HEAP_PAGE, 0xfffff000u, 20, RW_BAD_PLACE},
      {RW_T_STREAM_INFO, 0, 1, HEAP_PAGE, RING, 16, RW_BAD_PAYLOAD},
      {RW_T_ERROR, 0, 1, HEAP_PAGE, RING, 20, RW_BAD_PAYLOAD},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct host *h = attached();
    struct rw_stream *other = running_stream(h, 4);
    uint8_t payload[20];
    uint32_t request, slots[4];
    int32_t slot = rw_stream_new(&h->guest, 0, 0);
    IS(take_frame(&h->requests, &request, 0, 0), RW_T_NEW_STREAM);
    info(payload, cases[i].id, 1, cases[i].page, cases[i].to_host, RING);
    put_frame(h, 0, &h->replies, cases[i].type, request + cases[i].request_add, payload, cases[i].bytes);
    IS(rw_take_pending(&h->guest, slots, 4), cases[i].status);
    // All of the guest's streams end, nothing hangs (ERR-5); and a new attach begins anew.
    IS(rw_send(other, "x", 1), cases[i].status);
    IS(rw_prepare_sleep(&h->guest), 1);
    IS(rw_poll(&h->guest), cases[i].status);
    IS(rw_close(other), RW_OK);
    IS(rw_reset(rw_stream_at(&h->guest, (uint32_t)slot)), RW_OK);
    IS(rw_guest_attach(&h->guest), RW_OK);
    answer_attach(h);
    IS(rw_poll(&h->guest), RW_OK);
    for (uint32_t id = 1; id <= SLOTS; id++) fresh_stream(h, id);
    free_host(h);
  }
}
