// Frames of a stream (PROTOCOL.md sections 10 to 15): Open says what it is for and the host answers; then the requests
// and replies of those protocols that speak in frames.

#include "stream.h"

// ── Open ────────────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t rwi_fresh(const struct rw_stream *stream) {
  int32_t status = given(stream);
  if (status != RW_OK) return status;
  return stream->state == RW_STREAM_FRESH ? RW_OK : RW_STATE;
}

// Without an id where `request` is NULL.
static int32_t send(struct rw_stream *stream, uint32_t type, uint32_t *request, const void *fields,
                    uint32_t fields_bytes, const void *data, uint32_t data_bytes) {
  struct rw_guest *guest = stream->guest;
  uint32_t id = request ? rwi_request_id(&guest->next_stream_request) : 0;
  int32_t status =
      rwi_frame_send(guest, stream->id, &stream->to_host, type, id, fields, fields_bytes, data, data_bytes);
  if (status == RW_CLOSED) return stream->to_host.closed ? RW_CLOSED : why_closed(stream);
  if (status == RW_OK && request) *request = id;
  return status;
}

int32_t rw_open(struct rw_stream *stream, uint32_t protocol, const void *body, uint32_t body_bytes) {
  int32_t status = rwi_fresh(stream);
  if (status != RW_OK) return status;
  uint8_t fields[4];
  rwi_put_u32(fields, protocol);
  status = send(stream, RW_T_OPEN, &stream->request, fields, sizeof fields, body, body_bytes);
  if (status != RW_OK) return status;
  stream->state = RW_STREAM_OPENING;
  stream->protocol = protocol;
  return RW_OK;
}

int32_t rw_stream_raw(struct rw_stream *stream) {
  int32_t status = rwi_fresh(stream);
  if (status == RW_OK) stream->state = RW_STREAM_RUNNING;
  return status;
}

int32_t rw_echo(struct rw_stream *stream) { return rw_open(stream, RW_ECHO, 0, 0); }
int32_t rw_fs(struct rw_stream *stream) { return rw_open(stream, RW_FS, 0, 0); }

int32_t rwi_open_scratch(struct rw_stream *stream, uint32_t protocol, int32_t encoded) {
  return encoded < 0 ? encoded : rw_open(stream, protocol, stream->guest->scratch, (uint32_t)encoded);
}

int32_t rw_connect(struct rw_stream *stream, const void *host, uint32_t host_bytes, uint32_t port,
                   uint32_t timeout_ms) {
  int32_t status = rwi_fresh(stream);
  if (status != RW_OK) return status;
  struct rw_guest *guest = stream->guest;
  return rwi_open_scratch(stream, RW_TCP_CONNECT, rw_encode_connect(guest->scratch, guest->scratch_bytes, port,
                                                                    timeout_ms, host, host_bytes));
}

int32_t rw_listen(struct rw_stream *stream, const struct rw_inet *address, uint32_t backlog) {
  int32_t status = rwi_fresh(stream);
  if (status != RW_OK) return status;
  struct rw_guest *guest = stream->guest;
  return rwi_open_scratch(stream, RW_TCP_LISTEN,
                          rw_encode_listen(guest->scratch, guest->scratch_bytes, backlog, address));
}

int32_t rw_file(struct rw_stream *stream, uint32_t flags, uint32_t mode, const void *path, uint32_t path_bytes) {
  int32_t status = rwi_fresh(stream);
  if (status != RW_OK) return status;
  struct rw_guest *guest = stream->guest;
  return rwi_open_scratch(stream, RW_FILE,
                          rw_encode_file(guest->scratch, guest->scratch_bytes, flags, mode, path, path_bytes));
}

// The direction follows from the flags (FST-1).
int32_t rw_file_stream(struct rw_stream *stream, uint32_t flags, uint32_t mode, uint64_t offset, uint64_t length,
                       const void *path, uint32_t path_bytes) {
  int32_t status = rwi_fresh(stream);
  if (status != RW_OK) return status;
  struct rw_guest *guest = stream->guest;
  uint32_t direction = flags & RW_FILE_WRITE ? 2 : 1;
  return rwi_open_scratch(stream, RW_FILE_STREAM,
                          rw_encode_file_stream(guest->scratch, guest->scratch_bytes, direction, flags, mode, offset,
                                                length, path, path_bytes));
}

int32_t rw_accept(struct rw_stream *listener, struct rw_stream *stream) {
  int32_t status = rwi_fresh(stream);
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
  if (status != RW_OK) return status;
  stream->state = RW_STREAM_POSTED;
  stream->protocol = listener->protocol;
  return RW_OK;
}

int32_t rw_accept_failed(struct rw_stream *stream) {
  int32_t status = usable(stream);
  if (status != RW_OK) return status;
  if (stream->state != RW_STREAM_POSTED) return RW_STATE;
  stream->state = RW_STREAM_FRESH;
  stream->protocol = 0;
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

// Of the frame that makes it RUNNING.
static uint32_t first_type(const struct rw_stream *stream) {
  if (stream->state == RW_STREAM_OPENING) return RW_T_OPENED;
  return stream->protocol == RW_UNIX_LISTEN ? RW_T_UNIX_INCOMING : RW_T_INCOMING; // UNX-3
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
  if (answer->type != first_type(stream)) return checked(stream, RW_BAD_TYPE);
  if (answer->bytes <= buffer_bytes) {
    rwi_frame_copy(&stream->to_guest, answer, buffer, answer->bytes);
    answer->payload = buffer;
  }
  rwi_frame_drop(stream->guest, stream->id, &stream->to_guest, answer);
  stream->state = RW_STREAM_RUNNING;
  return RW_OK;
}

// May a frame of this type be sent now?
static int32_t may_send(const struct rw_stream *stream, uint32_t type) {
  int32_t status = given(stream);
  if (status != RW_OK) return status;
  if (stream->state != RW_STREAM_OPENING && stream->state != RW_STREAM_RUNNING) return RW_STATE;
  return type & ~0x7fffu ? RW_INVALID : RW_OK; // FRM-4
}

int32_t rw_request_with(struct rw_stream *stream, uint32_t type, const void *fields, uint32_t fields_bytes,
                        const void *data, uint32_t data_bytes) {
  uint32_t request = 0;
  int32_t status = may_send(stream, type);
  if (status == RW_OK) status = send(stream, type, &request, fields, fields_bytes, data, data_bytes);
  return status == RW_OK ? (int32_t)request : status;
}

int32_t rw_tell(struct rw_stream *stream, uint32_t type, const void *fields, uint32_t fields_bytes, const void *data,
                uint32_t data_bytes) {
  int32_t status = may_send(stream, type);
  return status == RW_OK ? send(stream, type, 0, fields, fields_bytes, data, data_bytes) : status;
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
