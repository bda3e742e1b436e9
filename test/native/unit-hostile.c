// A host that breaks every rule, and a guest that does everything that a program could: seeded, so that each run can be
// had again.

#include "host.h"
#include "unit.h"

static uint32_t nasty(uint32_t *seed, uint32_t near) {
  switch (draw(seed) % 8) {
    case 0:
      return draw(seed);
    case 1:
      return 0;
    case 2:
      return 0xffffffffu;
    case 3:
      return 1u << (draw(seed) & 31);
    case 4:
      return near + RING;
    case 5:
      return near - 1;
    default:
      return near + draw(seed) % 64;
  }
}

// What every file of the library promises, whatever the region says.
static void invariants_hold(const struct host *h) {
  const struct rw_guest *guest = &h->guest;
  CHECK(guest->pages <= REGION_PAGES);
  if (guest->state == RW_GUEST_ATTACHED) {
    CHECK(guest->requests.written - guest->requests.read <= guest->requests.capacity);
    CHECK(guest->replies.written - guest->replies.read <= guest->replies.capacity);
  }
  const uint8_t *end = h->region + (size_t)REGION_PAGES * RW_PAGE_BYTES;
  for (uint32_t slot = 0; slot < SLOTS; slot++) {
    const struct rw_stream *s = &h->slots[slot];
    if (s->state == RW_STREAM_FREE || s->id == 0 || s->serial != guest->serial) continue;
    CHECK(s->to_host.written - s->to_host.read <= s->to_host.capacity);
    CHECK(s->to_guest.written - s->to_guest.read <= s->to_guest.capacity);
    CHECK(s->to_host.data > h->region && s->to_host.data + s->to_host.capacity <= end);
    CHECK(s->to_guest.data > h->region && s->to_guest.data + s->to_guest.capacity <= end);
  }
}

// One wicked thing, or, more often, what an honest host would do: so that the guest gets far before it is hit.
static void host_moves(struct host *h, uint32_t *seed, uint32_t wickedness) {
  uint8_t payload[64];
  uint32_t id = 1 + draw(seed) % 6, request = 0, bytes = 0;
  if (draw(seed) % 1000 < wickedness) {
    static const uint32_t super[] = {SB_EPOCH,     SB_HOST_STATE,   SB_ATTACH_REPLY,
                                     SB_VIOLATION, SB_REGION_PAGES, SB_BELL_PAGE};
    uint32_t *header = (uint32_t *)(void *)page(h, draw(seed) & 1 ? CONTROL_PAGE : stream_page(id));
    uint32_t offset = (draw(seed) % 4) * 0x80 + (draw(seed) % 3) * 4;
    switch (draw(seed) % 5) {
      case 0:
        set(h, super[draw(seed) % 6], nasty(seed, word(h, SB_EPOCH)));
        break;
      case 1:
        rwi_store((uint32_t *)(void *)page(h, BELL_PAGE), 4 * (draw(seed) % 4096), nasty(seed, 0));
        break;
      case 2: // also words that are the guest's own: it must not read them back (RING-2)
        rwi_store(header, offset, nasty(seed, rwi_load(header, offset)));
        break;
      case 3: // a frame that nothing keeps to, well signalled
        if (h->streams[id].to_guest.data && rwi_writable(&h->streams[id].to_guest) >= 12) {
          for (int i = 0; i < 3; i++) rwi_put_u32(payload + 4 * i, nasty(seed, i == 1 ? RW_T_DATA : 0));
          rwi_put(&h->streams[id].to_guest, 0, payload, 12);
          rwi_produced(&h->streams[id].to_guest, 12);
        }
        break;
      default:
        page(h, CONTROL_PAGE)[draw(seed) % (3 * RW_PAGE_BYTES)] = (uint8_t)draw(seed);
        page(h, stream_page(id))[RW_PAGE_BYTES + draw(seed) % (2 * RW_PAGE_BYTES)] = (uint8_t)draw(seed);
    }
    bell_guest(h, draw(seed) & 1 ? 0 : id);
    return;
  }
  if (word(h, SB_ATTACH_REPLY) != word(h, SB_ATTACH_REQUEST)) {
    answer_attach(h);
    return;
  }
  if (h->requests.data == 0) return;
  int32_t readable = rwi_readable(&h->requests);
  if (readable >= 12 && rwi_writable(&h->replies) >= 64) {
    uint8_t header[12];
    rwi_peek(&h->requests, 0, header, 12);
    if (rwi_u32(header) > (uint32_t)readable - 12) return;
    rwi_consumed(&h->requests, 12 + rwi_u32(header));
    request = rwi_u32(header + 8);
    if (rwi_u32(header + 4) == RW_T_PING) put_frame(h, 0, &h->replies, RW_T_PONG, request, 0, 0);
    if (rwi_u32(header + 4) != RW_T_NEW_STREAM) return;
    memset(page(h, stream_page(id)), 0, RW_PAGE_BYTES);
    mirror(&h->streams[id].to_host, &h->streams[id].to_guest, page(h, stream_page(id)), RING, RING);
    info(payload, id, 1, stream_page(id), RING, RING);
    if (draw(seed) % 2000 < wickedness) {
      uint32_t field = 4 * (draw(seed) % 5);
      rwi_put_u32(payload + field, nasty(seed, rwi_u32(payload + field)));
    }
    put_frame(h, 0, &h->replies, RW_T_STREAM_INFO, request, payload, 20);
    return;
  }
  if (h->streams[id].to_host.data == 0) return;
  struct rw_producer *out = &h->streams[id].to_guest;
  readable = rwi_readable(&h->streams[id].to_host);
  if (readable >= 12 && rwi_writable(out) >= 64) {
    uint8_t header[12];
    rwi_peek(&h->streams[id].to_host, 0, header, 12);
    if (rwi_u32(header + 4) == RW_T_OPEN && rwi_u32(header) <= (uint32_t)readable - 12) {
      rwi_consumed(&h->streams[id].to_host, 12 + rwi_u32(header));
      put_frame(h, id, out, draw(seed) % 4 ? RW_T_OPENED : RW_T_REFUSED, rwi_u32(header + 8), payload, 0);
      return;
    }
  }
  if (readable > 0) rwi_consumed(&h->streams[id].to_host, (uint32_t)readable);
  bytes = rwi_writable(out) > 0 ? draw(seed) % 40 : 0;
  if (rwi_writable(out) >= 64) {
    memset(payload, 0, sizeof payload);
    if (draw(seed) & 1) rwi_put(out, 0, payload, bytes), rwi_produced(out, bytes), bell_guest(h, id);
    else put_frame(h, id, out, RW_T_DATA, 1 + draw(seed) % 3, payload, bytes);
  }
  if (draw(seed) % 200 == 0) rwi_producer_close(out, 1 + draw(seed) % 2);
}

static void guest_moves(struct host *h, uint32_t *seed) {
  struct rw_guest *guest = &h->guest;
  uint32_t slots[SLOTS];
  uint8_t bytes[128];
  struct rw_frame frame;
  void *span;
  struct rw_stream *stream = rw_stream_at(guest, draw(seed) % SLOTS);
  struct rw_stream *other = rw_stream_at(guest, draw(seed) % SLOTS);
  struct rw_inet inet = {.family = 4, .port = 1};
  int32_t n;
  switch (draw(seed) % 22) {
    case 0:
      n = rw_poll(guest);
      if (n != RW_OK && n != RW_AGAIN && draw(seed) % 4 == 0) {
        for (uint32_t i = 0; i < SLOTS; i++) rw_close(rw_stream_at(guest, i));
        rw_guest_attach(guest);
      }
      break;
    case 1: case 2: case 3:
      n = rw_take_pending(guest, slots, 1 + draw(seed) % SLOTS);
      CHECK(n <= SLOTS);
      for (int32_t i = 0; i < n; i++) CHECK(slots[i] == RW_SLOT_CONTROL || slots[i] < SLOTS);
      break;
    case 4: rw_prepare_sleep(guest); break;
    case 5: case 6: rw_stream_new(guest, draw(seed) % 9000, 0); break;
    case 7: rw_ping(guest, bytes, draw(seed) % 64); break;
    case 8: rw_control_reply(guest, &frame, bytes, sizeof bytes); break;
    case 9: rw_echo(stream); break;
    case 10: rw_connect(stream, "h", 1, 80, 0); break;
    case 11: rw_listen(stream, &inet, 0); break;
    case 12: rw_accept(stream, other); break;
    case 13: rw_opened(stream, &frame, bytes, sizeof bytes); break;
    case 14:
      n = rw_send(stream, bytes, draw(seed) % sizeof bytes);
      CHECK(n <= (int32_t)sizeof bytes);
      break;
    case 15:
      n = rw_recv(stream, bytes, draw(seed) % sizeof bytes);
      CHECK(n <= (int32_t)sizeof bytes);
      break;
    case 16:
      n = rw_send_span(stream, &span);
      if (n > 0) {
        memset(span, 1, (size_t)n);
        rw_send_commit(stream, draw(seed) % 8 ? draw(seed) % ((uint32_t)n + 2) : draw(seed));
      }
      break;
    case 17:
      n = rw_recv_span(stream, &span);
      if (n > 0) {
        unsigned sum = 0;
        for (int32_t i = 0; i < n; i++) sum += ((uint8_t *)span)[i];
        rw_recv_commit(stream, draw(seed) % ((uint32_t)n + 2));
        bytes[0] = (uint8_t)sum;
      }
      break;
    case 18: rw_frame_next(stream, &frame, bytes, sizeof bytes); break;
    case 19: rw_request(stream, RW_T_READ, bytes, draw(seed) % 64); break;
    case 20:
      if (draw(seed) & 1) rw_end(stream);
      else rw_stop(stream);
      break;
    default:
      if (draw(seed) % 8 == 0) rw_close(stream);
      else if (draw(seed) % 8 == 0) rw_reset(stream);
      else rw_recv_pause(stream);
  }
}

// Every call returns, the invariants hold, and a sanitizer has nothing to say. Returns how far it came.
uint64_t attack(uint32_t seed, uint32_t moves) {
  struct host *h = new_host();
  uint32_t state = seed * 2654435761u | 1, wickedness = draw(&state) % 60;
  uint64_t far = 0;
  IS(init_guest(h), RW_OK);
  rw_guest_attach(&h->guest);
  for (uint32_t i = 0; i < moves; i++) {
    if (draw(&state) & 1) host_moves(h, &state, wickedness);
    guest_moves(h, &state);
    invariants_hold(h);
    if (h->guest.state == RW_GUEST_ATTACHED && !h->guest.broken) far++;
  }
  // And a superblock of garbage, now and then nearly right.
  for (int i = 0; i < 20; i++) {
    set(h, 4 * (draw(&state) % 16), nasty(&state, REGION_PAGES));
    if (init_guest(h) == RW_OK) rw_guest_attach(&h->guest), rw_poll(&h->guest);
  }
  free_host(h);
  return far;
}

void a_hostile_host_harms_nobody(void) {
  uint64_t far = 0;
  for (uint32_t seed = 1; seed <= 300; seed++) far += attack(seed, 1500);
  CHECK(far > 300 * 1500 / 20); // it is not all over at the first move
}
