// The types of fields (PROTOCOL.md section 7), each with its bounds: see fields.h.

#include "fields.h"

static int padded(const struct rw_inet *inet) {
  for (uint32_t i = 4; inet->family == 4 && i < 16; i++)
    if (inet->address[i] != 0) return 0;
  return 1;
}

static int bad_inet(const struct rw_inet *inet) { // TCP-2
  return (inet->family != 4 && inet->family != 6) || inet->port > 65535 || !padded(inet);
}

// ── Writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

void rwi_invalid(struct rwi_writer *w) {
  if (w->status == RW_OK) w->status = RW_INVALID;
}

void rwi_add_bytes(struct rwi_writer *w, const void *bytes, uint32_t count) {
  if (w->status == RW_OK && count > w->room - w->at) w->status = RW_TOO_LONG;
  if (w->status != RW_OK || count == 0) return;
  __builtin_memcpy(w->to + w->at, bytes, count);
  w->at += count;
}

void rwi_add_u32(struct rwi_writer *w, uint32_t value) {
  uint8_t bytes[4];
  rwi_put_u32(bytes, value);
  rwi_add_bytes(w, bytes, 4);
}

void rwi_add_bool(struct rwi_writer *w, uint32_t value) {
  if (value > 1) rwi_invalid(w);
  rwi_add_u32(w, value);
}

static void add_words(struct rwi_writer *w, uint64_t value) {
  rwi_add_u32(w, (uint32_t)value);
  rwi_add_u32(w, (uint32_t)(value >> 32));
}

void rwi_add_u64(struct rwi_writer *w, uint64_t value) {
  if (value > RW_ALL_BYTES) rwi_invalid(w);
  add_words(w, value);
}

void rwi_add_i64(struct rwi_writer *w, int64_t value) {
  if (value > (int64_t)RW_ALL_BYTES || value < -(int64_t)RW_ALL_BYTES) rwi_invalid(w);
  add_words(w, (uint64_t)value);
}

void rwi_add_text(struct rwi_writer *w, const void *text, uint32_t bytes, uint32_t most) {
  if (bytes > most || !rw_is_text(text, bytes)) {
    rwi_invalid(w);
    return;
  }
  rwi_add_u32(w, bytes);
  rwi_add_bytes(w, text, bytes);
}

void rwi_add_path(struct rwi_writer *w, const void *path, uint32_t bytes) {
  rwi_add_text(w, path, bytes, RW_PATH_MAX_BYTES);
}

// The type `bytes`.
void rwi_add_raw(struct rwi_writer *w, const void *bytes, uint32_t count, uint32_t most) {
  if (count > most) {
    rwi_invalid(w);
    return;
  }
  rwi_add_u32(w, count);
  rwi_add_bytes(w, bytes, count);
}

void rwi_add_inet(struct rwi_writer *w, const struct rw_inet *inet) {
  if (bad_inet(inet)) rwi_invalid(w);
  rwi_add_u32(w, inet->family);
  rwi_add_u32(w, inet->port);
  rwi_add_bytes(w, inet->address, 16);
}

void rwi_add_time(struct rwi_writer *w, const struct rw_time *time) {
  rwi_add_i64(w, time->seconds);
  rwi_add_u32(w, time->nanoseconds);
}

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

uint32_t rwi_get_bool(struct rwi_reader *r) {
  uint32_t value = rwi_get_u32(r);
  if (value > 1) rwi_malformed(r);
  return value;
}

static uint64_t get_words(struct rwi_reader *r) {
  uint64_t low = rwi_get_u32(r);
  return low | (uint64_t)rwi_get_u32(r) << 32;
}

uint64_t rwi_get_u64(struct rwi_reader *r) {
  uint64_t value = get_words(r);
  if (value > RW_ALL_BYTES) rwi_malformed(r);
  return value;
}

int64_t rwi_get_i64(struct rwi_reader *r) {
  int64_t value = (int64_t)get_words(r);
  if (value > (int64_t)RW_ALL_BYTES || value < -(int64_t)RW_ALL_BYTES) rwi_malformed(r);
  return value;
}

struct rw_text rwi_get_text(struct rwi_reader *r, uint32_t most) {
  struct rw_text text = {0, rwi_get_u32(r)};
  if (text.length > most) rwi_malformed(r);
  text.bytes = rwi_get_bytes(r, text.length);
  if (!text.bytes || !rw_is_text(text.bytes, text.length)) {
    rwi_malformed(r);
    text.length = 0;
  }
  return text;
}

struct rw_bytes rwi_get_raw(struct rwi_reader *r, uint32_t most) {
  struct rw_bytes raw = {0, rwi_get_u32(r)};
  if (raw.length > most) rwi_malformed(r);
  raw.bytes = rwi_get_bytes(r, raw.length);
  if (!raw.bytes) raw.length = 0;
  return raw;
}

struct rw_bytes rwi_get_rest(struct rwi_reader *r) {
  uint32_t left = r->status == RW_OK ? r->left : 0;
  struct rw_bytes rest = {rwi_get_bytes(r, left), left};
  return rest;
}

void rwi_get_inet(struct rwi_reader *r, struct rw_inet *inet) {
  inet->family = rwi_get_u32(r);
  inet->port = rwi_get_u32(r);
  const uint8_t *address = rwi_get_bytes(r, 16);
  if (address) __builtin_memcpy(inet->address, address, 16);
  if (!address || bad_inet(inet)) rwi_malformed(r);
}

void rwi_get_time(struct rwi_reader *r, struct rw_time *time) {
  time->seconds = rwi_get_i64(r);
  time->nanoseconds = rwi_get_u32(r);
  time->reserved = 0;
}

void rwi_get_error(struct rwi_reader *r, struct rw_error *to) { // MSG-1
  to->error = rwi_get_u32(r);
  to->reserved = 0;
  to->rule = rwi_get_text(r, RW_TEXT_MAX_BYTES);
  to->reason = rwi_get_text(r, RW_TEXT_MAX_BYTES);
}

void rwi_get_list(struct rwi_reader *r, struct rw_list *list, rwi_item *item, void *scrap) {
  list->items = rwi_get_u32(r);
  list->from = r->from;
  if (list->items > RW_LIST_MAX) rwi_malformed(r);
  uint32_t before = r->left;
  for (uint32_t i = 0; i < list->items && r->status == RW_OK; i++) item(r, scrap);
  list->bytes = before - r->left;
}

int32_t rwi_next(struct rw_list *list, rwi_item *item, void *to) {
  if (list->items == 0) return 0;
  struct rwi_reader r = rwi_reader(list->from, list->bytes);
  item(&r, to);
  if (r.status != RW_OK) return r.status;
  list->items--;
  list->from = r.from;
  list->bytes = r.left;
  return 1;
}
