// Fields of payloads, written and read one after the other: for the files that list the messages of a section.
//
// Both remember the first thing that was wrong and do nothing after it, so that a message is a list of its fields and
// one look at the end. On private memory.

#ifndef RINGWAY_FIELDS_H
#define RINGWAY_FIELDS_H

#include "internal.h"

// ── Writing (FRM-5) ─────────────────────────────────────────────────────────────────────────────────────────────────

struct rwi_writer {
  uint8_t *to;
  uint32_t room;
  uint32_t at;
  int32_t status; // the first thing that went wrong
};

static inline struct rwi_writer rwi_writer(uint8_t *to, uint32_t room) {
  struct rwi_writer w = {to, rwi_min(room, RW_FRAME_PAYLOAD_MAX), 0, RW_OK};
  return w;
}

// Bytes of the payload, or what was wrong.
static inline int32_t rwi_written(const struct rwi_writer *w) { return w->status < 0 ? w->status : (int32_t)w->at; }

void rwi_invalid(struct rwi_writer *w);
void rwi_add_bytes(struct rwi_writer *w, const void *bytes, uint32_t count);
void rwi_add_u32(struct rwi_writer *w, uint32_t value);
void rwi_add_bool(struct rwi_writer *w, uint32_t value);
void rwi_add_u64(struct rwi_writer *w, uint64_t value);
void rwi_add_i64(struct rwi_writer *w, int64_t value);
void rwi_add_text(struct rwi_writer *w, const void *text, uint32_t bytes, uint32_t most);
void rwi_add_path(struct rwi_writer *w, const void *path, uint32_t bytes);
void rwi_add_raw(struct rwi_writer *w, const void *bytes, uint32_t count, uint32_t most);
void rwi_add_inet(struct rwi_writer *w, const struct rw_inet *inet);
void rwi_add_time(struct rwi_writer *w, const struct rw_time *time);

// ── Reading (FRM-6) ─────────────────────────────────────────────────────────────────────────────────────────────────

struct rwi_reader {
  const uint8_t *from;
  uint32_t left;
  int32_t status;
};

static inline struct rwi_reader rwi_reader(const uint8_t *from, uint32_t bytes) {
  struct rwi_reader r = {from, bytes, RW_OK};
  return r;
}

static inline void rwi_malformed(struct rwi_reader *r) { r->status = RW_BAD_PAYLOAD; }

// The payload must have been read to its end.
static inline int32_t rwi_finish(const struct rwi_reader *r) { return r->left != 0 ? RW_BAD_PAYLOAD : r->status; }

// `count` bytes, or none at all once something was wrong.
static inline const uint8_t *rwi_get_bytes(struct rwi_reader *r, uint32_t count) {
  if (r->status == RW_OK && count > r->left) rwi_malformed(r);
  if (r->status != RW_OK) return 0;
  const uint8_t *at = r->from;
  r->from += count;
  r->left -= count;
  return at;
}

static inline uint32_t rwi_get_u32(struct rwi_reader *r) {
  const uint8_t *at = rwi_get_bytes(r, 4);
  return at ? rwi_u32(at) : 0;
}

uint32_t rwi_get_bool(struct rwi_reader *r);
uint64_t rwi_get_u64(struct rwi_reader *r);
int64_t rwi_get_i64(struct rwi_reader *r);
struct rw_text rwi_get_text(struct rwi_reader *r, uint32_t most);
struct rw_bytes rwi_get_raw(struct rwi_reader *r, uint32_t most);
struct rw_bytes rwi_get_rest(struct rwi_reader *r);
void rwi_get_inet(struct rwi_reader *r, struct rw_inet *inet);
void rwi_get_time(struct rwi_reader *r, struct rw_time *time);
void rwi_get_error(struct rwi_reader *r, struct rw_error *to);

// Takes one item to `to`, whose type is the list's.
typedef void rwi_item(struct rwi_reader *r, void *to);
// Counts and checks the items, and notes where they begin; `scrap` holds one.
void rwi_get_list(struct rwi_reader *r, struct rw_list *list, rwi_item *item, void *scrap);
// 1 and the next of a list that was checked, or 0.
int32_t rwi_next(struct rw_list *list, rwi_item *item, void *to);

#endif
