// Names, of wire version 1.1 (PROTOCOL.md section 17): names to addresses and back, without a connection.
//
//   rw_resolver                 opens a stream for it; then rw_opened()
//   rw_resolve, rw_reverse      ask, as often as one likes; each returns the request's id
//   rw_frame_next               the next answer, in any order, told by frame.request:
//                                 RW_T_ADDRESSES   rw_decode_addresses(), then rw_next_inet() while it returns 1
//                                 RW_T_NAMES       rw_decode_names(), then rw_next_text()
//                                 RW_T_ERROR       rw_decode_error(): RSL-6
//
// A host of version 1.0 refuses the Open with EPROTONOSUPPORT (VER-2).

#ifndef RINGWAY_RESOLVE_H
#define RINGWAY_RESOLVE_H

#include "ringway.h"

#ifdef __cplusplus
extern "C" {
#endif

RW_API int32_t rw_resolver(struct rw_stream *stream);

// Ids above 0, or RW_AGAIN with nothing asked. `family`: 4, 6, or 0 for both.
RW_API int32_t rw_resolve(struct rw_stream *stream, uint32_t family, const void *name, uint32_t name_bytes);
RW_API int32_t rw_reverse(struct rw_stream *stream, const struct rw_inet *address);

// The answer holds for `ttl_seconds`. Addresses have port 0, and come in the order to try them in (RSL-2).
RW_API int32_t rw_decode_addresses(const uint8_t *from, uint32_t bytes, uint32_t *ttl_seconds,
                                   struct rw_list *addresses);
RW_API int32_t rw_next_inet(struct rw_list *addresses, struct rw_inet *address);
RW_API int32_t rw_decode_names(const uint8_t *from, uint32_t bytes, uint32_t *ttl_seconds, struct rw_list *names);

// What the calls above send; Reverse is rw_encode_inet().
RW_API int32_t rw_encode_resolve(uint8_t *to, uint32_t room, uint32_t family, const void *name, uint32_t name_bytes);

#ifdef __cplusplus
}
#endif

#endif
