// Messages of the guest's (PROTOCOL.md sections 7 to 15): an encoder lists the fields of its message in order, and
// every bound is checked (FRM-5). On private memory.

#include "fields.h"

int32_t rw_encode_new_stream(uint8_t *to, uint32_t room, uint32_t to_host_bytes, uint32_t to_guest_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, to_host_bytes);
  rwi_add_u32(&w, to_guest_bytes);
  return rwi_written(&w);
}

int32_t rw_encode_log(uint8_t *to, uint32_t room, uint32_t level, const void *text, uint32_t text_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, level);
  rwi_add_text(&w, text, text_bytes, RW_TEXT_MAX_BYTES);
  return rwi_written(&w);
}

int32_t rw_encode_exit(uint8_t *to, uint32_t room, uint32_t code) {
  struct rwi_writer w = rwi_writer(to, room);
  if (code > 255) rwi_invalid(&w);
  rwi_add_u32(&w, code);
  return rwi_written(&w);
}

int32_t rw_encode_ping(uint8_t *to, uint32_t room, const void *data, uint32_t bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  if (bytes > RW_PING_MAX_BYTES) rwi_invalid(&w);
  rwi_add_bytes(&w, data, bytes);
  return rwi_written(&w);
}

int32_t rw_encode_open(uint8_t *to, uint32_t room, uint32_t protocol, const void *body, uint32_t body_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, protocol);
  rwi_add_bytes(&w, body, body_bytes);
  return rwi_written(&w);
}

int32_t rw_encode_connect(uint8_t *to, uint32_t room, uint32_t port, uint32_t timeout_ms, const void *host,
                          uint32_t host_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, port);
  rwi_add_u32(&w, timeout_ms);
  rwi_add_text(&w, host, host_bytes, RW_HOST_MAX_BYTES);
  return rwi_written(&w);
}

int32_t rw_encode_listen(uint8_t *to, uint32_t room, uint32_t backlog, const struct rw_inet *address) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, backlog);
  rwi_add_inet(&w, address);
  return rwi_written(&w);
}

int32_t rw_encode_inet(uint8_t *to, uint32_t room, const struct rw_inet *inet) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_inet(&w, inet);
  return rwi_written(&w);
}

int32_t rw_encode_file(uint8_t *to, uint32_t room, uint32_t flags, uint32_t mode, const void *path,
                       uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, flags);
  rwi_add_u32(&w, mode);
  rwi_add_path(&w, path, path_bytes);
  return rwi_written(&w);
}

int32_t rw_encode_file_stream(uint8_t *to, uint32_t room, uint32_t direction, uint32_t flags, uint32_t mode,
                              uint64_t offset, uint64_t length, const void *path, uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, direction);
  rwi_add_u32(&w, flags);
  rwi_add_u32(&w, mode);
  rwi_add_u64(&w, offset);
  rwi_add_u64(&w, length);
  rwi_add_path(&w, path, path_bytes);
  return rwi_written(&w);
}

int32_t rw_encode_accept(uint8_t *to, uint32_t room, uint32_t id, uint32_t generation) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, id);
  rwi_add_u32(&w, generation);
  return rwi_written(&w);
}

int32_t rw_encode_read(uint8_t *to, uint32_t room, uint32_t bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, bytes);
  return rwi_written(&w);
}

int32_t rw_encode_read_at(uint8_t *to, uint32_t room, uint64_t offset, uint32_t bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u64(&w, offset);
  rwi_add_u32(&w, bytes);
  return rwi_written(&w);
}

int32_t rw_encode_write_at(uint8_t *to, uint32_t room, uint64_t offset) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u64(&w, offset);
  return rwi_written(&w);
}

int32_t rw_encode_seek(uint8_t *to, uint32_t room, uint32_t whence, int64_t offset) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, whence);
  rwi_add_i64(&w, offset);
  return rwi_written(&w);
}

int32_t rw_encode_truncate(uint8_t *to, uint32_t room, uint64_t bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u64(&w, bytes);
  return rwi_written(&w);
}

int32_t rw_encode_sync(uint8_t *to, uint32_t room, uint32_t data_only) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_bool(&w, data_only);
  return rwi_written(&w);
}

int32_t rw_encode_path(uint8_t *to, uint32_t room, const void *path, uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_path(&w, path, path_bytes);
  return rwi_written(&w);
}

int32_t rw_encode_mkdir(uint8_t *to, uint32_t room, uint32_t mode, uint32_t parents, const void *path,
                        uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, mode);
  rwi_add_bool(&w, parents);
  rwi_add_path(&w, path, path_bytes);
  return rwi_written(&w);
}

int32_t rw_encode_two_paths(uint8_t *to, uint32_t room, const void *first, uint32_t first_bytes, const void *second,
                            uint32_t second_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_path(&w, first, first_bytes);
  rwi_add_path(&w, second, second_bytes);
  return rwi_written(&w);
}

int32_t rw_encode_chmod(uint8_t *to, uint32_t room, uint32_t mode, const void *path, uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, mode);
  rwi_add_path(&w, path, path_bytes);
  return rwi_written(&w);
}

int32_t rw_encode_utimes(uint8_t *to, uint32_t room, const struct rw_time *accessed, const struct rw_time *modified,
                         const void *path, uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_time(&w, accessed);
  rwi_add_time(&w, modified);
  rwi_add_path(&w, path, path_bytes);
  return rwi_written(&w);
}
