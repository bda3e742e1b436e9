// Fields and messages (PROTOCOL.md sections 7 to 15). An encoder lists the fields of its message in order, and so does
// a decoder: every byte accounted for, every bound checked (FRM-5, FRM-6). Both work on private memory.

#include "internal.h"

// ── Text ────────────────────────────────────────────────────────────────────────────────────────────────────────────

// RFC 3629: no overlong form, no surrogate, nothing cut off or beyond U+10FFFF; and no NUL (FRM-5).
int32_t rw_is_text(const void *text, uint32_t count) {
  const uint8_t *bytes = text;
  for (uint32_t i = 0; i < count;) {
    uint8_t first = bytes[i++];
    if (first == 0 || (first > 0x7f && first < 0xc2) || first > 0xf4) return 0;
    uint32_t more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    if (count - i < more) return 0;
    for (uint32_t k = 0; k < more; k++) {
      uint8_t low = 0x80, high = 0xbf; // of the second byte: what its first allows
      if (k == 0 && first == 0xe0) low = 0xa0;
      if (k == 0 && first == 0xed) high = 0x9f;
      if (k == 0 && first == 0xf0) low = 0x90;
      if (k == 0 && first == 0xf4) high = 0x8f;
      if (bytes[i] < low || bytes[i] > high) return 0;
      i++;
    }
  }
  return 1;
}

// ── Writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

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

static int padded(const struct rw_inet *inet) {
  for (uint32_t i = 4; inet->family == 4 && i < 16; i++)
    if (inet->address[i] != 0) return 0;
  return 1;
}

static int bad_inet(const struct rw_inet *inet) { // TCP-2
  return (inet->family != 4 && inet->family != 6) || inet->port > 65535 || !padded(inet);
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

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

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
