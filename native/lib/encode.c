// Messages of the guest's (PROTOCOL.md sections 7 to 15): an encoder lists the fields of its message in order, and
// every bound is checked (FRM-5). On private memory.

#include "fields.h"

// ── Fields ──────────────────────────────────────────────────────────────────────────────────────────────────────────

struct writer {
  uint8_t *to;
  uint32_t room;
  uint32_t at;
  int32_t status; // the first thing that went wrong
};

static struct writer writer(uint8_t *to, uint32_t room) {
  struct writer w = {to, rwi_min(room, RW_FRAME_PAYLOAD_MAX), 0, RW_OK};
  return w;
}

static int32_t written(const struct writer *w) { return w->status < 0 ? w->status : (int32_t)w->at; }

static void invalid(struct writer *w) {
  if (w->status == RW_OK) w->status = RW_INVALID;
}

static void put_bytes(struct writer *w, const void *bytes, uint32_t count) {
  if (w->status == RW_OK && count > w->room - w->at) w->status = RW_TOO_LONG;
  if (w->status != RW_OK || count == 0) return;
  __builtin_memcpy(w->to + w->at, bytes, count);
  w->at += count;
}

static void put_u32(struct writer *w, uint32_t value) {
  uint8_t bytes[4];
  rwi_put_u32(bytes, value);
  put_bytes(w, bytes, 4);
}

static void put_words(struct writer *w, uint64_t value) {
  put_u32(w, (uint32_t)value);
  put_u32(w, (uint32_t)(value >> 32));
}

static void put_u64(struct writer *w, uint64_t value) {
  if (value > RW_ALL_BYTES) invalid(w);
  put_words(w, value);
}

static void put_i64(struct writer *w, int64_t value) {
  if (value > (int64_t)RW_ALL_BYTES || value < -(int64_t)RW_ALL_BYTES) invalid(w);
  put_words(w, (uint64_t)value);
}

static void put_text(struct writer *w, const void *text, uint32_t bytes, uint32_t most) {
  if (bytes > most || !rw_is_text(text, bytes)) {
    invalid(w);
    return;
  }
  put_u32(w, bytes);
  put_bytes(w, text, bytes);
}

static void put_path(struct writer *w, const void *path, uint32_t bytes) {
  put_text(w, path, bytes, RW_PATH_MAX_BYTES);
}

static void put_inet(struct writer *w, const struct rw_inet *inet) {
  if (bad_inet(inet)) invalid(w);
  put_u32(w, inet->family);
  put_u32(w, inet->port);
  put_bytes(w, inet->address, 16);
}

static void put_time(struct writer *w, const struct rw_time *time) {
  put_i64(w, time->seconds);
  put_u32(w, time->nanoseconds);
}

// ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t rw_encode_new_stream(uint8_t *to, uint32_t room, uint32_t to_host_bytes, uint32_t to_guest_bytes) {
  struct writer w = writer(to, room);
  put_u32(&w, to_host_bytes);
  put_u32(&w, to_guest_bytes);
  return written(&w);
}

int32_t rw_encode_log(uint8_t *to, uint32_t room, uint32_t level, const void *text, uint32_t text_bytes) {
  struct writer w = writer(to, room);
  put_u32(&w, level);
  put_text(&w, text, text_bytes, RW_TEXT_MAX_BYTES);
  return written(&w);
}

int32_t rw_encode_exit(uint8_t *to, uint32_t room, uint32_t code) {
  struct writer w = writer(to, room);
  if (code > 255) invalid(&w);
  put_u32(&w, code);
  return written(&w);
}

int32_t rw_encode_ping(uint8_t *to, uint32_t room, const void *data, uint32_t bytes) {
  struct writer w = writer(to, room);
  if (bytes > RW_PING_MAX_BYTES) invalid(&w);
  put_bytes(&w, data, bytes);
  return written(&w);
}

int32_t rw_encode_open(uint8_t *to, uint32_t room, uint32_t protocol, const void *body, uint32_t body_bytes) {
  struct writer w = writer(to, room);
  put_u32(&w, protocol);
  put_bytes(&w, body, body_bytes);
  return written(&w);
}

int32_t rw_encode_connect(uint8_t *to, uint32_t room, uint32_t port, uint32_t timeout_ms, const void *host,
                          uint32_t host_bytes) {
  struct writer w = writer(to, room);
  put_u32(&w, port);
  put_u32(&w, timeout_ms);
  put_text(&w, host, host_bytes, RW_HOST_MAX_BYTES);
  return written(&w);
}

int32_t rw_encode_listen(uint8_t *to, uint32_t room, uint32_t backlog, const struct rw_inet *address) {
  struct writer w = writer(to, room);
  put_u32(&w, backlog);
  put_inet(&w, address);
  return written(&w);
}

int32_t rw_encode_file(uint8_t *to, uint32_t room, uint32_t flags, uint32_t mode, const void *path,
                       uint32_t path_bytes) {
  struct writer w = writer(to, room);
  put_u32(&w, flags);
  put_u32(&w, mode);
  put_path(&w, path, path_bytes);
  return written(&w);
}

int32_t rw_encode_file_stream(uint8_t *to, uint32_t room, uint32_t direction, uint32_t flags, uint32_t mode,
                              uint64_t offset, uint64_t length, const void *path, uint32_t path_bytes) {
  struct writer w = writer(to, room);
  put_u32(&w, direction);
  put_u32(&w, flags);
  put_u32(&w, mode);
  put_u64(&w, offset);
  put_u64(&w, length);
  put_path(&w, path, path_bytes);
  return written(&w);
}

int32_t rw_encode_accept(uint8_t *to, uint32_t room, uint32_t id, uint32_t generation) {
  struct writer w = writer(to, room);
  put_u32(&w, id);
  put_u32(&w, generation);
  return written(&w);
}

int32_t rw_encode_read(uint8_t *to, uint32_t room, uint32_t bytes) {
  struct writer w = writer(to, room);
  put_u32(&w, bytes);
  return written(&w);
}

int32_t rw_encode_read_at(uint8_t *to, uint32_t room, uint64_t offset, uint32_t bytes) {
  struct writer w = writer(to, room);
  put_u64(&w, offset);
  put_u32(&w, bytes);
  return written(&w);
}

int32_t rw_encode_write_at(uint8_t *to, uint32_t room, uint64_t offset) {
  struct writer w = writer(to, room);
  put_u64(&w, offset);
  return written(&w);
}

int32_t rw_encode_seek(uint8_t *to, uint32_t room, uint32_t whence, int64_t offset) {
  struct writer w = writer(to, room);
  put_u32(&w, whence);
  put_i64(&w, offset);
  return written(&w);
}

int32_t rw_encode_truncate(uint8_t *to, uint32_t room, uint64_t bytes) {
  struct writer w = writer(to, room);
  put_u64(&w, bytes);
  return written(&w);
}

int32_t rw_encode_sync(uint8_t *to, uint32_t room, uint32_t data_only) {
  struct writer w = writer(to, room);
  if (data_only > 1) invalid(&w);
  put_u32(&w, data_only);
  return written(&w);
}

int32_t rw_encode_path(uint8_t *to, uint32_t room, const void *path, uint32_t path_bytes) {
  struct writer w = writer(to, room);
  put_path(&w, path, path_bytes);
  return written(&w);
}

int32_t rw_encode_mkdir(uint8_t *to, uint32_t room, uint32_t mode, uint32_t parents, const void *path,
                        uint32_t path_bytes) {
  struct writer w = writer(to, room);
  if (parents > 1) invalid(&w);
  put_u32(&w, mode);
  put_u32(&w, parents);
  put_path(&w, path, path_bytes);
  return written(&w);
}

int32_t rw_encode_two_paths(uint8_t *to, uint32_t room, const void *first, uint32_t first_bytes, const void *second,
                            uint32_t second_bytes) {
  struct writer w = writer(to, room);
  put_path(&w, first, first_bytes);
  put_path(&w, second, second_bytes);
  return written(&w);
}

int32_t rw_encode_chmod(uint8_t *to, uint32_t room, uint32_t mode, const void *path, uint32_t path_bytes) {
  struct writer w = writer(to, room);
  put_u32(&w, mode);
  put_path(&w, path, path_bytes);
  return written(&w);
}

int32_t rw_encode_utimes(uint8_t *to, uint32_t room, const struct rw_time *accessed, const struct rw_time *modified,
                         const void *path, uint32_t path_bytes) {
  struct writer w = writer(to, room);
  put_time(&w, accessed);
  put_time(&w, modified);
  put_path(&w, path, path_bytes);
  return written(&w);
}
