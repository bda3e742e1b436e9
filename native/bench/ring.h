// A region as both sides of the benchmarks see it. Layout, shared words and rings are the library's (native/lib), whose
// ring works towards either side; here is what only a host has beside them, and frames and bells that know no guest.
//
// The ring is compiled into each file that includes this, inline: a relay does little else, and a call for each step of
// it would be measured.

#ifndef RINGWAY_BENCH_RING_H
#define RINGWAY_BENCH_RING_H

#include "common.h"

#define RWI_RING static inline
#include "../lib/ring.c"

enum { PAGE = RW_PAGE_BYTES };
enum { BELL_TO_HOST = 0 };

static inline uint32_t *words_at(uint8_t *base, size_t offset) { return (uint32_t *)(void *)(base + offset); }

// ── Pipes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

struct place {
  uint32_t page, to_host_bytes, to_guest_bytes;
};

static inline uint64_t pipe_pages(uint32_t to_host_bytes, uint32_t to_guest_bytes) {
  return 1 + (uint64_t)to_host_bytes / PAGE + (uint64_t)to_guest_bytes / PAGE;
}

static inline void to_host_consumer(struct rw_consumer *ring, uint8_t *region, const struct place *place) {
  uint8_t *header = region + (size_t)place->page * PAGE;
  *ring = (struct rw_consumer){.own = words_at(header, PIPE_TO_HOST_CONSUMER),
                               .other = words_at(header, PIPE_TO_HOST_PRODUCER),
                               .data = header + PAGE,
                               .capacity = place->to_host_bytes};
}

static inline void to_guest_producer(struct rw_producer *ring, uint8_t *region, const struct place *place) {
  uint8_t *header = region + (size_t)place->page * PAGE;
  *ring = (struct rw_producer){.own = words_at(header, PIPE_TO_GUEST_PRODUCER),
                               .other = words_at(header, PIPE_TO_GUEST_CONSUMER),
                               .data = header + PAGE + place->to_host_bytes,
                               .capacity = place->to_guest_bytes};
}

static inline void guest_rings(struct rw_producer *to_host, struct rw_consumer *to_guest, uint8_t *region,
                               const struct place *place) {
  uint8_t *header = region + (size_t)place->page * PAGE;
  rwi_producer_init(to_host, header, header + PAGE, place->to_host_bytes, 0);
  rwi_consumer_init(to_guest, header, header + PAGE + place->to_host_bytes, place->to_guest_bytes, 0);
}

// ── Doorbells, section 6 ────────────────────────────────────────────────────────────────────────────────────────────

struct bell { // one direction's
  uint32_t *area;
  int event;
};

// BELL-8: a counter that is full counts as rung.
static inline void bell_ring(const struct bell *bell) {
  const uint64_t one = 1;
  if (write(bell->event, &one, sizeof one) < 0 && errno != EAGAIN) die("cannot ring");
}

// BELL-3.
static inline void bell_signal(const struct bell *bell, uint32_t id) {
  const uint32_t leaf = id / 32, middle = leaf / 32;
  const uint32_t leaf_bit = 1u << (id % 32), middle_bit = 1u << (leaf % 32);
  if (rwi_or(bell->area, BELL_LEAF + 4 * leaf, leaf_bit) & leaf_bit) return;
  if (!(rwi_or(bell->area, BELL_MIDDLE + 4 * middle, middle_bit) & middle_bit))
    rwi_or(bell->area, BELL_TOP, 1u << middle);
  if (rwi_load(bell->area, BELL_ASLEEP) != 0 && rwi_exchange(bell->area, BELL_ASLEEP, 0) != 0) bell_ring(bell);
}

static inline bool bell_pending(const struct bell *bell) { return rwi_load(bell->area, BELL_TOP) != 0; }

// BELL-4. `ids` has room for every id; returns how many there are.
static inline uint32_t bell_take(const struct bell *bell, uint16_t ids[RW_MAX_STREAM_ID + 1]) {
  if (!bell_pending(bell)) return 0;
  uint32_t count = 0;
  for (uint32_t top = rwi_exchange(bell->area, BELL_TOP, 0); top != 0; top &= top - 1) {
    const uint32_t m = (uint32_t)__builtin_ctz(top);
    for (uint32_t middle = rwi_exchange(bell->area, BELL_MIDDLE + 4 * m, 0); middle != 0; middle &= middle - 1) {
      const uint32_t l = 32 * m + (uint32_t)__builtin_ctz(middle);
      for (uint32_t leaf = rwi_exchange(bell->area, BELL_LEAF + 4 * l, 0); leaf != 0; leaf &= leaf - 1)
        ids[count++] = (uint16_t)(32 * l + (uint32_t)__builtin_ctz(leaf));
    }
  }
  return count;
}

static inline void bell_awake(const struct bell *bell) { rwi_store(bell->area, BELL_ASLEEP, 0); }

// BELL-5. False: something is pending, do not wait.
static inline bool bell_prepare_sleep(const struct bell *bell) {
  rwi_store(bell->area, BELL_ASLEEP, 1);
  if (!bell_pending(bell)) return true;
  bell_awake(bell);
  return false;
}

// ── Frames, section 7 ───────────────────────────────────────────────────────────────────────────────────────────────

struct frame {
  uint32_t bytes, type, request;
  uint8_t payload[RW_FRAME_PAYLOAD_MAX];
};
enum { FRAME_HEADER = RW_FRAME_HEADER_BYTES };

// 1: `frame` holds the next one, a private copy, and the ring still holds it too (rwi_consumed() of FRAME_HEADER +
// bytes takes it). 0: it is not all there. Below 0: FRM-3.
static inline int32_t frame_peek(struct rw_consumer *ring, struct frame *frame) {
  const int32_t readable = rwi_readable(ring);
  if (readable < 0) return readable;
  if (readable < FRAME_HEADER) return 0;
  rwi_peek(ring, 0, frame, FRAME_HEADER);
  if (frame->bytes > RW_FRAME_PAYLOAD_MAX || frame->bytes + FRAME_HEADER > ring->capacity) return RW_BAD_LENGTH;
  if ((uint32_t)readable < FRAME_HEADER + frame->bytes) return 0;
  rwi_peek(ring, FRAME_HEADER, frame->payload, frame->bytes);
  return 1;
}

// Puts a frame and returns its bytes, for rwi_produced(). The caller has seen that it fits.
static inline uint32_t frame_put(struct rw_producer *ring, uint32_t type, uint32_t request, const void *payload,
                                 uint32_t bytes) {
  const uint32_t header[3] = {bytes, type, request};
  rwi_put(ring, 0, header, FRAME_HEADER);
  rwi_put(ring, FRAME_HEADER, payload, bytes);
  return FRAME_HEADER + bytes;
}

// Fields of a payload under construction, FRM-5.
struct payload {
  uint8_t bytes[512];
  uint32_t length;
};

static inline void put_bytes(struct payload *payload, const void *source, uint32_t bytes) {
  if (bytes > sizeof payload->bytes - payload->length) FAIL("payload is too long");
  memcpy(payload->bytes + payload->length, source, bytes);
  payload->length += bytes;
}
static inline void put_u32(struct payload *payload, uint32_t value) { put_bytes(payload, &value, 4); }
static inline void put_u64(struct payload *payload, uint64_t value) { put_bytes(payload, &value, 8); }
static inline void put_text(struct payload *payload, const char *text) {
  put_u32(payload, (uint32_t)strlen(text));
  put_bytes(payload, text, (uint32_t)strlen(text));
}

// TCP-2.
static inline void put_inet(struct payload *payload, const struct sockaddr_in *address) {
  const uint8_t rest[12] = {0};
  put_u32(payload, 4);
  put_u32(payload, ntohs(address->sin_port));
  put_bytes(payload, &address->sin_addr, 4);
  put_bytes(payload, rest, sizeof rest);
}

// The hello of the attach socket, HEL-1.
enum { HELLO_WORDS = 8, HELLO_DESCRIPTORS = 3 };

#endif
