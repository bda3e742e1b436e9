// Slots of streams, in the caller's array: which are free, and which one has an id.
//
// Invariant: a slot is found by its id, from StreamInfo until it is free; each id is in one slot. A stream whose serial
// is not the guest's belongs to an epoch that is over: no id leads to it.

#include "internal.h"

void rwi_streams_init(struct rw_guest *guest) {
  guest->free_head = guest->slots == 0 ? RWI_NONE : 0;
  guest->asked_head = guest->asked_tail = RWI_NONE;
  guest->hash_mask = 0;
  while (2 * guest->hash_mask + 2 <= guest->slots) guest->hash_mask = 2 * guest->hash_mask + 1;
  for (uint32_t slot = 0; slot < guest->slots; slot++) {
    struct rw_stream *stream = &guest->streams[slot];
    __builtin_memset(stream, 0, sizeof *stream);
    stream->guest = guest;
    stream->next = slot + 1 < guest->slots ? slot + 1 : RWI_NONE;
    stream->chain = stream->bucket = RWI_NONE;
  }
}

// The epoch is over: no id leads to a slot, and no StreamInfo will come.
void rwi_streams_lost(struct rw_guest *guest) {
  guest->asked_head = guest->asked_tail = RWI_NONE;
  for (uint32_t slot = 0; slot < guest->slots; slot++) {
    struct rw_stream *stream = &guest->streams[slot];
    stream->chain = stream->bucket = RWI_NONE;
    stream->due = 0;
    if (stream->state == RW_STREAM_DOOMED) rwi_stream_free(stream);
  }
}

static uint32_t *bucket_of(struct rw_guest *guest, uint32_t id) {
  return &guest->streams[id & guest->hash_mask].bucket;
}

// Hosts give ids out densely: a chain is one or two long. No host makes it longer than the number of slots.
struct rw_stream *rwi_stream_by_id(struct rw_guest *guest, uint32_t id) {
  if (guest->slots == 0) return 0;
  for (uint32_t slot = *bucket_of(guest, id); slot != RWI_NONE; slot = guest->streams[slot].chain)
    if (guest->streams[slot].id == id) return &guest->streams[slot];
  return 0;
}

void rwi_stream_link(struct rw_stream *stream) {
  uint32_t *bucket = bucket_of(stream->guest, stream->id);
  stream->chain = *bucket;
  *bucket = rw_stream_slot(stream);
}

static void unlink_id(struct rw_stream *stream) {
  struct rw_guest *guest = stream->guest;
  uint32_t slot = rw_stream_slot(stream);
  for (uint32_t *link = bucket_of(guest, stream->id); *link != RWI_NONE; link = &guest->streams[*link].chain) {
    if (*link != slot) continue;
    *link = stream->chain;
    break;
  }
  stream->chain = RWI_NONE;
}

void rwi_stream_free(struct rw_stream *stream) {
  struct rw_guest *guest = stream->guest;
  if (stream->serial == guest->serial && stream->id != 0) unlink_id(stream);
  stream->state = RW_STREAM_FREE;
  stream->id = stream->due = 0;
  stream->next = guest->free_head;
  guest->free_head = rw_stream_slot(stream);
}

void rwi_stream_due(struct rw_stream *stream) { stream->due = stream->guest->any_due = 1; }

struct rw_stream *rw_stream_at(struct rw_guest *guest, uint32_t slot) {
  return slot < guest->slots ? &guest->streams[slot] : 0;
}
uint32_t rw_stream_slot(const struct rw_stream *stream) { return (uint32_t)(stream - stream->guest->streams); }
uint32_t rw_stream_state(const struct rw_stream *stream) { return stream->state; }
uint32_t rw_stream_id(const struct rw_stream *stream) { return stream->id; }
uint32_t rw_stream_generation(const struct rw_stream *stream) { return stream->generation; }
uint32_t rw_stream_error(const struct rw_stream *stream) { return stream->error; }
uint32_t rw_stream_request(const struct rw_stream *stream) { return stream->request; }
uint32_t rw_stream_to_host_bytes(const struct rw_stream *stream) { return stream->to_host.capacity; }
uint32_t rw_stream_to_guest_bytes(const struct rw_stream *stream) { return stream->to_guest.capacity; }
