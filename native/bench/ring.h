// One region as both sides of the benchmarks see it: layout, rings, doorbells, frames (PROTOCOL.md sections 4 to 7).
//
// Own positions, capacities and places live in these structures; the region holds published copies (RING-2, TRU-1).
// A word of the other side is loaded once, checked, and the local is used (TRU-2). Functions that look at one return
// VIOLATION where the other side broke the protocol.

#ifndef RINGWAY_BENCH_RING_H
#define RINGWAY_BENCH_RING_H

#include <stdatomic.h>

#include "common.h"

typedef _Atomic uint32_t word;

enum { VIOLATION = -1 };

// ── Layout ──────────────────────────────────────────────────────────────────────────────────────────────────────────

enum {
  PAGE = 4096,
  MAGIC_LOW = 0x474e4952,
  MAGIC_HIGH = 0x31594157,
  VERSION_MAJOR = 1,
  VERSION_MINOR = 0,
  MAX_STREAM_ID = 32767,
  MIN_RING_BYTES = 4 * KIB,
  MAX_RING_BYTES = 16 * MIB,
};

// Superblock, SB-1.
enum {
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
  SB_GUEST_VERSION_MINOR = 0x10c,
};

enum { HOST_ABSENT, HOST_READY, HOST_RESETTING, HOST_DRAINING, HOST_FAILED };  // SB-4
enum { GUEST_DETACHED, GUEST_ATTACHING, GUEST_ATTACHED };                      // SB-5

// Doorbell area, BELL-1: offsets within one direction's two pages.
enum {
  BELL_PAGES = 4,
  BELL_TO_HOST = 0,
  BELL_TO_GUEST = 2 * PAGE,
  BELL_ASLEEP = 0x000,
  BELL_TOP = 0x080,
  BELL_MIDDLE = 0x100,
  BELL_LEAF = 0x1000,
};

// Pipe header, PIPE-1: offsets of the four parts.
enum { TO_HOST_PRODUCER = 0x000, TO_HOST_CONSUMER = 0x080, TO_GUEST_PRODUCER = 0x100, TO_GUEST_CONSUMER = 0x180 };

// Words of a producer's or a consumer's part.
enum { POSITION, CLOSED, WANT };
// Values of CLOSED, RING-6 and RING-7.
enum { OPEN = 0, END = 1, RESET = 2, CONSUMER_CLOSED = 1 };

static inline word *word_at(uint8_t *base, size_t offset) { return (word *)(void *)(base + offset); }

struct place {
  uint32_t page, to_host_bytes, to_guest_bytes;
};

static inline uint64_t pipe_pages(uint32_t to_host_bytes, uint32_t to_guest_bytes) {
  return 1 + (uint64_t)to_host_bytes / PAGE + (uint64_t)to_guest_bytes / PAGE;
}

// ── Rings, section 5 ────────────────────────────────────────────────────────────────────────────────────────────────

struct producer {
  word *own, *other;
  uint8_t *data;
  uint32_t capacity, written, read;  // `read`: the last checked copy
};

struct consumer {
  word *own, *other;
  uint8_t *data;
  uint32_t capacity, read, written, peer_closed;  // the last two: the last checked copies
};

static inline void to_host_consumer(struct consumer *ring, uint8_t *region, const struct place *place) {
  uint8_t *header = region + (size_t)place->page * PAGE;
  *ring = (struct consumer){.own = word_at(header, TO_HOST_CONSUMER),
                            .other = word_at(header, TO_HOST_PRODUCER),
                            .data = header + PAGE,
                            .capacity = place->to_host_bytes};
}

static inline void to_guest_producer(struct producer *ring, uint8_t *region, const struct place *place) {
  uint8_t *header = region + (size_t)place->page * PAGE;
  *ring = (struct producer){.own = word_at(header, TO_GUEST_PRODUCER),
                            .other = word_at(header, TO_GUEST_CONSUMER),
                            .data = header + PAGE + place->to_host_bytes,
                            .capacity = place->to_guest_bytes};
}

static inline void to_host_producer(struct producer *ring, uint8_t *region, const struct place *place) {
  uint8_t *header = region + (size_t)place->page * PAGE;
  *ring = (struct producer){.own = word_at(header, TO_HOST_PRODUCER),
                            .other = word_at(header, TO_HOST_CONSUMER),
                            .data = header + PAGE,
                            .capacity = place->to_host_bytes};
}

static inline void to_guest_consumer(struct consumer *ring, uint8_t *region, const struct place *place) {
  uint8_t *header = region + (size_t)place->page * PAGE;
  *ring = (struct consumer){.own = word_at(header, TO_GUEST_CONSUMER),
                            .other = word_at(header, TO_GUEST_PRODUCER),
                            .data = header + PAGE + place->to_host_bytes,
                            .capacity = place->to_guest_bytes};
}

// Free bytes, or VIOLATION (RING-4). Acquires the consumer's release of the space.
static inline int32_t producer_free(struct producer *ring) {
  const uint32_t read = atomic_load_explicit(&ring->other[POSITION], memory_order_acquire);
  const uint32_t used = ring->written - read;
  if (used > ring->written - ring->read) return VIOLATION;
  ring->read = read;
  return (int32_t)(ring->capacity - used);
}

static inline uint8_t *producer_span(const struct producer *ring, uint32_t free, uint32_t *bytes) {
  const uint32_t offset = ring->written & (ring->capacity - 1);
  *bytes = min_u32(free, ring->capacity - offset);
  return ring->data + offset;
}

// Copies in, `at` bytes past the write position; publishes nothing.
static inline void producer_put(struct producer *ring, uint32_t at, const void *source, uint32_t bytes) {
  if (bytes == 0) return;
  const uint32_t offset = (ring->written + at) & (ring->capacity - 1);
  const uint32_t first = min_u32(bytes, ring->capacity - offset);
  memcpy(ring->data + offset, source, first);
  memcpy(ring->data, (const uint8_t *)source + first, bytes - first);
}

// Producer's steps 3 and 4. True: signal the stream.
static inline bool producer_advance(struct producer *ring, uint32_t bytes) {
  ring->written += bytes;
  atomic_store(&ring->own[POSITION], ring->written);
  return atomic_load(&ring->other[WANT]) != 0;
}

// RING-9: true where there is no need to wait. 0 withdraws the wish.
static inline int32_t producer_want(struct producer *ring, uint32_t bytes) {
  atomic_store(&ring->own[WANT], bytes);
  if (bytes == 0) return 1;
  const int32_t free = producer_free(ring);
  if (free == VIOLATION) return VIOLATION;
  return (uint32_t)free >= bytes || atomic_load(&ring->other[CLOSED]) != 0;
}

// Readable bytes, or VIOLATION (RING-4). Acquires the producer's release of the bytes.
static inline int32_t consumer_readable(struct consumer *ring) {
  const uint32_t written = atomic_load_explicit(&ring->other[POSITION], memory_order_acquire);
  const uint32_t ahead = written - ring->read;
  if (ahead > ring->capacity || ahead < ring->written - ring->read) return VIOLATION;
  ring->written = written;
  return (int32_t)ahead;
}

// The producer's closed word, or VIOLATION (RING-10).
static inline int32_t consumer_peer_closed(struct consumer *ring) {
  const uint32_t closed = atomic_load_explicit(&ring->other[CLOSED], memory_order_acquire);
  if (closed > RESET || closed < ring->peer_closed) return VIOLATION;
  ring->peer_closed = closed;
  return (int32_t)closed;
}

static inline uint8_t *consumer_span(const struct consumer *ring, uint32_t readable, uint32_t *bytes) {
  const uint32_t offset = ring->read & (ring->capacity - 1);
  *bytes = min_u32(readable, ring->capacity - offset);
  return ring->data + offset;
}

// Copies out, from `at` bytes past the read position; gives nothing back.
static inline void consumer_copy(const struct consumer *ring, uint32_t at, void *target, uint32_t bytes) {
  const uint32_t offset = (ring->read + at) & (ring->capacity - 1);
  const uint32_t first = min_u32(bytes, ring->capacity - offset);
  memcpy(target, ring->data + offset, first);
  memcpy((uint8_t *)target + first, ring->data, bytes - first);
}

// Consumer's steps 3 and 4. True: signal the stream.
static inline bool consumer_advance(struct consumer *ring, uint32_t bytes) {
  ring->read += bytes;
  atomic_store(&ring->own[POSITION], ring->read);
  const uint32_t want = atomic_load(&ring->other[WANT]);
  return want != 0 && ring->capacity - (ring->written - ring->read) >= want;
}

// RING-9: 1 where there is no need to wait.
static inline int32_t consumer_want(struct consumer *ring) {
  atomic_store(&ring->own[WANT], 1);
  const int32_t readable = consumer_readable(ring);
  if (readable != 0) return readable == VIOLATION ? VIOLATION : 1;
  const int32_t closed = consumer_peer_closed(ring);
  return closed == VIOLATION ? VIOLATION : closed != OPEN;
}

static inline void consumer_unwant(struct consumer *ring) { atomic_store(&ring->own[WANT], 0); }

// ── Doorbells, section 6 ────────────────────────────────────────────────────────────────────────────────────────────

struct bell {
  uint8_t *area;
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
  if (atomic_fetch_or(word_at(bell->area, BELL_LEAF + 4 * leaf), leaf_bit) & leaf_bit) return;
  if ((atomic_fetch_or(word_at(bell->area, BELL_MIDDLE + 4 * middle), middle_bit) & middle_bit) == 0) {
    atomic_fetch_or(word_at(bell->area, BELL_TOP), 1u << middle);
  }
  word *asleep = word_at(bell->area, BELL_ASLEEP);
  if (atomic_load(asleep) != 0 && atomic_exchange(asleep, 0) != 0) bell_ring(bell);
}

static inline bool bell_pending(const struct bell *bell) {
  return atomic_load(word_at(bell->area, BELL_TOP)) != 0;
}

// BELL-4. `ids` has room for every id; returns how many there are.
static inline uint32_t bell_take(const struct bell *bell, uint16_t ids[MAX_STREAM_ID + 1]) {
  if (!bell_pending(bell)) return 0;
  uint32_t count = 0;
  for (uint32_t top = atomic_exchange(word_at(bell->area, BELL_TOP), 0); top != 0; top &= top - 1) {
    const uint32_t m = (uint32_t)__builtin_ctz(top);
    for (uint32_t middle = atomic_exchange(word_at(bell->area, BELL_MIDDLE + 4 * m), 0); middle != 0;
         middle &= middle - 1) {
      const uint32_t l = 32 * m + (uint32_t)__builtin_ctz(middle);
      for (uint32_t leaf = atomic_exchange(word_at(bell->area, BELL_LEAF + 4 * l), 0); leaf != 0;
           leaf &= leaf - 1) {
        ids[count++] = (uint16_t)(32 * l + (uint32_t)__builtin_ctz(leaf));
      }
    }
  }
  return count;
}

static inline void bell_awake(const struct bell *bell) {
  atomic_store(word_at(bell->area, BELL_ASLEEP), 0);
}

// BELL-5. False: something is pending, do not wait.
static inline bool bell_prepare_sleep(const struct bell *bell) {
  atomic_store(word_at(bell->area, BELL_ASLEEP), 1);
  if (!bell_pending(bell)) return true;
  bell_awake(bell);
  return false;
}

// ── Frames, section 7 ───────────────────────────────────────────────────────────────────────────────────────────────

enum { FRAME_HEADER = 12, FRAME_PAYLOAD_MAX = 65600 };

enum {
  TYPE_ERROR = 0x8001,
  TYPE_NEW_STREAM = 0x0101,
  TYPE_STREAM_INFO = 0x8101,
  TYPE_PING = 0x0105,
  TYPE_PONG = 0x8105,
  TYPE_OPEN = 0x0201,
  TYPE_OPENED = 0x8201,
  TYPE_REFUSED = 0x8202,
};

enum { PROTOCOL_ECHO = 1, PROTOCOL_TCP_CONNECT = 2, PROTOCOL_FILE_STREAM = 5 };  // STR-4

struct frame {
  uint32_t bytes, type, request;
  uint8_t payload[FRAME_PAYLOAD_MAX];
};

// 1: `frame` holds the next one, a private copy, and the ring still holds it too (consumer_advance by
// FRAME_HEADER + bytes takes it). 0: it is not all there. VIOLATION: FRM-3.
static inline int32_t frame_peek(struct consumer *ring, struct frame *frame) {
  const int32_t readable = consumer_readable(ring);
  if (readable == VIOLATION) return VIOLATION;
  if (readable < FRAME_HEADER) return 0;
  consumer_copy(ring, 0, frame, FRAME_HEADER);
  if (frame->bytes > FRAME_PAYLOAD_MAX || frame->bytes + FRAME_HEADER > ring->capacity) return VIOLATION;
  if ((uint32_t)readable < FRAME_HEADER + frame->bytes) return 0;
  consumer_copy(ring, FRAME_HEADER, frame->payload, frame->bytes);
  return 1;
}

// Puts a frame and returns its bytes, for producer_advance(). The caller has seen that it fits.
static inline uint32_t frame_put(struct producer *ring, uint32_t type, uint32_t request, const void *payload,
                                 uint32_t bytes) {
  const uint32_t header[3] = {bytes, type, request};
  producer_put(ring, 0, header, FRAME_HEADER);
  producer_put(ring, FRAME_HEADER, payload, bytes);
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

static inline uint32_t get_u32(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return value;
}

// The hello of the attach socket, HEL-1.
enum { HELLO_WORDS = 8, HELLO_DESCRIPTORS = 3 };

#endif
