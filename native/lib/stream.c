// Streams (PROTOCOL.md sections 10 to 15): from NewStream to the second closed word.
//
//   FREE ─ rw_stream_new ─▶ ASKED ─ StreamInfo ─▶ FRESH ─ rw_open ─▶ OPENING ─ Opened ─▶ RUNNING
//                             │ Error               │ rw_accept        │ Refused            ▲
//                             ▼                     ▼                  ▼                    │
//                          REFUSED               POSTED             REFUSED                 │
//                                                   └────────────── Incoming ───────────────┘
//   each of them ─ rw_close ─▶ FREE; ASKED over DOOMED, until StreamInfo has come
//
// Invariant: once both of this side's closed words are stored its block is not touched again, whatever is called
// (STR-7). A stream whose serial is not the guest's belongs to an epoch that is over; its memory is not touched either.
//
// Here: raw bytes, and closing. Opening and frames are in open.c, the slots in slots.c.

#include "stream.h"

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
