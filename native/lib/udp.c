// UDP (PROTOCOL.md section 16): its messages, field by field, and the calls on a stream that is a socket.
//
// Invariant: what a train hands out lies in the payload that it was decoded from, each byte of it once.

#include "fields.h"
#include "ringway-udp.h"

// ── Messages of the guest's ─────────────────────────────────────────────────────────────────────────────────────────

int32_t rw_encode_udp_bind(uint8_t *to, uint32_t room, uint32_t flags, const struct rw_inet *address) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, flags);
  rwi_add_inet(&w, address);
  return rwi_written(&w);
}

int32_t rw_encode_udp_send(uint8_t *to, uint32_t room, uint32_t segment) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, segment);
  return rwi_written(&w);
}

int32_t rw_encode_udp_send_to(uint8_t *to, uint32_t room, uint32_t segment, const struct rw_inet *peer) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, segment);
  rwi_add_inet(&w, peer);
  return rwi_written(&w);
}

int32_t rw_encode_udp_lookup(uint8_t *to, uint32_t room, uint32_t port, const void *host, uint32_t host_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, port);
  rwi_add_text(&w, host, host_bytes, RW_HOST_MAX_BYTES);
  return rwi_written(&w);
}

int32_t rw_encode_udp_set(uint8_t *to, uint32_t room, uint32_t option, uint32_t value) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, option);
  rwi_add_u32(&w, value);
  return rwi_written(&w);
}

int32_t rw_encode_udp_group(uint8_t *to, uint32_t room, const struct rw_inet *group, const struct rw_inet *source,
                            const struct rw_inet *interface) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_inet(&w, group);
  rwi_add_inet(&w, source);
  rwi_add_inet(&w, interface);
  return rwi_written(&w);
}

// ── Messages of the host's ──────────────────────────────────────────────────────────────────────────────────────────

// How many datagrams lie in so many bytes: 1, or 2 to RW_UDP_TRAIN_MAX, or 0 where no such train can be (UDP-5).
static uint32_t datagrams_of(uint32_t segment, uint32_t bytes) {
  if (segment == 0) return 1;
  uint32_t count = 0;
  for (; bytes > 0 && count <= RW_UDP_TRAIN_MAX; count++) bytes -= rwi_min(bytes, segment);
  return count >= 2 && count <= RW_UDP_TRAIN_MAX ? count : 0;
}

static void get_train(struct rwi_reader *r, uint32_t segment, struct rw_train *to) {
  struct rw_bytes rest = rwi_get_rest(r);
  to->from = rest.bytes;
  to->bytes = rest.length;
  to->segment = segment;
  to->datagrams = datagrams_of(segment, rest.length);
}

int32_t rw_decode_udp_received(const uint8_t *from, uint32_t bytes, struct rw_train *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  uint32_t segment = rwi_get_u32(&r);
  get_train(&r, segment, to);
  return rwi_finish(&r);
}

int32_t rw_decode_udp_received_from(const uint8_t *from, uint32_t bytes, struct rw_inet *peer, struct rw_train *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  uint32_t segment = rwi_get_u32(&r);
  rwi_get_inet(&r, peer);
  get_train(&r, segment, to);
  return rwi_finish(&r);
}

int32_t rw_decode_udp_error(const uint8_t *from, uint32_t bytes, struct rw_inet *peer, struct rw_error *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  to->error = rwi_get_u32(&r);
  to->reserved = 0;
  rwi_get_inet(&r, peer);
  to->rule = rwi_get_text(&r, RW_TEXT_MAX_BYTES);
  to->reason = rwi_get_text(&r, RW_TEXT_MAX_BYTES);
  return rwi_finish(&r);
}

int32_t rw_next_datagram(struct rw_train *train, struct rw_bytes *datagram) {
  if (train->datagrams == 0) return 0;
  uint32_t bytes = train->datagrams == 1 ? train->bytes : train->segment;
  datagram->bytes = train->from;
  datagram->length = bytes;
  train->datagrams--;
  train->from += bytes;
  train->bytes -= bytes;
  return 1;
}

// ── The socket ──────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t rw_udp_connect(struct rw_stream *stream, const void *host, uint32_t host_bytes, uint32_t port,
                       uint32_t timeout_ms) {
  uint8_t body[12 + RW_HOST_MAX_BYTES];
  int32_t bytes = rw_encode_connect(body, sizeof body, port, timeout_ms, host, host_bytes);
  return bytes < 0 ? bytes : rw_open(stream, RW_UDP_CONNECT, body, (uint32_t)bytes);
}

int32_t rw_udp_bind(struct rw_stream *stream, const struct rw_inet *address, uint32_t flags) {
  uint8_t body[28];
  int32_t bytes = rw_encode_udp_bind(body, sizeof body, flags, address);
  return bytes < 0 ? bytes : rw_open(stream, RW_UDP_BIND, body, (uint32_t)bytes);
}

int32_t rw_udp_send(struct rw_stream *stream, const struct rw_inet *peer, const void *data, uint32_t bytes) {
  uint8_t fields[28];
  if ((peer != 0) != (stream->protocol == RW_UDP_BIND)) return RW_INVALID;
  int32_t count = peer ? rw_encode_udp_send_to(fields, sizeof fields, 0, peer)
                       : rw_encode_udp_send(fields, sizeof fields, 0);
  if (count < 0) return count;
  return rw_tell(stream, peer ? RW_T_UDP_SEND_TO : RW_T_UDP_SEND, fields, (uint32_t)count, data, bytes);
}

static int32_t is_reply(uint32_t type) { return type == RW_T_UDP_PEER || type == RW_T_DONE || type == RW_T_ERROR; }

static int32_t take_datagrams(const struct rw_frame *frame, struct rw_udp *udp) {
  int32_t status = frame->type == RW_T_UDP_RECEIVED
                       ? rw_decode_udp_received(frame->payload, frame->bytes, &udp->train)
                       : rw_decode_udp_received_from(frame->payload, frame->bytes, &udp->peer, &udp->train);
  return status == RW_OK && udp->train.datagrams == 0 ? RW_BAD_PAYLOAD : status;
}

// FRM-2: a reply has an id, and nothing else has one.
int32_t rw_decode_udp(const struct rw_frame *frame, struct rw_udp *udp) {
  const uint8_t *from = frame->payload;
  __builtin_memset(udp, 0, sizeof *udp);
  udp->type = frame->type;
  udp->request = frame->request;
  if (is_reply(frame->type) != (frame->request != 0)) return RW_BAD_TYPE;
  switch (frame->type) {
    case RW_T_UDP_RECEIVED:
    case RW_T_UDP_RECEIVED_FROM:
      return take_datagrams(frame, udp);
    case RW_T_UDP_ERROR:
      return rw_decode_udp_error(from, frame->bytes, &udp->peer, &udp->error);
    case RW_T_UDP_LOST:
      return rw_decode_u32(from, frame->bytes, &udp->lost);
    case RW_T_UDP_PEER:
      return rw_decode_bound(from, frame->bytes, &udp->peer);
    case RW_T_DONE:
      return rw_decode_empty(from, frame->bytes);
    case RW_T_ERROR:
      return rw_decode_error(from, frame->bytes, &udp->error);
    default:
      return RW_BAD_TYPE;
  }
}

int32_t rw_udp_recv(struct rw_stream *stream, struct rw_udp *udp, void *buffer, uint32_t buffer_bytes) {
  struct rw_frame frame;
  int32_t status = rw_frame_next(stream, &frame, buffer, buffer_bytes);
  if (status != RW_OK) return status;
  uint32_t elsewhere = stream->protocol == RW_UDP_BIND ? RW_T_UDP_RECEIVED : RW_T_UDP_RECEIVED_FROM;
  status = frame.type == elsewhere ? RW_BAD_TYPE : rw_decode_udp(&frame, udp);
  return rwi_check(stream->guest, status);
}
