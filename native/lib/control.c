// The control pipe, stream 0 (PROTOCOL.md section 9).
//
// The host replies in order, so what has no reply yet is a queue: the slots that were asked for, linked from
// asked_head, and at most one other request (ask_request). The next reply must be for the older of the two; anything
// else is a violation.

#include "internal.h"

enum { REPLIES_AT_ONCE = 64 }; // then other streams get their turn

void rwi_control_begin(struct rw_guest *guest) {
  guest->next_request = 1;
  // Set for good: whenever no whole reply is there, the host already knows that it must signal.
  guest->replies.want_data = 1;
  rwi_store(guest->replies.own, PART_WANT, 1);
  guest->control_due = 1;
}

static int32_t ready(const struct rw_guest *guest) {
  if (guest->broken) return guest->broken;
  if (guest->state == RW_GUEST_ATTACHED) return RW_OK;
  if (guest->state == RW_GUEST_LOST) return RW_LOST;
  return guest->state == RW_GUEST_BLAMED ? RW_FAILED : RW_STATE;
}

// Returns the request id in *request where it was sent.
static int32_t send(struct rw_guest *guest, uint32_t type, uint32_t *request, const void *fields, uint32_t fields_bytes,
                    const void *data, uint32_t data_bytes) {
  int32_t status = ready(guest);
  if (status != RW_OK) return status;
  uint32_t next = guest->next_request;
  uint32_t id = rwi_request_id(&next);
  status = rwi_frame_send(guest, 0, &guest->requests, type, id, fields, fields_bytes, data, data_bytes);
  if (status == RW_AGAIN) guest->control_full = 1;
  if (status == RW_CLOSED) return rwi_check(guest, RW_BAD_STATE); // CTL-1 binds the host no less
  if (status != RW_OK) return status;
  guest->next_request = next;
  *request = id;
  return RW_OK;
}

// ── Requests ────────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t rw_log(struct rw_guest *guest, uint32_t level, const void *text, uint32_t text_bytes) {
  uint8_t fields[8];
  uint32_t request = 0;
  if (text_bytes > RW_TEXT_MAX_BYTES || !rw_is_text(text, text_bytes)) return RW_INVALID;
  rwi_put_u32(fields, level);
  rwi_put_u32(fields + 4, text_bytes);
  return send(guest, RW_T_LOG, &request, fields, sizeof fields, text, text_bytes);
}

int32_t rw_exit(struct rw_guest *guest, uint32_t code) {
  uint8_t fields[4];
  uint32_t request = 0;
  if (code > 255) return RW_INVALID; // CTL-5
  rwi_put_u32(fields, code);
  return send(guest, RW_T_EXIT, &request, fields, sizeof fields, 0, 0);
}

static int32_t ask(struct rw_guest *guest, uint32_t type, const void *fields, uint32_t fields_bytes, const void *data,
                   uint32_t data_bytes) {
  int32_t status = ready(guest);
  if (status != RW_OK) return status;
  if (guest->ask_request != 0) return RW_BUSY;
  uint32_t request = 0;
  status = send(guest, type, &request, fields, fields_bytes, data, data_bytes);
  if (status != RW_OK) return status;
  guest->ask_request = request;
  guest->ask_type = type | 0x8000;
  return RW_OK;
}

int32_t rw_get_args(struct rw_guest *guest) { return ask(guest, RW_T_GET_ARGS, 0, 0, 0, 0); }

int32_t rw_ping(struct rw_guest *guest, const void *data, uint32_t bytes) {
  if (bytes > RW_PING_MAX_BYTES) return RW_INVALID; // CTL-6
  return ask(guest, RW_T_PING, 0, 0, data, bytes);
}

int32_t rw_explain(struct rw_guest *guest, uint32_t protocol, const void *body, uint32_t body_bytes) {
  uint8_t fields[4];
  rwi_put_u32(fields, protocol);
  return ask(guest, RW_T_EXPLAIN, fields, sizeof fields, body, body_bytes);
}

int32_t rw_stream_new(struct rw_guest *guest, uint32_t to_host_bytes, uint32_t to_guest_bytes) {
  int32_t status = ready(guest);
  if (status != RW_OK) return status;
  uint32_t slot = guest->free_head;
  if (slot == RWI_NONE) return RW_NO_SLOT;
  uint8_t fields[8];
  uint32_t request = 0;
  rwi_put_u32(fields, to_host_bytes);
  rwi_put_u32(fields + 4, to_guest_bytes);
  status = send(guest, RW_T_NEW_STREAM, &request, fields, sizeof fields, 0, 0);
  if (status != RW_OK) return status;
  struct rw_stream *stream = &guest->streams[slot];
  guest->free_head = stream->next;
  stream->next = RWI_NONE;
  stream->state = RW_STREAM_ASKED;
  stream->serial = guest->serial;
  stream->request = request;
  stream->id = stream->generation = stream->protocol = stream->error = stream->due = 0;
  if (guest->asked_head == RWI_NONE) guest->asked_head = slot;
  else guest->streams[guest->asked_tail].next = slot;
  guest->asked_tail = slot;
  return (int32_t)slot;
}

// ── Replies ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// StreamInfo for the slot at asked_head (CTL-3).
static int32_t stream_given(struct rw_guest *guest, struct rw_stream *stream, const struct rw_frame *frame) {
  uint8_t payload[20];
  struct rw_stream_info info;
  if (frame->bytes != sizeof payload) return RW_BAD_PAYLOAD;
  rwi_frame_copy(&guest->replies, frame, payload, sizeof payload);
  int32_t status = rw_decode_stream_info(payload, sizeof payload, &info);
  if (status != RW_OK) return status;
  if (info.id == 0 || info.id > guest->max_stream_id || rwi_stream_by_id(guest, info.id)) return RW_BAD_STATE;
  status = rwi_check_place(guest, info.page, info.to_host_bytes, info.to_guest_bytes);
  if (status != RW_OK) return status;
  stream->id = info.id;
  stream->generation = info.generation;
  rwi_pipe_init(guest, &stream->to_host, &stream->to_guest, info.page, info.to_host_bytes, info.to_guest_bytes);
  rwi_stream_link(stream);
  if (stream->state == RW_STREAM_DOOMED) {
    rwi_stream_shut(stream, CLOSED_END);
    rwi_stream_free(stream);
  } else {
    stream->state = RW_STREAM_FRESH;
  }
  return RW_OK;
}

static int32_t stream_refused(struct rw_guest *guest, struct rw_stream *stream, struct rw_frame *frame) {
  int32_t status = rwi_frame_error(&guest->replies, frame, guest->scratch, guest->scratch_bytes, &stream->error);
  if (status != RW_OK) return status;
  if (stream->state == RW_STREAM_DOOMED) rwi_stream_free(stream);
  else stream->state = RW_STREAM_REFUSED;
  return RW_OK;
}

static int32_t stream_answered(struct rw_guest *guest, struct rw_frame *frame) {
  struct rw_stream *stream = &guest->streams[guest->asked_head];
  guest->asked_head = stream->next;
  stream->next = RWI_NONE;
  stream->request = 0;
  int32_t status = RW_BAD_TYPE;
  if (frame->type == RW_T_STREAM_INFO) status = stream_given(guest, stream, frame);
  else if (frame->type == RW_T_ERROR) status = stream_refused(guest, stream, frame);
  if (status == RW_OK) rwi_frame_drop(guest, 0, &guest->replies, frame);
  return status;
}

// Takes replies; writes the slots that they concern; returns how many, or a violation. What is left is control_due.
int32_t rwi_control_step(struct rw_guest *guest, uint32_t *slots, uint32_t most) {
  uint32_t count = 0;
  guest->control_due = 0;
  if (guest->control_full) {
    guest->control_full = 0;
    slots[count++] = RW_SLOT_CONTROL;
  }
  for (uint32_t budget = REPLIES_AT_ONCE; !guest->ask_answered; budget--) {
    if (budget == 0 || count == most) {
      guest->control_due = 1;
      break;
    }
    struct rw_frame frame;
    int32_t status = rwi_frame_peek(&guest->replies, &frame);
    if (status == RW_AGAIN) {
      int32_t closed = rwi_abandoned(&guest->requests);
      if (closed != 0) return closed < 0 ? closed : RW_BAD_STATE; // CTL-1
      break;
    }
    if (status == RW_END || status == RW_RESET) return RW_BAD_STATE; // CTL-1
    if (status != RW_OK) return status;
    if (frame.request == 0) { // nobody asked for it: FRM-2, FRM-7
      rwi_frame_drop(guest, 0, &guest->replies, &frame);
      continue;
    }
    uint32_t head = guest->asked_head;
    uint32_t head_request = head == RWI_NONE ? 0 : guest->streams[head].request;
    int ask_first = head == RWI_NONE || (guest->ask_request != 0 && (int32_t)(guest->ask_request - head_request) < 0);
    uint32_t expected = ask_first ? guest->ask_request : head_request;
    if (expected == 0 || frame.request != expected) return RW_BAD_STATE;
    if (ask_first) {
      if (frame.type != guest->ask_type && frame.type != RW_T_ERROR) return RW_BAD_TYPE;
      guest->ask_answered = 1;
      slots[count++] = RW_SLOT_CONTROL;
    } else {
      int doomed = guest->streams[head].state == RW_STREAM_DOOMED;
      status = stream_answered(guest, &frame);
      if (status != RW_OK) return status;
      slots[count++] = doomed ? RW_SLOT_CONTROL : head; // a slot is free, or somebody's stream is there
    }
  }
  return (int32_t)count;
}

int32_t rw_control_reply(struct rw_guest *guest, struct rw_frame *frame, void *buffer, uint32_t buffer_bytes) {
  int32_t status = ready(guest);
  if (status != RW_OK) return status;
  if (!guest->ask_answered) return guest->ask_request ? RW_AGAIN : RW_STATE;
  if (!buffer) {
    buffer = guest->scratch;
    buffer_bytes = guest->scratch_bytes;
  }
  // The header is read again, so it is judged again.
  status = rwi_frame_peek(&guest->replies, frame);
  if (status != RW_OK) return rwi_check(guest, status <= RW_BAD_SUPERBLOCK ? status : RW_BAD_STATE);
  if (frame->request != guest->ask_request) return rwi_check(guest, RW_BAD_STATE);
  if (frame->type != guest->ask_type && frame->type != RW_T_ERROR) return rwi_check(guest, RW_BAD_TYPE);
  if (frame->bytes > buffer_bytes) return RW_TOO_LONG;
  rwi_frame_copy(&guest->replies, frame, buffer, frame->bytes);
  frame->payload = buffer;
  rwi_frame_drop(guest, 0, &guest->replies, frame);
  guest->ask_request = guest->ask_answered = 0;
  guest->control_due = 1; // replies may stand behind it
  return frame->type == RW_T_ERROR ? RW_REFUSED : RW_OK;
}
