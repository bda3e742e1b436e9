// Mounts (PROTOCOL.md section 19): what the guest sends, field by field. Paths and names are bytes (FRM-5).

#include "fields.h"
#include "ringway-mount.h"

// ── Requests ────────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t rw_encode_u32(uint8_t *to, uint32_t room, uint32_t value) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, value);
  return rwi_written(&w);
}

int32_t rw_encode_mount(uint8_t *to, uint32_t room, const void *path, uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_raw(&w, path, path_bytes, RW_PATH_MAX_BYTES);
  return rwi_written(&w);
}

int32_t rw_encode_mount_open(uint8_t *to, uint32_t room, uint32_t at, uint32_t flags, uint32_t mode, const void *path,
                             uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, at);
  rwi_add_u32(&w, flags);
  rwi_add_u32(&w, mode);
  rwi_add_raw(&w, path, path_bytes, RW_PATH_MAX_BYTES);
  return rwi_written(&w);
}

int32_t rw_encode_mount_read(uint8_t *to, uint32_t room, uint32_t handle, uint64_t offset, uint32_t count) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, handle);
  rwi_add_u64(&w, offset);
  rwi_add_u32(&w, count);
  return rwi_written(&w);
}

int32_t rw_encode_mount_write(uint8_t *to, uint32_t room, uint32_t handle, uint32_t flags, uint64_t offset) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, handle);
  rwi_add_u32(&w, flags);
  rwi_add_u64(&w, offset);
  return rwi_written(&w);
}

int32_t rw_encode_mount_fsync(uint8_t *to, uint32_t room, uint32_t handle, uint32_t data_only) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, handle);
  rwi_add_bool(&w, data_only);
  return rwi_written(&w);
}

int32_t rw_encode_mount_fallocate(uint8_t *to, uint32_t room, uint32_t handle, uint32_t mode, uint64_t offset,
                                  uint64_t count) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, handle);
  rwi_add_u32(&w, mode);
  rwi_add_u64(&w, offset);
  rwi_add_u64(&w, count);
  return rwi_written(&w);
}

int32_t rw_encode_mount_copy_range(uint8_t *to, uint32_t room, uint32_t from, uint32_t into, uint64_t from_offset,
                                   uint64_t into_offset, uint64_t count) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, from);
  rwi_add_u32(&w, into);
  rwi_add_u64(&w, from_offset);
  rwi_add_u64(&w, into_offset);
  rwi_add_u64(&w, count);
  return rwi_written(&w);
}

int32_t rw_encode_mount_seek(uint8_t *to, uint32_t room, uint32_t handle, uint32_t whence, uint64_t offset) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, handle);
  rwi_add_u32(&w, whence);
  rwi_add_u64(&w, offset);
  return rwi_written(&w);
}

int32_t rw_encode_mount_lock(uint8_t *to, uint32_t room, uint32_t handle, uint32_t kind, uint32_t wait, uint64_t start,
                             uint64_t count) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, handle);
  rwi_add_u32(&w, kind);
  rwi_add_bool(&w, wait);
  rwi_add_u64(&w, start);
  rwi_add_u64(&w, count);
  return rwi_written(&w);
}

int32_t rw_encode_mount_test_lock(uint8_t *to, uint32_t room, uint32_t handle, uint32_t kind, uint64_t start,
                                  uint64_t count) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, handle);
  rwi_add_u32(&w, kind);
  rwi_add_u64(&w, start);
  rwi_add_u64(&w, count);
  return rwi_written(&w);
}

int32_t rw_encode_mount_stat(uint8_t *to, uint32_t room, uint32_t at, uint32_t follow, const void *path,
                             uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, at);
  rwi_add_bool(&w, follow);
  rwi_add_raw(&w, path, path_bytes, RW_PATH_MAX_BYTES);
  return rwi_written(&w);
}

int32_t rw_encode_mount_read_dir(uint8_t *to, uint32_t room, uint32_t handle, uint32_t cookie_low, uint32_t cookie_high,
                                 uint32_t entries) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, handle);
  rwi_add_u32(&w, cookie_low);
  rwi_add_u32(&w, cookie_high);
  rwi_add_u32(&w, entries);
  return rwi_written(&w);
}

int32_t rw_encode_mount_make(uint8_t *to, uint32_t room, uint32_t at, uint32_t mode, const void *path,
                             uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, at);
  rwi_add_u32(&w, mode);
  rwi_add_raw(&w, path, path_bytes, RW_PATH_MAX_BYTES);
  return rwi_written(&w);
}

int32_t rw_encode_mount_symlink(uint8_t *to, uint32_t room, uint32_t at, const void *target, uint32_t target_bytes,
                                const void *path, uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, at);
  rwi_add_raw(&w, target, target_bytes, RW_PATH_MAX_BYTES);
  rwi_add_raw(&w, path, path_bytes, RW_PATH_MAX_BYTES);
  return rwi_written(&w);
}

int32_t rw_encode_mount_link(uint8_t *to, uint32_t room, uint32_t from_at, uint32_t into_at, const void *from,
                             uint32_t from_bytes, const void *into, uint32_t into_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, from_at);
  rwi_add_u32(&w, into_at);
  rwi_add_raw(&w, from, from_bytes, RW_PATH_MAX_BYTES);
  rwi_add_raw(&w, into, into_bytes, RW_PATH_MAX_BYTES);
  return rwi_written(&w);
}

int32_t rw_encode_mount_path(uint8_t *to, uint32_t room, uint32_t at, const void *path, uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, at);
  rwi_add_raw(&w, path, path_bytes, RW_PATH_MAX_BYTES);
  return rwi_written(&w);
}

int32_t rw_encode_mount_rename(uint8_t *to, uint32_t room, uint32_t from_at, uint32_t into_at, uint32_t flags,
                               const void *from, uint32_t from_bytes, const void *into, uint32_t into_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, from_at);
  rwi_add_u32(&w, into_at);
  rwi_add_u32(&w, flags);
  rwi_add_raw(&w, from, from_bytes, RW_PATH_MAX_BYTES);
  rwi_add_raw(&w, into, into_bytes, RW_PATH_MAX_BYTES);
  return rwi_written(&w);
}

int32_t rw_encode_mount_xattr(uint8_t *to, uint32_t room, uint32_t at, uint32_t follow, const void *name,
                              uint32_t name_bytes, const void *path, uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, at);
  rwi_add_bool(&w, follow);
  rwi_add_raw(&w, name, name_bytes, RW_NAME_MAX_BYTES);
  rwi_add_raw(&w, path, path_bytes, RW_PATH_MAX_BYTES);
  return rwi_written(&w);
}

int32_t rw_encode_mount_set_xattr(uint8_t *to, uint32_t room, uint32_t at, uint32_t follow, uint32_t flags,
                                  const void *name, uint32_t name_bytes, const void *path, uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, at);
  rwi_add_bool(&w, follow);
  rwi_add_u32(&w, flags);
  rwi_add_raw(&w, name, name_bytes, RW_NAME_MAX_BYTES);
  rwi_add_raw(&w, path, path_bytes, RW_PATH_MAX_BYTES);
  return rwi_written(&w);
}

int32_t rw_encode_mount_set_attr(uint8_t *to, uint32_t room, uint32_t at, uint32_t follow,
                                 const struct rw_set_attributes *set, const void *path, uint32_t path_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, at);
  rwi_add_bool(&w, follow);
  rwi_add_u32(&w, set->valid);
  rwi_add_u32(&w, set->mode);
  rwi_add_u32(&w, set->uid);
  rwi_add_u32(&w, set->gid);
  rwi_add_u64(&w, set->size);
  rwi_add_time(&w, &set->accessed);
  rwi_add_time(&w, &set->modified);
  rwi_add_raw(&w, path, path_bytes, RW_PATH_MAX_BYTES);
  return rwi_written(&w);
}

int32_t rw_mount(struct rw_stream *stream, const void *path, uint32_t path_bytes) {
  int32_t status = rwi_fresh(stream);
  if (status != RW_OK) return status;
  struct rw_guest *guest = stream->guest;
  return rwi_open_scratch(stream, RW_MOUNT, rw_encode_mount(guest->scratch, guest->scratch_bytes, path, path_bytes));
}
