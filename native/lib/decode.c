// Messages of the host's (PROTOCOL.md sections 7 to 15): a decoder lists the fields of its message in order, every byte
// accounted for, every bound checked (FRM-6). On private memory.

#include "fields.h"

// ── Fields ──────────────────────────────────────────────────────────────────────────────────────────────────────────

struct reader {
  const uint8_t *from;
  uint32_t left;
  int32_t status;
};

static struct reader reader(const uint8_t *from, uint32_t bytes) {
  struct reader r = {from, bytes, RW_OK};
  return r;
}

static void malformed(struct reader *r) { r->status = RW_BAD_PAYLOAD; }

// The payload must have been read to its end.
static int32_t finish(const struct reader *r) { return r->left != 0 ? RW_BAD_PAYLOAD : r->status; }

// `count` bytes, or none at all once something was wrong.
static const uint8_t *get_bytes(struct reader *r, uint32_t count) {
  if (r->status == RW_OK && count > r->left) malformed(r);
  if (r->status != RW_OK) return 0;
  const uint8_t *at = r->from;
  r->from += count;
  r->left -= count;
  return at;
}

static uint32_t get_u32(struct reader *r) {
  const uint8_t *at = get_bytes(r, 4);
  return at ? rwi_u32(at) : 0;
}

static uint32_t get_bool(struct reader *r) {
  uint32_t value = get_u32(r);
  if (value > 1) malformed(r);
  return value;
}

static uint64_t get_words(struct reader *r) {
  uint64_t low = get_u32(r);
  return low | (uint64_t)get_u32(r) << 32;
}

static uint64_t get_u64(struct reader *r) {
  uint64_t value = get_words(r);
  if (value > RW_ALL_BYTES) malformed(r);
  return value;
}

static int64_t get_i64(struct reader *r) {
  int64_t value = (int64_t)get_words(r);
  if (value > (int64_t)RW_ALL_BYTES || value < -(int64_t)RW_ALL_BYTES) malformed(r);
  return value;
}

static struct rw_text get_text(struct reader *r, uint32_t most) {
  struct rw_text text = {0, get_u32(r)};
  if (text.length > most) malformed(r);
  text.bytes = get_bytes(r, text.length);
  if (!text.bytes || !rw_is_text(text.bytes, text.length)) {
    malformed(r);
    text.length = 0;
  }
  return text;
}

static void get_inet(struct reader *r, struct rw_inet *inet) {
  inet->family = get_u32(r);
  inet->port = get_u32(r);
  const uint8_t *address = get_bytes(r, 16);
  if (address) __builtin_memcpy(inet->address, address, 16);
  if (!address || bad_inet(inet)) malformed(r);
}

static void get_time(struct reader *r, struct rw_time *time) {
  time->seconds = get_i64(r);
  time->nanoseconds = get_u32(r);
  time->reserved = 0;
}

static void get_stat(struct reader *r, struct rw_stat *to) {
  to->kind = get_u32(r);
  to->mode = get_u32(r);
  to->links = get_u32(r);
  to->uid = get_u32(r);
  to->gid = get_u32(r);
  to->reserved = 0;
  to->inode = get_u64(r);
  to->size = get_u64(r);
  to->blocks = get_u64(r);
  get_time(r, &to->accessed);
  get_time(r, &to->modified);
  get_time(r, &to->changed);
}

static void get_error(struct reader *r, struct rw_error *to) {
  to->error = get_u32(r);
  to->reserved = 0;
  to->rule = get_text(r, RW_TEXT_MAX_BYTES);
  to->reason = get_text(r, RW_TEXT_MAX_BYTES);
}

// ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t rw_decode_empty(const uint8_t *from, uint32_t bytes) {
  (void)from;
  return bytes == 0 ? RW_OK : RW_BAD_PAYLOAD;
}

int32_t rw_decode_error(const uint8_t *from, uint32_t bytes, struct rw_error *to) {
  struct reader r = reader(from, bytes);
  get_error(&r, to);
  return finish(&r);
}

int32_t rw_decode_stat(const uint8_t *from, uint32_t bytes, struct rw_stat *to) {
  struct reader r = reader(from, bytes);
  get_stat(&r, to);
  return finish(&r);
}

int32_t rw_decode_stream_info(const uint8_t *from, uint32_t bytes, struct rw_stream_info *to) {
  struct reader r = reader(from, bytes);
  to->id = get_u32(&r);
  to->generation = get_u32(&r);
  to->page = get_u32(&r);
  to->to_host_bytes = get_u32(&r);
  to->to_guest_bytes = get_u32(&r);
  return finish(&r);
}

int32_t rw_decode_verdict(const uint8_t *from, uint32_t bytes, struct rw_verdict *to) {
  struct reader r = reader(from, bytes);
  to->allowed = get_bool(&r);
  to->reserved = 0;
  to->rule = get_text(&r, RW_TEXT_MAX_BYTES);
  to->reason = get_text(&r, RW_TEXT_MAX_BYTES);
  return finish(&r);
}

int32_t rw_decode_endpoints(const uint8_t *from, uint32_t bytes, struct rw_endpoints *to) {
  struct reader r = reader(from, bytes);
  get_inet(&r, &to->local);
  get_inet(&r, &to->peer);
  return finish(&r);
}

int32_t rw_decode_bound(const uint8_t *from, uint32_t bytes, struct rw_inet *to) {
  struct reader r = reader(from, bytes);
  get_inet(&r, to);
  return finish(&r);
}

int32_t rw_decode_file_stream(const uint8_t *from, uint32_t bytes, uint64_t *length, struct rw_stat *to) {
  struct reader r = reader(from, bytes);
  *length = get_u64(&r);
  get_stat(&r, to);
  return finish(&r);
}

int32_t rw_decode_u32(const uint8_t *from, uint32_t bytes, uint32_t *to) {
  struct reader r = reader(from, bytes);
  *to = get_u32(&r);
  return finish(&r);
}

int32_t rw_decode_u64(const uint8_t *from, uint32_t bytes, uint64_t *to) {
  struct reader r = reader(from, bytes);
  *to = get_u64(&r);
  return finish(&r);
}

int32_t rw_decode_write_failed(const uint8_t *from, uint32_t bytes, struct rw_write_failed *to) {
  struct reader r = reader(from, bytes);
  to->bytes = get_u64(&r);
  get_error(&r, &to->error);
  return finish(&r);
}

int32_t rw_decode_target(const uint8_t *from, uint32_t bytes, struct rw_text *to) {
  struct reader r = reader(from, bytes);
  *to = get_text(&r, RW_PATH_MAX_BYTES);
  return finish(&r);
}

int32_t rw_decode_statfs(const uint8_t *from, uint32_t bytes, struct rw_statfs *to) {
  struct reader r = reader(from, bytes);
  to->block_bytes = get_u32(&r);
  to->blocks = get_u64(&r);
  to->blocks_free = get_u64(&r);
  to->blocks_available = get_u64(&r);
  to->files = get_u64(&r);
  to->files_free = get_u64(&r);
  to->name_max_bytes = get_u32(&r);
  return finish(&r);
}

// ── Lists ───────────────────────────────────────────────────────────────────────────────────────────────────────────

// Counts and checks the items with `item`, and notes where they begin.
static void get_list(struct reader *r, struct rw_list *list, void (*item)(struct reader *r, struct rw_entry *entry)) {
  struct rw_entry entry;
  list->items = get_u32(r);
  list->from = r->from;
  if (list->items > RW_LIST_MAX) malformed(r);
  uint32_t before = r->left;
  for (uint32_t i = 0; i < list->items && r->status == RW_OK; i++) item(r, &entry);
  list->bytes = before - r->left;
}

static void get_sentence(struct reader *r, struct rw_entry *entry) { entry->name = get_text(r, RW_TEXT_MAX_BYTES); }

static void get_entry(struct reader *r, struct rw_entry *entry) {
  entry->kind = get_u32(r);
  entry->reserved = 0;
  entry->name = get_text(r, RW_NAME_MAX_BYTES);
}

static int32_t next(struct rw_list *list, struct rw_entry *entry, void (*item)(struct reader *r, struct rw_entry *)) {
  if (list->items == 0) return 0;
  struct reader r = reader(list->from, list->bytes);
  item(&r, entry);
  if (r.status != RW_OK) return r.status;
  list->items--;
  list->from = r.from;
  list->bytes = r.left;
  return 1;
}

int32_t rw_decode_args(const uint8_t *from, uint32_t bytes, struct rw_list *argv, struct rw_list *env) {
  struct reader r = reader(from, bytes);
  get_list(&r, argv, get_sentence);
  get_list(&r, env, get_sentence);
  return finish(&r);
}

int32_t rw_decode_entries(const uint8_t *from, uint32_t bytes, uint32_t *more, uint32_t *skipped,
                          struct rw_list *entries) {
  struct reader r = reader(from, bytes);
  *more = get_bool(&r);
  *skipped = get_u32(&r);
  get_list(&r, entries, get_entry);
  return finish(&r);
}

int32_t rw_next_text(struct rw_list *list, struct rw_text *text) {
  struct rw_entry entry;
  int32_t status = next(list, &entry, get_sentence);
  if (status == 1) *text = entry.name;
  return status;
}

int32_t rw_next_entry(struct rw_list *list, struct rw_entry *entry) { return next(list, entry, get_entry); }
