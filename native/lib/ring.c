// One direction of a pipe (PROTOCOL.md section 5).
//
//        read            write
//         v                v
//   ──────#################───────────     readable = write - read (mod 2^32), at most the capacity
//         consumer takes   producer puts
//
// Invariant: this side's position and the capacity are private; of the other side's position the last checked copy is,
// so 0 <= written - read <= capacity holds whatever the region says (RING-2, RING-4). The part at `own` is written here
// and nowhere else, the part at `other` by the host.
//
// SYNC  write position, stored in rwi_produced()      before   the host's load of it, then its copy out      (RING-3)
// SYNC  the host's store of it, after its bytes       before   the load in rwi_readable(), then our copy
// SYNC  position, then the load of want-x (produced, consumed)    against    want-x, then the load of the position
//       (want_space, want_data): all four seq-cst, so one of the two sides sees the other (RING-9)

#include "internal.h"

// ── Producer ────────────────────────────────────────────────────────────────────────────────────────────────────────

RWI_RING void rwi_producer_init(struct rw_producer *ring, uint8_t *header, uint8_t *data, uint32_t capacity,
                                uint32_t position) {
  ring->data = data;
  ring->own = (uint32_t *)(void *)(header + PIPE_TO_HOST_PRODUCER);
  ring->other = (uint32_t *)(void *)(header + PIPE_TO_HOST_CONSUMER);
  ring->capacity = capacity;
  ring->written = position;
  ring->read = position;
  ring->want_space = 0;
  ring->closed = CLOSED_OPEN;
  ring->abandoned = 0;
}

// Free bytes, or RW_BAD_POSITION (RING-4).
RWI_RING int32_t rwi_writable(struct rw_producer *ring) {
  uint32_t read = rwi_load(ring->other, PART_POSITION);
  uint32_t used = ring->written - read;
  if (used > ring->written - ring->read) return RW_BAD_POSITION;
  ring->read = read;
  return (int32_t)(ring->capacity - used);
}

// 1 once the host reads no more (RING-7), or RW_BAD_FLAG (RING-10).
RWI_RING int32_t rwi_abandoned(struct rw_producer *ring) {
  uint32_t closed = rwi_load(ring->other, PART_CLOSED);
  if (closed > 1 || closed < ring->abandoned) return RW_BAD_FLAG;
  ring->abandoned = closed;
  return (int32_t)closed;
}

// Of `writable` bytes, those in one piece from *at.
RWI_RING uint32_t rwi_producer_span(const struct rw_producer *ring, uint32_t writable, uint8_t **at) {
  uint32_t offset = ring->written & (ring->capacity - 1);
  *at = ring->data + offset;
  return rwi_min(writable, ring->capacity - offset);
}

// Copies in, `ahead` bytes past the write position; the caller has seen that there is room. rwi_produced() publishes.
RWI_RING void rwi_put(struct rw_producer *ring, uint32_t ahead, const void *bytes, uint32_t count) {
  if (count == 0) return;
  uint32_t offset = (ring->written + ahead) & (ring->capacity - 1);
  uint32_t first = rwi_min(count, ring->capacity - offset);
  rwi_copy(ring->data + offset, bytes, first);
  if (first < count) rwi_copy(ring->data, (const uint8_t *)bytes + first, count - first);
}

// Producer's steps 3 and 4: 1 where the host waits for data and must be signalled.
RWI_RING int32_t rwi_produced(struct rw_producer *ring, uint32_t count) {
  ring->written += count;
  rwi_store(ring->own, PART_POSITION, ring->written);
  return rwi_load(ring->other, PART_WANT) != 0;
}

// RING-9: announces, then looks again. 1: that much is free, or the host has closed; 0: wait; or a violation.
RWI_RING int32_t rwi_want_space(struct rw_producer *ring, uint32_t bytes) {
  if (ring->want_space != bytes) {
    ring->want_space = bytes;
    rwi_store(ring->own, PART_WANT, bytes);
  }
  int32_t writable = rwi_writable(ring);
  if (writable < 0) return writable;
  return (uint32_t)writable >= bytes ? 1 : rwi_abandoned(ring);
}

RWI_RING void rwi_unwant_space(struct rw_producer *ring) {
  if (ring->want_space == 0) return;
  ring->want_space = 0;
  rwi_store(ring->own, PART_WANT, 0);
}

// 1 where the word was stored: signal, always (RING-6).
RWI_RING int32_t rwi_producer_close(struct rw_producer *ring, uint32_t closed) {
  if (closed <= ring->closed) return 0;
  ring->closed = closed;
  rwi_store(ring->own, PART_CLOSED, closed);
  return 1;
}

// ── Consumer ────────────────────────────────────────────────────────────────────────────────────────────────────────

RWI_RING void rwi_consumer_init(struct rw_consumer *ring, uint8_t *header, uint8_t *data, uint32_t capacity,
                                uint32_t position) {
  ring->data = data;
  ring->own = (uint32_t *)(void *)(header + PIPE_TO_GUEST_CONSUMER);
  ring->other = (uint32_t *)(void *)(header + PIPE_TO_GUEST_PRODUCER);
  ring->capacity = capacity;
  ring->read = position;
  ring->written = position;
  ring->want_data = 0;
  ring->closed = 0;
  ring->peer_closed = CLOSED_OPEN;
  ring->ended = 0;
}

// Bytes to read, or RW_BAD_POSITION (RING-4).
RWI_RING int32_t rwi_readable(struct rw_consumer *ring) {
  if (ring->ended) return (int32_t)(ring->written - ring->read);
  uint32_t written = rwi_load(ring->other, PART_POSITION);
  uint32_t ahead = written - ring->read;
  if (ahead > ring->capacity || ahead < ring->written - ring->read) return RW_BAD_POSITION;
  ring->written = written;
  return (int32_t)ahead;
}

// The host's closed word, or RW_BAD_FLAG (RING-10). END is followed by a last look at the write position: "END seen,
// THEN the ring seen empty again" (RING-6) is then rwi_readable() == 0, and bytes put after END do not count.
RWI_RING int32_t rwi_peer_closed(struct rw_consumer *ring) {
  uint32_t closed = rwi_load(ring->other, PART_CLOSED);
  if (closed > CLOSED_RESET || closed < ring->peer_closed) return RW_BAD_FLAG;
  ring->peer_closed = closed;
  if (closed == CLOSED_END && !ring->ended) {
    int32_t readable = rwi_readable(ring);
    if (readable < 0) return readable;
    ring->ended = 1;
  }
  return (int32_t)closed;
}

RWI_RING uint32_t rwi_consumer_span(const struct rw_consumer *ring, uint32_t readable, uint8_t **at) {
  uint32_t offset = ring->read & (ring->capacity - 1);
  *at = ring->data + offset;
  return rwi_min(readable, ring->capacity - offset);
}

// Copies out, from `ahead` bytes past the first unread one; the caller has seen that they are there.
RWI_RING void rwi_peek(const struct rw_consumer *ring, uint32_t ahead, void *bytes, uint32_t count) {
  if (count == 0) return;
  uint32_t offset = (ring->read + ahead) & (ring->capacity - 1);
  uint32_t first = rwi_min(count, ring->capacity - offset);
  rwi_copy(bytes, ring->data + offset, first);
  if (first < count) rwi_copy((uint8_t *)bytes + first, ring->data, count - first);
}

// Consumer's steps 3 and 4: 1 where the host waits for space that is there now. The space as this side last saw the
// producer: it can only seem too large by what was written since, and a host that writes is awake.
RWI_RING int32_t rwi_consumed(struct rw_consumer *ring, uint32_t count) {
  ring->read += count;
  rwi_store(ring->own, PART_POSITION, ring->read);
  uint32_t want = rwi_load(ring->other, PART_WANT);
  return want != 0 && ring->capacity - (ring->written - ring->read) >= want;
}

// RING-9. 1: there is something, or the host has closed; 0: wait; or a violation.
RWI_RING int32_t rwi_want_data(struct rw_consumer *ring) {
  if (ring->want_data == 0) {
    ring->want_data = 1;
    rwi_store(ring->own, PART_WANT, 1);
  }
  int32_t readable = rwi_readable(ring);
  if (readable != 0) return readable < 0 ? readable : 1;
  int32_t closed = rwi_peer_closed(ring);
  return closed < 0 ? closed : closed != CLOSED_OPEN;
}

RWI_RING void rwi_unwant_data(struct rw_consumer *ring) {
  if (ring->want_data == 0) return;
  ring->want_data = 0;
  rwi_store(ring->own, PART_WANT, 0);
}

RWI_RING int32_t rwi_consumer_close(struct rw_consumer *ring) {
  if (ring->closed) return 0;
  ring->closed = 1;
  rwi_store(ring->own, PART_CLOSED, 1);
  return 1;
}
