// A host for the unit tests, honest unless told otherwise: it plays PROTOCOL.md's other side on a region of its own.

#ifndef TEST_HOST_H
#define TEST_HOST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define CHECK(condition)                                                              \
  do {                                                                                \
    if (!(condition)) {                                                               \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, __func__, #condition); \
      exit(1);                                                                        \
    }                                                                                 \
  } while (0)
#define IS(left, right)                                                                                          \
  do {                                                                                                           \
    long long l_ = (long long)(left), r_ = (long long)(right);                                                   \
    if (l_ != r_) {                                                                                              \
      fprintf(stderr, "%s:%d: %s: %s is %lld, not %lld\n", __FILE__, __LINE__, __func__, #left, l_, r_);         \
      exit(1);                                                                                                   \
    }                                                                                                            \
  } while (0)

enum { BELL_PAGE = 1, CONTROL_PAGE = 5, CONTROL_BYTES = 4096, HEAP_PAGE = 8, RING = 4096, HOST_STREAMS = 64 };
enum { REGION_PAGES = HEAP_PAGE + 3 * HOST_STREAMS, SLOTS = 8 };

// The host's ends use the guest's ring code, mirrored: what is tested with an oracle in unit.c serves here.
struct host {
  uint8_t *region;
  uint32_t *sb;
  struct rw_consumer requests;
  struct rw_producer replies;
  struct {
    struct rw_consumer to_host;
    struct rw_producer to_guest;
  } streams[HOST_STREAMS];
  struct rw_guest guest;
  struct rw_stream slots[SLOTS];
  uint8_t scratch[RW_FRAME_PAYLOAD_MAX];
  uint32_t rung;
};

static inline uint32_t word(const struct host *h, uint32_t offset) { return rwi_load(h->sb, offset); }
static inline void set(struct host *h, uint32_t offset, uint32_t value) { rwi_store(h->sb, offset, value); }

// The ends of the other side: the parts of a ring lie 0x100 from where the guest's own ring has them.
static inline void mirror(struct rw_consumer *to_host, struct rw_producer *to_guest, uint8_t *header,
                          uint32_t to_host_bytes, uint32_t to_guest_bytes) {
  rwi_consumer_init(to_host, header, header + RW_PAGE_BYTES, to_host_bytes, 0);
  rwi_producer_init(to_guest, header, header + RW_PAGE_BYTES + to_host_bytes, to_guest_bytes, 0);
  to_host->own = (uint32_t *)(void *)(header + PIPE_TO_HOST_CONSUMER);
  to_host->other = (uint32_t *)(void *)(header + PIPE_TO_HOST_PRODUCER);
  to_guest->own = (uint32_t *)(void *)(header + PIPE_TO_GUEST_PRODUCER);
  to_guest->other = (uint32_t *)(void *)(header + PIPE_TO_GUEST_CONSUMER);
}

static inline void count_ring(void *context) { ++*(uint32_t *)context; }

static inline void superblock(struct host *h) {
  memset(h->region, 0, (size_t)REGION_PAGES * RW_PAGE_BYTES);
  set(h, SB_MAGIC_LOW, RWI_MAGIC_LOW);
  set(h, SB_MAGIC_HIGH, RWI_MAGIC_HIGH);
  set(h, SB_VERSION_MAJOR, 1);
  set(h, SB_REGION_PAGES, REGION_PAGES);
  set(h, SB_BELL_PAGE, BELL_PAGE);
  set(h, SB_CONTROL_PAGE, CONTROL_PAGE);
  set(h, SB_CONTROL_TO_HOST_BYTES, CONTROL_BYTES);
  set(h, SB_CONTROL_TO_GUEST_BYTES, CONTROL_BYTES);
  set(h, SB_MAX_STREAM_ID, 32767);
}

static inline int32_t init_guest(struct host *h) {
  int32_t status = rw_guest_init(&h->guest, h->region, REGION_PAGES, h->slots, SLOTS, h->scratch, sizeof h->scratch);
  rw_guest_bell(&h->guest, count_ring, &h->rung);
  return status;
}

// A region of exactly its size, so that a sanitizer sees a byte beyond it.
static inline struct host *new_host(void) {
  struct host *h = calloc(1, sizeof *h);
  h->region = aligned_alloc(RW_PAGE_BYTES, (size_t)REGION_PAGES * RW_PAGE_BYTES);
  CHECK(h && h->region);
  h->sb = (uint32_t *)(void *)h->region;
  superblock(h);
  return h;
}

static inline void free_host(struct host *h) {
  free(h->region);
  free(h);
}

static inline uint8_t *page(struct host *h, uint32_t number) { return h->region + (size_t)number * RW_PAGE_BYTES; }
// Stream 1 lies at the very end, so that a step beyond its rings is a step out of the region.
static inline uint32_t stream_page(uint32_t id) { return REGION_PAGES - 3 * id; }

// ATT-3.
static inline void answer_attach(struct host *h) {
  memset(page(h, BELL_PAGE), 0, 4 * RW_PAGE_BYTES);
  memset(page(h, CONTROL_PAGE), 0, RW_PAGE_BYTES);
  mirror(&h->requests, &h->replies, page(h, CONTROL_PAGE), CONTROL_BYTES, CONTROL_BYTES);
  rwi_want_data(&h->requests);
  set(h, SB_EPOCH, word(h, SB_EPOCH) + 1);
  set(h, SB_HOST_STATE, RW_HOST_READY);
  set(h, SB_ATTACH_REPLY, word(h, SB_ATTACH_REQUEST));
}

static inline struct host *attached(void) {
  struct host *h = new_host();
  IS(init_guest(h), RW_OK);
  IS(rw_guest_attach(&h->guest), RW_OK);
  IS(rw_poll(&h->guest), RW_AGAIN);
  answer_attach(h);
  IS(rw_poll(&h->guest), RW_OK);
  return h;
}

// The host marks a stream for the guest.
static inline void bell_guest(struct host *h, uint32_t id) {
  uint32_t *bell = (uint32_t *)(void *)(page(h, BELL_PAGE) + BELL_TO_GUEST);
  rwi_or(bell, BELL_LEAF + 4 * (id >> 5), 1u << (id & 31));
  rwi_or(bell, BELL_MIDDLE + 4 * (id >> 10), 1u << ((id >> 5) & 31));
  rwi_or(bell, BELL_TOP, 1u << (id >> 10));
}

static inline void put_frame(struct host *h, uint32_t id, struct rw_producer *ring, uint32_t type, uint32_t request,
                             const void *payload, uint32_t bytes) {
  uint8_t header[12];
  rwi_put_u32(header, bytes);
  rwi_put_u32(header + 4, type);
  rwi_put_u32(header + 8, request);
  CHECK(rwi_writable(ring) >= (int32_t)(12 + bytes));
  rwi_put(ring, 0, header, 12);
  rwi_put(ring, 12, payload, bytes);
  rwi_produced(ring, 12 + bytes);
  bell_guest(h, id);
}

// Takes one frame that the guest has sent: its type, or 0.
static inline uint32_t take_frame(struct rw_consumer *ring, uint32_t *request, uint8_t *payload, uint32_t *bytes) {
  uint8_t header[12];
  int32_t readable = rwi_readable(ring);
  if (readable < 12) return 0;
  rwi_peek(ring, 0, header, 12);
  uint32_t length = rwi_u32(header);
  CHECK((uint32_t)readable >= 12 + length);
  if (payload) rwi_peek(ring, 12, payload, length);
  if (bytes) *bytes = length;
  if (request) *request = rwi_u32(header + 8);
  rwi_consumed(ring, 12 + length);
  return rwi_u32(header + 4);
}

static inline void info(uint8_t payload[20], uint32_t id, uint32_t generation, uint32_t at, uint32_t to_host,
                        uint32_t to_guest) {
  rwi_put_u32(payload, id);
  rwi_put_u32(payload + 4, generation);
  rwi_put_u32(payload + 8, at);
  rwi_put_u32(payload + 12, to_host);
  rwi_put_u32(payload + 16, to_guest);
}

// Answers the NewStream that waits with stream `id`.
static inline void give_stream(struct host *h, uint32_t id) {
  uint8_t payload[20];
  uint32_t request;
  IS(take_frame(&h->requests, &request, 0, 0), RW_T_NEW_STREAM);
  memset(page(h, stream_page(id)), 0, RW_PAGE_BYTES);
  mirror(&h->streams[id].to_host, &h->streams[id].to_guest, page(h, stream_page(id)), RING, RING);
  rwi_want_data(&h->streams[id].to_host);
  info(payload, id, 1, stream_page(id), RING, RING);
  put_frame(h, 0, &h->replies, RW_T_STREAM_INFO, request, payload, 20);
}

static inline int32_t take_one(struct host *h) {
  uint32_t slot = 12345;
  int32_t count = rw_take_pending(&h->guest, &slot, 1);
  if (count < 0) return count;
  return count == 0 ? -1000 : (int32_t)slot;
}

static inline struct rw_stream *fresh_stream(struct host *h, uint32_t id) {
  int32_t slot = rw_stream_new(&h->guest, 0, 0);
  CHECK(slot >= 0);
  give_stream(h, id);
  IS(take_one(h), slot);
  struct rw_stream *stream = rw_stream_at(&h->guest, (uint32_t)slot);
  IS(rw_stream_state(stream), RW_STREAM_FRESH);
  IS(rw_stream_id(stream), id);
  return stream;
}

// A stream of the protocol "echo" whose host end the test plays by hand.
static inline struct rw_stream *running_stream(struct host *h, uint32_t id) {
  struct rw_stream *stream = fresh_stream(h, id);
  uint32_t request;
  IS(rw_echo(stream), RW_OK);
  IS(take_frame(&h->streams[id].to_host, &request, 0, 0), RW_T_OPEN);
  IS(rw_opened(stream, 0, 0, 0), RW_AGAIN);
  put_frame(h, id, &h->streams[id].to_guest, RW_T_OPENED, request, 0, 0);
  IS(take_one(h), (int32_t)rw_stream_slot(stream));
  IS(rw_opened(stream, 0, 0, 0), RW_OK);
  return stream;
}

// xorshift32: the same numbers for the same seed.
static inline uint32_t draw(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

#endif
