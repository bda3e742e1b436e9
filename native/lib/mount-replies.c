// Mounts (PROTOCOL.md section 19): what the host sends, field by field, and its lists.

#include "fields.h"
#include "ringway-mount.h"

static void get_attributes(struct rwi_reader *r, struct rw_attributes *to) {
  to->kind = rwi_get_u32(r);
  to->mode = rwi_get_u32(r);
  to->links = rwi_get_u32(r);
  to->uid = rwi_get_u32(r);
  to->gid = rwi_get_u32(r);
  to->device = rwi_get_u32(r);
  to->inode_low = rwi_get_u32(r);
  to->inode_high = rwi_get_u32(r);
  to->size = rwi_get_u64(r);
  to->blocks = rwi_get_u64(r);
  rwi_get_time(r, &to->accessed);
  rwi_get_time(r, &to->modified);
  rwi_get_time(r, &to->changed);
  rwi_get_time(r, &to->created);
}

int32_t rw_decode_mount_attributes(const uint8_t *from, uint32_t bytes, struct rw_attributes *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  get_attributes(&r, to);
  return rwi_finish(&r);
}

int32_t rw_decode_mount(const uint8_t *from, uint32_t bytes, uint32_t *handles, uint32_t *requests,
                        struct rw_attributes *root) {
  struct rwi_reader r = rwi_reader(from, bytes);
  *handles = rwi_get_u32(&r);
  *requests = rwi_get_u32(&r);
  get_attributes(&r, root);
  return rwi_finish(&r);
}

int32_t rw_decode_mount_handle(const uint8_t *from, uint32_t bytes, uint32_t *handle, struct rw_attributes *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  *handle = rwi_get_u32(&r);
  get_attributes(&r, to);
  return rwi_finish(&r);
}

int32_t rw_decode_mount_lock(const uint8_t *from, uint32_t bytes, struct rw_mount_lock *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  to->kind = rwi_get_u32(&r);
  to->reserved = 0;
  to->start = rwi_get_u64(&r);
  to->bytes = rwi_get_u64(&r);
  return rwi_finish(&r);
}

int32_t rw_decode_mount_event(const uint8_t *from, uint32_t bytes, struct rw_mount_event *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  to->watch = rwi_get_u32(&r);
  to->events = rwi_get_u32(&r);
  to->cookie = rwi_get_u32(&r);
  to->reserved = 0;
  to->path = rwi_get_raw(&r, RW_PATH_MAX_BYTES);
  return rwi_finish(&r);
}

// ── Lists ───────────────────────────────────────────────────────────────────────────────────────────────────────────

static void get_name(struct rwi_reader *r, void *to) {
  struct rw_mount_name *name = to;
  name->cookie_low = rwi_get_u32(r);
  name->cookie_high = rwi_get_u32(r);
  name->kind = rwi_get_u32(r);
  name->inode_low = rwi_get_u32(r);
  name->inode_high = rwi_get_u32(r);
  name->reserved = 0;
  name->name = rwi_get_raw(r, RW_NAME_MAX_BYTES);
}

static void get_entry(struct rwi_reader *r, void *to) {
  struct rw_mount_entry *entry = to;
  entry->cookie_low = rwi_get_u32(r);
  entry->cookie_high = rwi_get_u32(r);
  get_attributes(r, &entry->attributes);
  entry->name = rwi_get_raw(r, RW_NAME_MAX_BYTES);
}

static void get_xattr(struct rwi_reader *r, void *to) { *(struct rw_bytes *)to = rwi_get_raw(r, RW_NAME_MAX_BYTES); }

int32_t rw_decode_mount_names(const uint8_t *from, uint32_t bytes, struct rw_list *names) {
  struct rwi_reader r = rwi_reader(from, bytes);
  struct rw_mount_name name;
  rwi_get_list(&r, names, get_name, &name);
  return rwi_finish(&r);
}

int32_t rw_decode_mount_entries(const uint8_t *from, uint32_t bytes, struct rw_list *entries) {
  struct rwi_reader r = rwi_reader(from, bytes);
  struct rw_mount_entry entry;
  rwi_get_list(&r, entries, get_entry, &entry);
  return rwi_finish(&r);
}

int32_t rw_decode_mount_xattrs(const uint8_t *from, uint32_t bytes, struct rw_list *names) {
  struct rwi_reader r = rwi_reader(from, bytes);
  struct rw_bytes name;
  rwi_get_list(&r, names, get_xattr, &name);
  return rwi_finish(&r);
}

int32_t rw_next_mount_name(struct rw_list *names, struct rw_mount_name *name) {
  return rwi_next(names, get_name, name);
}

int32_t rw_next_mount_entry(struct rw_list *entries, struct rw_mount_entry *entry) {
  return rwi_next(entries, get_entry, entry);
}

int32_t rw_next_mount_xattr(struct rw_list *names, struct rw_bytes *name) { return rwi_next(names, get_xattr, name); }
