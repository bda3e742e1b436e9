// Messages of the host's (PROTOCOL.md sections 7 to 15): a decoder lists the fields of its message in order, every byte
// accounted for, every bound checked (FRM-6). On private memory.

#include "fields.h"

static void get_stat(struct rwi_reader *r, struct rw_stat *to) {
  to->kind = rwi_get_u32(r);
  to->mode = rwi_get_u32(r);
  to->links = rwi_get_u32(r);
  to->uid = rwi_get_u32(r);
  to->gid = rwi_get_u32(r);
  to->reserved = 0;
  to->inode = rwi_get_u64(r);
  to->size = rwi_get_u64(r);
  to->blocks = rwi_get_u64(r);
  rwi_get_time(r, &to->accessed);
  rwi_get_time(r, &to->modified);
  rwi_get_time(r, &to->changed);
}

// ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t rw_decode_empty(const uint8_t *from, uint32_t bytes) {
  (void)from;
  return bytes == 0 ? RW_OK : RW_BAD_PAYLOAD;
}

int32_t rw_decode_error(const uint8_t *from, uint32_t bytes, struct rw_error *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  rwi_get_error(&r, to);
  return rwi_finish(&r);
}

int32_t rw_decode_stat(const uint8_t *from, uint32_t bytes, struct rw_stat *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  get_stat(&r, to);
  return rwi_finish(&r);
}

int32_t rw_decode_stream_info(const uint8_t *from, uint32_t bytes, struct rw_stream_info *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  to->id = rwi_get_u32(&r);
  to->generation = rwi_get_u32(&r);
  to->page = rwi_get_u32(&r);
  to->to_host_bytes = rwi_get_u32(&r);
  to->to_guest_bytes = rwi_get_u32(&r);
  return rwi_finish(&r);
}

int32_t rw_decode_verdict(const uint8_t *from, uint32_t bytes, struct rw_verdict *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  to->allowed = rwi_get_bool(&r);
  to->reserved = 0;
  to->rule = rwi_get_text(&r, RW_TEXT_MAX_BYTES);
  to->reason = rwi_get_text(&r, RW_TEXT_MAX_BYTES);
  return rwi_finish(&r);
}

int32_t rw_decode_endpoints(const uint8_t *from, uint32_t bytes, struct rw_endpoints *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  rwi_get_inet(&r, &to->local);
  rwi_get_inet(&r, &to->peer);
  return rwi_finish(&r);
}

int32_t rw_decode_bound(const uint8_t *from, uint32_t bytes, struct rw_inet *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  rwi_get_inet(&r, to);
  return rwi_finish(&r);
}

int32_t rw_decode_file_stream(const uint8_t *from, uint32_t bytes, uint64_t *length, struct rw_stat *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  *length = rwi_get_u64(&r);
  get_stat(&r, to);
  return rwi_finish(&r);
}

int32_t rw_decode_u32(const uint8_t *from, uint32_t bytes, uint32_t *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  *to = rwi_get_u32(&r);
  return rwi_finish(&r);
}

int32_t rw_decode_u64(const uint8_t *from, uint32_t bytes, uint64_t *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  *to = rwi_get_u64(&r);
  return rwi_finish(&r);
}

int32_t rw_decode_write_failed(const uint8_t *from, uint32_t bytes, struct rw_write_failed *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  to->bytes = rwi_get_u64(&r);
  rwi_get_error(&r, &to->error);
  return rwi_finish(&r);
}

int32_t rw_decode_target(const uint8_t *from, uint32_t bytes, struct rw_text *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  *to = rwi_get_text(&r, RW_PATH_MAX_BYTES);
  return rwi_finish(&r);
}

int32_t rw_decode_statfs(const uint8_t *from, uint32_t bytes, struct rw_statfs *to) {
  struct rwi_reader r = rwi_reader(from, bytes);
  to->block_bytes = rwi_get_u32(&r);
  to->blocks = rwi_get_u64(&r);
  to->blocks_free = rwi_get_u64(&r);
  to->blocks_available = rwi_get_u64(&r);
  to->files = rwi_get_u64(&r);
  to->files_free = rwi_get_u64(&r);
  to->name_max_bytes = rwi_get_u32(&r);
  return rwi_finish(&r);
}

// ── Lists ───────────────────────────────────────────────────────────────────────────────────────────────────────────

static void get_sentence(struct rwi_reader *r, void *to) { *(struct rw_text *)to = rwi_get_text(r, RW_TEXT_MAX_BYTES); }

static void get_entry(struct rwi_reader *r, void *to) {
  struct rw_entry *entry = to;
  entry->kind = rwi_get_u32(r);
  entry->reserved = 0;
  entry->name = rwi_get_text(r, RW_NAME_MAX_BYTES);
}

int32_t rw_decode_args(const uint8_t *from, uint32_t bytes, struct rw_list *argv, struct rw_list *env) {
  struct rwi_reader r = rwi_reader(from, bytes);
  struct rw_text text;
  rwi_get_list(&r, argv, get_sentence, &text);
  rwi_get_list(&r, env, get_sentence, &text);
  return rwi_finish(&r);
}

int32_t rw_decode_entries(const uint8_t *from, uint32_t bytes, uint32_t *more, uint32_t *skipped,
                          struct rw_list *entries) {
  struct rwi_reader r = rwi_reader(from, bytes);
  struct rw_entry entry;
  *more = rwi_get_bool(&r);
  *skipped = rwi_get_u32(&r);
  rwi_get_list(&r, entries, get_entry, &entry);
  return rwi_finish(&r);
}

int32_t rw_next_text(struct rw_list *list, struct rw_text *text) { return rwi_next(list, get_sentence, text); }

int32_t rw_next_entry(struct rw_list *list, struct rw_entry *entry) { return rwi_next(list, get_entry, entry); }
