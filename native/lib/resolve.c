// Names (PROTOCOL.md section 17): its messages, field by field, and the calls that ask.

#include "fields.h"
#include "ringway-resolve.h"

// ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t rw_encode_resolve(uint8_t *to, uint32_t room, uint32_t family, const void *name, uint32_t name_bytes) {
  struct rwi_writer w = rwi_writer(to, room);
  rwi_add_u32(&w, family);
  rwi_add_text(&w, name, name_bytes, RW_HOST_MAX_BYTES);
  return rwi_written(&w);
}

static void get_address(struct rwi_reader *r, void *to) { rwi_get_inet(r, to); }

static void get_name(struct rwi_reader *r, void *to) { *(struct rw_text *)to = rwi_get_text(r, RW_HOST_MAX_BYTES); }

int32_t rw_decode_addresses(const uint8_t *from, uint32_t bytes, uint32_t *ttl_seconds, struct rw_list *addresses) {
  struct rwi_reader r = rwi_reader(from, bytes);
  struct rw_inet address;
  *ttl_seconds = rwi_get_u32(&r);
  rwi_get_list(&r, addresses, get_address, &address);
  return rwi_finish(&r);
}

int32_t rw_next_inet(struct rw_list *addresses, struct rw_inet *address) {
  return rwi_next(addresses, get_address, address);
}

int32_t rw_decode_names(const uint8_t *from, uint32_t bytes, uint32_t *ttl_seconds, struct rw_list *names) {
  struct rwi_reader r = rwi_reader(from, bytes);
  struct rw_text name;
  *ttl_seconds = rwi_get_u32(&r);
  rwi_get_list(&r, names, get_name, &name);
  return rwi_finish(&r);
}

// ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t rw_resolver(struct rw_stream *stream) { return rw_open(stream, RW_RESOLVE, 0, 0); }

int32_t rw_resolve(struct rw_stream *stream, uint32_t family, const void *name, uint32_t name_bytes) {
  uint8_t fields[8 + RW_HOST_MAX_BYTES];
  int32_t bytes = rw_encode_resolve(fields, sizeof fields, family, name, name_bytes);
  return bytes < 0 ? bytes : rw_request(stream, RW_T_RESOLVE, fields, (uint32_t)bytes);
}

int32_t rw_reverse(struct rw_stream *stream, const struct rw_inet *address) {
  uint8_t fields[24];
  int32_t bytes = rw_encode_inet(fields, sizeof fields, address);
  return bytes < 0 ? bytes : rw_request(stream, RW_T_REVERSE, fields, (uint32_t)bytes);
}
