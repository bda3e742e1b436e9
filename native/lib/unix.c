// Unix sockets (PROTOCOL.md section 18): their messages, field by field, and the calls on a stream that is one.
//
// Connections and listeners are taken as those of TCP are (open.c); bytes go as raw bytes do (stream.c). Here: what is
// named by a path, and records.

#include "fields.h"
#include "ringway-unix.h"

// ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t rw_encode_unix_connect(uint8_t *to, uint32_t room, uint32_t kind, uint32_t timeout_ms, const void *path,
                               uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, kind);
  rwi_add_u32(&w, timeout_ms);
  rwi_add_path(&w, path, path_bytes);
  return rwi_written(&w);
}

int32_t rw_encode_unix_listen(uint8_t *to, uint32_t room, uint32_t kind, uint32_t mode, uint32_t backlog,
                              const void *path, uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, kind);
  rwi_add_u32(&w, mode);
  rwi_add_u32(&w, backlog);
  rwi_add_path(&w, path, path_bytes);
  return rwi_written(&w);
}

int32_t rw_decode_unix_peer(const uint8_t *from, uint32_t bytes, struct rw_unix_peer *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  to->pid = rwi_get_u32(&r);
  to->uid = rwi_get_u32(&r);
  to->gid = rwi_get_u32(&r);
  return rwi_finish(&r);
}

// ── Opening ─────────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t rw_unix_connect(struct rw_stream *stream, uint32_t kind, const void *path, uint32_t path_bytes,
                        uint32_t timeout_ms) {
  int32_t status = rwi_fresh(stream);
  if (status != RW_OK) return status;
  struct rw_guest *guest = stream->guest;
  return rwi_open_scratch(stream, RW_UNIX_CONNECT, rw_encode_unix_connect(guest->scratch, guest->scratch_bytes, kind,
                                                                          timeout_ms, path, path_bytes));
}

int32_t rw_unix_listen(struct rw_stream *stream, uint32_t kind, uint32_t mode, uint32_t backlog, const void *path,
                       uint32_t path_bytes) {
  int32_t status = rwi_fresh(stream);
  if (status != RW_OK) return status;
  struct rw_guest *guest = stream->guest;
  return rwi_open_scratch(stream, RW_UNIX_LISTEN, rw_encode_unix_listen(guest->scratch, guest->scratch_bytes, kind,
                                                                        mode, backlog, path, path_bytes));
}

// ── Records ─────────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t rw_unix_send(struct rw_stream *stream, const void *data, uint32_t bytes) {
  if (bytes > RW_IO_MAX_BYTES) return RW_TOO_LONG; // UNX-6
  return rw_tell(stream, RW_T_UNIX_SEND, 0, 0, data, bytes);
}

int32_t rw_unix_recv(struct rw_stream *stream, struct rw_bytes *record, void *buffer, uint32_t buffer_bytes) {
  struct rw_frame frame;
  int32_t status = rw_frame_next(stream, &frame, buffer, buffer_bytes);
  if (status != RW_OK && status != RW_TOO_LONG) return status;
  // A record has no id, and nothing else is asked for (FRM-2).
  if (frame.type != RW_T_UNIX_RECEIVED || frame.request != 0) return rwi_check(stream->guest, RW_BAD_TYPE);
  record->bytes = frame.payload;
  record->length = frame.bytes;
  return status;
}
