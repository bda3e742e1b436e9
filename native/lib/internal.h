// Shared words, and what the files of the library share. Not for programs.
//
// A shared word is touched by the four functions here and by nothing else: one access each, so it is loaded once
// (TRU-2), and the orderings of PROTOCOL.md section 2 stand in their names.

#ifndef RINGWAY_INTERNAL_H
#define RINGWAY_INTERNAL_H

#include "ringway.h"

typedef __SIZE_TYPE__ rwi_size;

#define RWI_NONE 0xffffffffu // no slot

// ── Layout: section 4 as named offsets, in bytes ────────────────────────────────────────────────────────────────────

#define RWI_MAGIC_LOW 0x474e4952u  // "RING"
#define RWI_MAGIC_HIGH 0x31594157u // "WAY1"

enum { // SB-1
  SB_MAGIC_LOW = 0x000,
  SB_MAGIC_HIGH = 0x004,
  SB_VERSION_MAJOR = 0x008,
  SB_VERSION_MINOR = 0x00c,
  SB_REGION_PAGES = 0x010,
  SB_BELL_PAGE = 0x018,
  SB_CONTROL_PAGE = 0x01c,
  SB_CONTROL_TO_HOST_BYTES = 0x020,
  SB_CONTROL_TO_GUEST_BYTES = 0x024,
  SB_MAX_STREAM_ID = 0x028,
  SB_EPOCH = 0x080,
  SB_HOST_STATE = 0x084,
  SB_ATTACH_REPLY = 0x088,
  SB_VIOLATION = 0x08c,
  SB_ATTACH_REQUEST = 0x100,
  SB_GUEST_STATE = 0x104,
  SB_FEATURES_ACCEPTED = 0x108,
  SB_GUEST_VERSION_MINOR = 0x10c,
  SB_GUEST_HEARTBEAT = 0x200,
};

enum { GUEST_DETACHED, GUEST_ATTACHING, GUEST_ATTACHED }; // SB-5

enum { // BELL-1, within one direction's two pages
  BELL_PAGES = 4,
  BELL_TO_GUEST = 2 * RW_PAGE_BYTES,
  BELL_ASLEEP = 0x000,
  BELL_TOP = 0x080,
  BELL_MIDDLE = 0x100,
  BELL_LEAF = 0x1000,
};

enum { // PIPE-1
  PIPE_TO_HOST_PRODUCER = 0x000,
  PIPE_TO_HOST_CONSUMER = 0x080,
  PIPE_TO_GUEST_PRODUCER = 0x100,
  PIPE_TO_GUEST_CONSUMER = 0x180,
};

enum { PART_POSITION = 0, PART_CLOSED = 4, PART_WANT = 8 }; // both parts of a ring
enum { CLOSED_OPEN, CLOSED_END, CLOSED_RESET };             // RING-6

// ── Shared words ────────────────────────────────────────────────────────────────────────────────────────────────────

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define RWI_LE(x) __builtin_bswap32(x)
#else
#define RWI_LE(x) (x)
#endif

// Sequentially consistent throughout (section 2 allows it): the loads are plain ones on most machines, and each store
// below either publishes a position, which is followed by a load that must not pass it, or is rare.
static inline uint32_t rwi_load(const uint32_t *base, uint32_t offset) {
  return RWI_LE(__atomic_load_n(base + offset / 4, __ATOMIC_SEQ_CST));
}
static inline void rwi_store(uint32_t *base, uint32_t offset, uint32_t value) {
  __atomic_store_n(base + offset / 4, RWI_LE(value), __ATOMIC_SEQ_CST);
}
static inline uint32_t rwi_exchange(uint32_t *base, uint32_t offset, uint32_t value) {
  return RWI_LE(__atomic_exchange_n(base + offset / 4, RWI_LE(value), __ATOMIC_SEQ_CST));
}
static inline uint32_t rwi_or(uint32_t *base, uint32_t offset, uint32_t bits) {
  return RWI_LE(__atomic_fetch_or(base + offset / 4, RWI_LE(bits), __ATOMIC_SEQ_CST));
}

static inline uint32_t *rwi_superblock(const struct rw_guest *guest) { return (uint32_t *)(void *)guest->region; }

// ── Private memory ──────────────────────────────────────────────────────────────────────────────────────────────────

// After a copy out of the region: what follows reads the copy, never the region again (TRU-3).
static inline void rwi_copy(void *to, const void *from, uint32_t bytes) {
  __builtin_memcpy(to, from, bytes);
  __asm__ __volatile__("" ::: "memory");
}

static inline uint32_t rwi_u32(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}
static inline void rwi_put_u32(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)value;
  at[1] = (uint8_t)(value >> 8);
  at[2] = (uint8_t)(value >> 16);
  at[3] = (uint8_t)(value >> 24);
}
static inline uint32_t rwi_min(uint32_t a, uint32_t b) { return a < b ? a : b; }

// ── ring.c ──────────────────────────────────────────────────────────────────────────────────────────────────────────

// How its functions are declared: a program whose work is mostly the ring may compile it into itself, as
// bench/ring.h does, with `static inline` here.
#ifndef RWI_RING
#define RWI_RING
#endif

RWI_RING void rwi_producer_init(struct rw_producer *ring, uint8_t *header, uint8_t *data, uint32_t capacity,
                                uint32_t position);
RWI_RING int32_t rwi_writable(struct rw_producer *ring);
RWI_RING int32_t rwi_abandoned(struct rw_producer *ring);
RWI_RING uint32_t rwi_producer_span(const struct rw_producer *ring, uint32_t writable, uint8_t **at);
RWI_RING void rwi_put(struct rw_producer *ring, uint32_t ahead, const void *bytes, uint32_t count);
RWI_RING int32_t rwi_produced(struct rw_producer *ring, uint32_t count);
RWI_RING int32_t rwi_want_space(struct rw_producer *ring, uint32_t bytes);
RWI_RING void rwi_unwant_space(struct rw_producer *ring);
RWI_RING int32_t rwi_producer_close(struct rw_producer *ring, uint32_t closed);

RWI_RING void rwi_consumer_init(struct rw_consumer *ring, uint8_t *header, uint8_t *data, uint32_t capacity,
                                uint32_t position);
RWI_RING int32_t rwi_readable(struct rw_consumer *ring);
RWI_RING int32_t rwi_peer_closed(struct rw_consumer *ring);
RWI_RING uint32_t rwi_consumer_span(const struct rw_consumer *ring, uint32_t readable, uint8_t **at);
RWI_RING void rwi_peek(const struct rw_consumer *ring, uint32_t ahead, void *bytes, uint32_t count);
RWI_RING int32_t rwi_consumed(struct rw_consumer *ring, uint32_t count);
RWI_RING int32_t rwi_want_data(struct rw_consumer *ring);
RWI_RING void rwi_unwant_data(struct rw_consumer *ring);
RWI_RING int32_t rwi_consumer_close(struct rw_consumer *ring);

// ── status.c, layout.c ──────────────────────────────────────────────────────────────────────────────────────────────

// Remembers the first violation of the host's (ERR-5); passes other statuses through.
int32_t rwi_check(struct rw_guest *guest, int32_t status);

int32_t rwi_check_version(const struct rw_guest *guest);
int32_t rwi_read_layout(struct rw_guest *guest);
int32_t rwi_check_place(const struct rw_guest *guest, uint32_t page, uint32_t to_host_bytes, uint32_t to_guest_bytes);
void rwi_pipe_init(struct rw_guest *guest, struct rw_producer *to_host, struct rw_consumer *to_guest, uint32_t page,
                   uint32_t to_host_bytes, uint32_t to_guest_bytes);

// ── bell.c, pending.c ───────────────────────────────────────────────────────────────────────────────────────────────

void rwi_ring(struct rw_guest *guest);
void rwi_signal(struct rw_guest *guest, uint32_t id);

void rwi_awake(struct rw_guest *guest);
// The next pending id, or RWI_NONE. Each call of rwi_take_begin() allows one look at top.
void rwi_take_begin(struct rw_guest *guest);
uint32_t rwi_take_next(struct rw_guest *guest);

// ── frame.c ─────────────────────────────────────────────────────────────────────────────────────────────────────────

uint32_t rwi_request_id(uint32_t *next);
int32_t rwi_frame_send(struct rw_guest *guest, uint32_t id, struct rw_producer *ring, uint32_t type, uint32_t request,
                       const void *fields, uint32_t fields_bytes, const void *data, uint32_t data_bytes);
int32_t rwi_frame_peek(struct rw_consumer *ring, struct rw_frame *frame);
void rwi_frame_copy(const struct rw_consumer *ring, const struct rw_frame *frame, uint8_t *to, uint32_t bytes);
void rwi_frame_drop(struct rw_guest *guest, uint32_t id, struct rw_consumer *ring, const struct rw_frame *frame);
int32_t rwi_known_type(uint32_t type);
// Error and Refused at the head of a ring: errno and texts, or errno alone where they do not fit the buffer.
int32_t rwi_frame_error(const struct rw_consumer *ring, struct rw_frame *frame, uint8_t *buffer, uint32_t buffer_bytes,
                        uint32_t *error);

// ── open.c ──────────────────────────────────────────────────────────────────────────────────────────────────────────

// RW_OK where Open may be sent.
int32_t rwi_fresh(const struct rw_stream *stream);
// Open. `encoded`: a body in the scratch, or a status.
int32_t rwi_open_scratch(struct rw_stream *stream, uint32_t protocol, int32_t encoded);

// ── slots.c, stream.c ───────────────────────────────────────────────────────────────────────────────────────────────

void rwi_streams_init(struct rw_guest *guest);
void rwi_streams_lost(struct rw_guest *guest);
struct rw_stream *rwi_stream_by_id(struct rw_guest *guest, uint32_t id);
void rwi_stream_link(struct rw_stream *stream);
void rwi_stream_free(struct rw_stream *stream);
void rwi_stream_due(struct rw_stream *stream);
void rwi_stream_shut(struct rw_stream *stream, uint32_t closed);

// ── control.c, region.c ─────────────────────────────────────────────────────────────────────────────────────────────

void rwi_control_begin(struct rw_guest *guest);
int32_t rwi_control_step(struct rw_guest *guest, uint32_t *slots, uint32_t most);
uint32_t rwi_next_attach_request(uint32_t request, uint32_t reply, uint32_t largest);

#endif
