// Streams (PROTOCOL.md sections 10 to 15): from NewStream to the second closed word.
//
//   FREE ─ rw_stream_new ─▶ ASKED ─ StreamInfo ─▶ FRESH ─ rw_open ─▶ OPENING ─ Opened ─▶ RUNNING
//                             │ Error               │ rw_accept        │ Refused            ▲
//                             ▼                     ▼                  ▼                    │
//                          REFUSED               POSTED             REFUSED                 │
//                                                   └────────────── Incoming ───────────────┘
//   each of them ─ rw_close ─▶ FREE; ASKED over DOOMED, until StreamInfo has come
//
// Invariant: a slot is found by its id, from StreamInfo until it is free; each id is in one slot. Once both of this
// side's closed words are stored its block is not touched again, whatever is called (STR-7). A stream whose serial is
// not the guest's belongs to an epoch that is over; its memory is not touched either.

#include "internal.h"

// ── Slots ───────────────────────────────────────────────────────────────────────────────────────────────────────────

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

static int32_t usable(const struct rw_stream *stream) {
  const struct rw_guest *guest = stream->guest;
  if (!guest || stream->state == RW_STREAM_FREE || stream->state == RW_STREAM_DOOMED) return RW_STATE;
  if (guest->broken) return guest->broken;
  if (guest->state == RW_GUEST_ATTACHED && stream->serial == guest->serial) return RW_OK;
  return guest->state == RW_GUEST_BLAMED ? RW_FAILED : RW_LOST;
}

static int32_t checked(struct rw_stream *stream, int32_t status) { return rwi_check(stream->guest, status); }

// RW_OK once the stream is there.
static int32_t given(const struct rw_stream *stream) {
  int32_t status = usable(stream);
  if (status != RW_OK) return status;
  if (stream->state == RW_STREAM_ASKED) return RW_AGAIN;
  return stream->state == RW_STREAM_REFUSED ? RW_REFUSED : RW_OK;
}

// The host reads no more: because it broke, or only because it has enough?
static int32_t why_closed(struct rw_stream *stream) {
  int32_t closed = rwi_peer_closed(&stream->to_guest);
  if (closed < 0) return checked(stream, closed);
  return closed == CLOSED_RESET ? RW_RESET : RW_CLOSED;
}

// ── Open ────────────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t fresh(const struct rw_stream *stream) {
  int32_t status = given(stream);
  if (status != RW_OK) return status;
  return stream->state == RW_STREAM_FRESH ? RW_OK : RW_STATE;
}

static int32_t send(struct rw_stream *stream, uint32_t type, uint32_t *request, const void *fields,
                    uint32_t fields_bytes, const void *data, uint32_t data_bytes) {
  struct rw_guest *guest = stream->guest;
  uint32_t id = rwi_request_id(&guest->next_stream_request);
  int32_t status =
      rwi_frame_send(guest, stream->id, &stream->to_host, type, id, fields, fields_bytes, data, data_bytes);
  if (status == RW_CLOSED) return stream->to_host.closed ? RW_CLOSED : why_closed(stream);
  if (status == RW_OK) *request = id;
  return status;
}

int32_t rw_open(struct rw_stream *stream, uint32_t protocol, const void *body, uint32_t body_bytes) {
  int32_t status = fresh(stream);
  if (status != RW_OK) return status;
  uint8_t fields[4];
  rwi_put_u32(fields, protocol);
  status = send(stream, RW_T_OPEN, &stream->request, fields, sizeof fields, body, body_bytes);
  if (status == RW_OK) stream->state = RW_STREAM_OPENING;
  return status;
}

int32_t rw_stream_raw(struct rw_stream *stream) {
  int32_t status = fresh(stream);
  if (status == RW_OK) stream->state = RW_STREAM_RUNNING;
  return status;
}

int32_t rw_echo(struct rw_stream *stream) { return rw_open(stream, RW_ECHO, 0, 0); }
int32_t rw_fs(struct rw_stream *stream) { return rw_open(stream, RW_FS, 0, 0); }

// `encoded`: a body in the scratch, or a status.
static int32_t open_scratch(struct rw_stream *stream, uint32_t protocol, int32_t encoded) {
  return encoded < 0 ? encoded : rw_open(stream, protocol, stream->guest->scratch, (uint32_t)encoded);
}

int32_t rw_connect(struct rw_stream *stream, const void *host, uint32_t host_bytes, uint32_t port,
                   uint32_t timeout_ms) {
  int32_t status = fresh(stream);
  if (status != RW_OK) return status;
  struct rw_guest *guest = stream->guest;
  return open_scratch(stream, RW_TCP_CONNECT, rw_encode_connect(guest->scratch, guest->scratch_bytes, port, timeout_ms,
                                                                host, host_bytes));
}

int32_t rw_listen(struct rw_stream *stream, const struct rw_inet *address, uint32_t backlog) {
  int32_t status = fresh(stream);
  if (status != RW_OK) return status;
  struct rw_guest *guest = stream->guest;
  return open_scratch(stream, RW_TCP_LISTEN, rw_encode_listen(guest->scratch, guest->scratch_bytes, backlog, address));
}

int32_t rw_file(struct rw_stream *stream, uint32_t flags, uint32_t mode, const void *path, uint32_t path_bytes) {
  int32_t status = fresh(stream);
  if (status != RW_OK) return status;
  struct rw_guest *guest = stream->guest;
  return open_scratch(stream, RW_FILE,
                      rw_encode_file(guest->scratch, guest->scratch_bytes, flags, mode, path, path_bytes));
}

// The direction follows from the flags (FST-1).
int32_t rw_file_stream(struct rw_stream *stream, uint32_t flags, uint32_t mode, uint64_t offset, uint64_t length,
                       const void *path, uint32_t path_bytes) {
  int32_t status = fresh(stream);
  if (status != RW_OK) return status;
  struct rw_guest *guest = stream->guest;
  uint32_t direction = flags & RW_FILE_WRITE ? 2 : 1;
  return open_scratch(stream, RW_FILE_STREAM,
                      rw_encode_file_stream(guest->scratch, guest->scratch_bytes, direction, flags, mode, offset,
                                            length, path, path_bytes));
}

int32_t rw_accept(struct rw_stream *listener, struct rw_stream *stream) {
  int32_t status = fresh(stream);
  if (status != RW_OK) return status;
  status = given(listener);
  if (status != RW_OK) return status;
  if (listener->state != RW_STREAM_OPENING && listener->state != RW_STREAM_RUNNING) return RW_STATE;
  uint8_t fields[8];
  rwi_put_u32(fields, stream->id);
  rwi_put_u32(fields + 4, stream->generation);
  // Armed before the host learns of it: the stream becomes pending with Incoming.
  status = rwi_want_data(&stream->to_guest);
  if (status < 0) return checked(stream, status);
  status = send(listener, RW_T_ACCEPT, &stream->request, fields, sizeof fields, 0, 0);
  if (status == RW_OK) stream->state = RW_STREAM_POSTED;
  return status;
}

int32_t rw_accept_failed(struct rw_stream *stream) {
  int32_t status = usable(stream);
  if (status != RW_OK) return status;
  if (stream->state != RW_STREAM_POSTED) return RW_STATE;
  stream->state = RW_STREAM_FRESH;
  return RW_OK;
}

// ── Frames ──────────────────────────────────────────────────────────────────────────────────────────────────────────

// The next frame that means something to us; others go (FRM-7), but not more than a ring of them at once.
static int32_t next_known(struct rw_stream *stream, struct rw_frame *frame) {
  struct rw_consumer *ring = &stream->to_guest;
  for (uint32_t dropped = 0;; dropped += RW_FRAME_HEADER_BYTES + frame->bytes) {
    int32_t status = rwi_frame_peek(ring, frame);
    if (status != RW_OK || rwi_known_type(frame->type)) return status;
    if (frame->request != 0) return RW_BAD_TYPE;
    if (dropped > ring->capacity) {
      rwi_stream_due(stream);
      return RW_AGAIN;
    }
    rwi_frame_drop(stream->guest, stream->id, ring, frame);
  }
}

static int32_t refused(struct rw_stream *stream, struct rw_frame *frame, void *buffer, uint32_t buffer_bytes) {
  int32_t status = rwi_frame_error(&stream->to_guest, frame, buffer, buffer_bytes, &stream->error);
  if (status != RW_OK) return checked(stream, status);
  rwi_frame_drop(stream->guest, stream->id, &stream->to_guest, frame);
  stream->state = RW_STREAM_REFUSED;
  return RW_REFUSED;
}

int32_t rw_opened(struct rw_stream *stream, struct rw_frame *answer, void *buffer, uint32_t buffer_bytes) {
  int32_t status = given(stream);
  if (status != RW_OK) return status;
  if (stream->state != RW_STREAM_OPENING && stream->state != RW_STREAM_POSTED) return RW_STATE;
  if (stream->to_guest.closed) return RW_CLOSED;
  struct rw_frame unwanted;
  if (!answer) answer = &unwanted;
  if (!buffer) {
    buffer = stream->guest->scratch;
    buffer_bytes = stream->guest->scratch_bytes;
  }
  status = next_known(stream, answer);
  if (status == RW_END) status = RW_BAD_STATE; // an end without an answer (STR-2)
  if (status != RW_OK) return checked(stream, status);
  if (answer->request != stream->request) return checked(stream, RW_BAD_STATE);
  if (stream->state == RW_STREAM_OPENING && answer->type == RW_T_REFUSED)
    return refused(stream, answer, buffer, buffer_bytes);
  if (answer->type != (stream->state == RW_STREAM_OPENING ? RW_T_OPENED : RW_T_INCOMING))
    return checked(stream, RW_BAD_TYPE);
  if (answer->bytes <= buffer_bytes) {
    rwi_frame_copy(&stream->to_guest, answer, buffer, answer->bytes);
    answer->payload = buffer;
  }
  rwi_frame_drop(stream->guest, stream->id, &stream->to_guest, answer);
  stream->state = RW_STREAM_RUNNING;
  return RW_OK;
}

int32_t rw_request_with(struct rw_stream *stream, uint32_t type, const void *fields, uint32_t fields_bytes,
                        const void *data, uint32_t data_bytes) {
  int32_t status = given(stream);
  if (status != RW_OK) return status;
  if (stream->state != RW_STREAM_OPENING && stream->state != RW_STREAM_RUNNING) return RW_STATE;
  if (type & ~0x7fffu) return RW_INVALID; // FRM-4
  uint32_t request = 0;
  status = send(stream, type, &request, fields, fields_bytes, data, data_bytes);
  if (status != RW_OK) return status;
  return (int32_t)request;
}

int32_t rw_request(struct rw_stream *stream, uint32_t type, const void *payload, uint32_t bytes) {
  return rw_request_with(stream, type, payload, bytes, 0, 0);
}

int32_t rw_frame_next(struct rw_stream *stream, struct rw_frame *frame, void *buffer, uint32_t buffer_bytes) {
  int32_t status = given(stream);
  if (status != RW_OK) return status;
  if (stream->state != RW_STREAM_RUNNING) return RW_STATE;
  if (stream->to_guest.closed) return RW_CLOSED;
  if (!buffer) {
    buffer = stream->guest->scratch;
    buffer_bytes = stream->guest->scratch_bytes;
  }
  status = next_known(stream, frame);
  if (status != RW_OK) return checked(stream, status);
  if (frame->bytes > buffer_bytes) return RW_TOO_LONG;
  rwi_frame_copy(&stream->to_guest, frame, buffer, frame->bytes);
  frame->payload = buffer;
  rwi_frame_drop(stream->guest, stream->id, &stream->to_guest, frame);
  return RW_OK;
}

// ── Raw bytes ───────────────────────────────────────────────────────────────────────────────────────────────────────

// Free bytes, more than 0, or why there are none.
static int32_t sendable(struct rw_stream *stream) {
  int32_t status = given(stream);
  if (status != RW_OK) return status;
  if (stream->state != RW_STREAM_OPENING && stream->state != RW_STREAM_RUNNING) return RW_STATE;
  struct rw_producer *ring = &stream->to_host;
  if (ring->closed) return RW_CLOSED;
  for (;;) {
    status = rwi_abandoned(ring);
    if (status != 0) return status < 0 ? checked(stream, status) : why_closed(stream);
    status = rwi_writable(ring);
    if (status > 0) {
      rwi_unwant_space(ring);
      return status;
    }
    if (status < 0) return checked(stream, status);
    // A good part of the ring, not a byte (RING-9). 1: space came, or the host closed; the next round tells which.
    status = rwi_want_space(ring, ring->capacity / 4);
    if (status <= 0) return status < 0 ? checked(stream, status) : RW_AGAIN;
  }
}

// Unread bytes, more than 0, or why there are none. In a second round the answer is there.
static int32_t receivable(struct rw_stream *stream) {
  int32_t status = given(stream);
  if (status != RW_OK) return status;
  if (stream->state != RW_STREAM_RUNNING) return RW_STATE;
  struct rw_consumer *ring = &stream->to_guest;
  if (ring->closed) return RW_CLOSED;
  for (;;) {
    status = rwi_readable(ring);
    if (status != 0) return checked(stream, status);
    if (ring->ended) return RW_END; // END seen, THEN empty seen (RING-6)
    status = rwi_peer_closed(ring);
    if (status < 0) return checked(stream, status);
    if (status == CLOSED_END) continue;
    if (status == CLOSED_RESET) { // as with END: what was put before it comes first
      status = rwi_readable(ring);
      return status == 0 ? RW_RESET : checked(stream, status);
    }
    status = rwi_want_data(ring);
    if (status <= 0) return status < 0 ? checked(stream, status) : RW_AGAIN;
  }
}

int32_t rw_send(struct rw_stream *stream, const void *bytes, uint32_t count) {
  int32_t writable = sendable(stream);
  if (writable <= 0) return writable;
  count = rwi_min(count, (uint32_t)writable);
  rwi_put(&stream->to_host, 0, bytes, count);
  if (count > 0 && rwi_produced(&stream->to_host, count)) rwi_signal(stream->guest, stream->id);
  return (int32_t)count;
}

int32_t rw_recv(struct rw_stream *stream, void *bytes, uint32_t count) {
  int32_t readable = receivable(stream);
  if (readable <= 0) return readable;
  count = rwi_min(count, (uint32_t)readable);
  rwi_peek(&stream->to_guest, 0, bytes, count);
  if (count > 0 && rwi_consumed(&stream->to_guest, count)) rwi_signal(stream->guest, stream->id);
  return (int32_t)count;
}

int32_t rw_send_span(struct rw_stream *stream, void **at) {
  int32_t writable = sendable(stream);
  if (writable <= 0) return writable;
  uint8_t *span;
  int32_t bytes = (int32_t)rwi_producer_span(&stream->to_host, (uint32_t)writable, &span);
  *at = span;
  return bytes;
}

int32_t rw_recv_span(struct rw_stream *stream, void **at) {
  int32_t readable = receivable(stream);
  if (readable <= 0) return readable;
  uint8_t *span;
  int32_t bytes = (int32_t)rwi_consumer_span(&stream->to_guest, (uint32_t)readable, &span);
  *at = span;
  return bytes;
}

// Judged by the private copies, so a count that no span had is refused.
int32_t rw_send_commit(struct rw_stream *stream, uint32_t count) {
  int32_t status = given(stream);
  if (status != RW_OK) return status;
  if (stream->state != RW_STREAM_OPENING && stream->state != RW_STREAM_RUNNING) return RW_STATE;
  struct rw_producer *ring = &stream->to_host;
  if (ring->closed) return RW_CLOSED;
  if (count > ring->capacity - (ring->written - ring->read)) return RW_INVALID;
  if (count > 0 && rwi_produced(ring, count)) rwi_signal(stream->guest, stream->id);
  return (int32_t)count;
}

int32_t rw_recv_commit(struct rw_stream *stream, uint32_t count) {
  int32_t status = given(stream);
  if (status != RW_OK) return status;
  if (stream->state != RW_STREAM_RUNNING) return RW_STATE;
  struct rw_consumer *ring = &stream->to_guest;
  if (ring->closed) return RW_CLOSED;
  if (count > ring->written - ring->read) return RW_INVALID;
  if (count > 0 && rwi_consumed(ring, count)) rwi_signal(stream->guest, stream->id);
  return (int32_t)count;
}

int32_t rw_recv_check(struct rw_stream *stream) {
  int32_t status = given(stream);
  if (status != RW_OK) return status;
  if (stream->to_guest.closed) return RW_CLOSED;
  status = rwi_peer_closed(&stream->to_guest);
  if (status < 0) return checked(stream, status);
  return status == CLOSED_RESET ? RW_RESET : RW_OK;
}

int32_t rw_send_check(struct rw_stream *stream) {
  int32_t status = given(stream);
  if (status != RW_OK) return status;
  if (stream->to_host.closed) return RW_CLOSED;
  status = rwi_abandoned(&stream->to_host);
  if (status != 0) return status < 0 ? checked(stream, status) : why_closed(stream);
  return RW_OK;
}

int32_t rw_unsent(struct rw_stream *stream) {
  int32_t status = given(stream);
  if (status != RW_OK) return status;
  struct rw_producer *ring = &stream->to_host;
  for (;;) {
    status = rwi_abandoned(ring);
    if (status != 0) return status < 0 ? checked(stream, status) : 0;
    int32_t writable = rwi_writable(ring);
    if (writable < 0) return checked(stream, writable);
    if ((uint32_t)writable == ring->capacity) return 0;
    status = rwi_want_space(ring, ring->capacity);
    if (status < 0) return checked(stream, status);
    if (status == 0) return (int32_t)(ring->capacity - (uint32_t)writable);
  }
}

int32_t rw_recv_pause(struct rw_stream *stream) {
  int32_t status = given(stream);
  if (status != RW_OK) return status;
  if (stream->to_guest.closed) return RW_CLOSED;
  rwi_unwant_data(&stream->to_guest);
  return RW_OK;
}

// ── Closing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

static int through(const struct rw_stream *stream) { return stream->to_host.closed && stream->to_guest.closed; }

// Both closed words, if they are not stored yet; the block is the host's from here on (STR-7).
void rwi_stream_shut(struct rw_stream *stream, uint32_t closed) {
  if (through(stream)) return;
  rwi_producer_close(&stream->to_host, closed);
  rwi_consumer_close(&stream->to_guest);
  rwi_signal(stream->guest, stream->id);
}

// The pipe is there, also after Refused; RW_REFUSED where Error answered NewStream.
static int32_t piped(const struct rw_stream *stream) {
  int32_t status = usable(stream);
  if (status != RW_OK) return status;
  if (stream->state == RW_STREAM_ASKED) return RW_AGAIN;
  return stream->id == 0 ? RW_REFUSED : RW_OK;
}

int32_t rw_end(struct rw_stream *stream) {
  int32_t status = piped(stream);
  if (status != RW_OK) return status;
  if (!through(stream) && rwi_producer_close(&stream->to_host, CLOSED_END)) rwi_signal(stream->guest, stream->id);
  return RW_OK;
}

int32_t rw_stop(struct rw_stream *stream) {
  int32_t status = piped(stream);
  if (status != RW_OK) return status;
  if (!through(stream) && rwi_consumer_close(&stream->to_guest)) rwi_signal(stream->guest, stream->id);
  return RW_OK;
}

static int32_t give_back(struct rw_stream *stream, uint32_t closed) {
  const struct rw_guest *guest = stream->guest;
  if (!guest || stream->state == RW_STREAM_FREE || stream->state == RW_STREAM_DOOMED) return RW_STATE;
  if (stream->state == RW_STREAM_ASKED && stream->serial == guest->serial) {
    stream->state = RW_STREAM_DOOMED; // closed when StreamInfo comes
    return RW_OK;
  }
  if (piped(stream) == RW_OK) rwi_stream_shut(stream, closed);
  rwi_stream_free(stream);
  return RW_OK;
}

int32_t rw_close(struct rw_stream *stream) { return give_back(stream, CLOSED_END); }
int32_t rw_reset(struct rw_stream *stream) { return give_back(stream, CLOSED_RESET); }
