// Frames on a ring (PROTOCOL.md section 7): a header of three words, then the payload.
//
// Invariant: a frame is taken off the ring whole, or not at all. Its header is copied out and checked before anything
// else; what is parsed is a private copy (FRM-3, TRU-3). Looking at the same frame again copies and checks its header
// again.

#include "internal.h"

static uint32_t payload_max(uint32_t capacity) {
  return rwi_min(RW_FRAME_PAYLOAD_MAX, capacity - RW_FRAME_HEADER_BYTES);
}

// 1, 2, ... and past the largest 1 again: 0 is no id.
uint32_t rwi_request_id(uint32_t *next) {
  uint32_t id = *next;
  *next = id + 1 == 0 ? 1 : id + 1;
  return id;
}

// Sends header, fields and data as one, or nothing. RW_AGAIN: the host signals `id` when there is room.
int32_t rwi_frame_send(struct rw_guest *guest, uint32_t id, struct rw_producer *ring, uint32_t type, uint32_t request,
                       const void *fields, uint32_t fields_bytes, const void *data, uint32_t data_bytes) {
  uint32_t most = payload_max(ring->capacity);
  if (fields_bytes > most || data_bytes > most - fields_bytes) return RW_TOO_LONG;
  if (ring->closed) return RW_CLOSED;
  uint32_t payload = fields_bytes + data_bytes;
  uint32_t total = RW_FRAME_HEADER_BYTES + payload;
  int32_t status = rwi_writable(ring);
  if (status >= 0 && (uint32_t)status < total) {
    status = rwi_want_space(ring, total);
    if (status == 0) return RW_AGAIN;
    if (status > 0) status = rwi_writable(ring);
  }
  if (status < 0) return rwi_check(guest, status);
  uint32_t writable = (uint32_t)status;
  status = rwi_abandoned(ring);
  if (status != 0) return status < 0 ? rwi_check(guest, status) : RW_CLOSED;
  if (writable < total) return RW_AGAIN; // armed above
  rwi_unwant_space(ring);
  uint8_t header[RW_FRAME_HEADER_BYTES];
  rwi_put_u32(header, payload);
  rwi_put_u32(header + 4, type);
  rwi_put_u32(header + 8, request);
  rwi_put(ring, 0, header, sizeof header);
  rwi_put(ring, sizeof header, fields, fields_bytes);
  rwi_put(ring, (uint32_t)sizeof header + fields_bytes, data, data_bytes);
  if (rwi_produced(ring, total)) rwi_signal(guest, id);
  return RW_OK;
}

// Is a whole frame at the head of the ring? RW_OK and its header; RW_AGAIN, and the host signals when there is more;
// RW_END, RW_RESET; or a violation. At most three rounds: armed, END seen, the last look.
int32_t rwi_frame_peek(struct rw_consumer *ring, struct rw_frame *frame) {
  for (;;) {
    uint32_t ended = ring->ended, armed = ring->want_data;
    int32_t readable = rwi_readable(ring);
    if (readable < 0) return readable;
    if (readable >= RW_FRAME_HEADER_BYTES) {
      uint8_t header[RW_FRAME_HEADER_BYTES];
      rwi_peek(ring, 0, header, sizeof header);
      frame->bytes = rwi_u32(header);
      frame->type = rwi_u32(header + 4);
      frame->request = rwi_u32(header + 8);
      frame->payload = 0;
      if (frame->bytes > payload_max(ring->capacity)) return RW_BAD_LENGTH; // as soon as the header is there
      if (!(frame->type & 0x8000)) return RW_BAD_TYPE;                       // FRM-4
      if ((uint32_t)readable - RW_FRAME_HEADER_BYTES >= frame->bytes) return RW_OK;
    }
    if (ended) return readable == 0 ? RW_END : RW_BAD_LENGTH; // cut off
    int32_t closed = rwi_peer_closed(ring);
    if (closed < 0) return closed;
    if (closed == CLOSED_RESET) return RW_RESET;
    if (closed == CLOSED_END) continue;
    if (armed) return RW_AGAIN;
    ring->want_data = 1;
    rwi_store(ring->own, PART_WANT, 1); // then look again (RING-9)
  }
}

// The first `bytes` of the payload. The ring still holds the frame.
void rwi_frame_copy(const struct rw_consumer *ring, const struct rw_frame *frame, uint8_t *to, uint32_t bytes) {
  rwi_peek(ring, RW_FRAME_HEADER_BYTES, to, rwi_min(bytes, frame->bytes));
}

void rwi_frame_drop(struct rw_guest *guest, uint32_t id, struct rw_consumer *ring, const struct rw_frame *frame) {
  if (rwi_consumed(ring, RW_FRAME_HEADER_BYTES + frame->bytes)) rwi_signal(guest, id);
}

int32_t rwi_frame_error(const struct rw_consumer *ring, struct rw_frame *frame, uint8_t *buffer, uint32_t buffer_bytes,
                        uint32_t *error) {
  if (frame->bytes <= buffer_bytes) {
    struct rw_error decoded;
    rwi_frame_copy(ring, frame, buffer, frame->bytes);
    frame->payload = buffer;
    if (rw_decode_error(buffer, frame->bytes, &decoded) != RW_OK) return RW_BAD_PAYLOAD;
    *error = decoded.error;
    return RW_OK;
  }
  uint8_t head[4];
  if (frame->bytes < 12) return RW_BAD_PAYLOAD;
  rwi_frame_copy(ring, frame, head, sizeof head);
  *error = rwi_u32(head);
  return RW_OK;
}

// Messages from the host that this version knows (the catalogue).
int32_t rwi_known_type(uint32_t type) {
  switch (type) {
    case RW_T_ERROR:
    case RW_T_DONE:
    case RW_T_STAT_REPLY:
    case RW_T_STREAM_INFO:
    case RW_T_ARGS:
    case RW_T_PONG:
    case RW_T_VERDICT:
    case RW_T_OPENED:
    case RW_T_REFUSED:
    case RW_T_INCOMING:
    case RW_T_DATA:
    case RW_T_WRITTEN:
    case RW_T_POSITION:
    case RW_T_WRITE_DONE:
    case RW_T_WRITE_FAILED:
    case RW_T_ENTRIES:
    case RW_T_TARGET:
    case RW_T_STATFS_REPLY:
    case RW_T_UDP_RECEIVED:
    case RW_T_UDP_RECEIVED_FROM:
    case RW_T_UDP_PEER:
    case RW_T_UDP_ERROR:
    case RW_T_UDP_LOST:
    case RW_T_ADDRESSES:
    case RW_T_NAMES:
    case RW_T_UNIX_RECEIVED:
    case RW_T_UNIX_INCOMING:
    case RW_T_MOUNT_HANDLE:
    case RW_T_MOUNT_LOCK_FOUND:
    case RW_T_MOUNT_ATTRIBUTES:
    case RW_T_MOUNT_NAMES:
    case RW_T_MOUNT_ENTRIES:
    case RW_T_MOUNT_XATTRS:
    case RW_T_MOUNT_WATCHING:
    case RW_T_MOUNT_EVENT:
      return 1;
    default:
      return 0;
  }
}
