// Unix sockets of the host, of wire version 1.1 (PROTOCOL.md section 18).
//
//   rw_unix_connect     then rw_opened(): who listens there, rw_decode_unix_peer()
//   rw_unix_listen      then rw_accept() and rw_opened() of what was posted, as on a listener of TCP: who has connected
//
//   RW_UNIX_STREAM      then raw bytes: rw_send(), rw_recv(), rw_end() ...
//   RW_UNIX_SEQPACKET   then records: rw_unix_send(), rw_unix_recv(), rw_end() ...
//
// A host of version 1.0 refuses the Open with EPROTONOSUPPORT (VER-2).

#ifndef RINGWAY_UNIX_H
#define RINGWAY_UNIX_H

#include "ringway.h"

#ifdef __cplusplus
extern "C" {
#endif

enum rw_unix_kind { RW_UNIX_STREAM = 1, RW_UNIX_SEQPACKET = 2 };

RW_API int32_t rw_unix_connect(struct rw_stream *stream, uint32_t kind, const void *path, uint32_t path_bytes,
                               uint32_t timeout_ms);
RW_API int32_t rw_unix_listen(struct rw_stream *stream, uint32_t kind, uint32_t mode, uint32_t backlog,
                              const void *path, uint32_t path_bytes);

// One record, of no bytes as well (UNX-5): RW_OK, or RW_AGAIN with nothing sent. Of more than RW_IO_MAX_BYTES, or than
// fit a frame on the ring: RW_TOO_LONG.
RW_API int32_t rw_unix_send(struct rw_stream *stream, const void *data, uint32_t bytes);
// The next record, in `buffer` or, where that is NULL, in the scratch. RW_TOO_LONG leaves it where it is, with
// record->length saying how much it needs.
RW_API int32_t rw_unix_recv(struct rw_stream *stream, struct rw_bytes *record, void *buffer, uint32_t buffer_bytes);

// Who is at the other end, in the numbers of the host: pid 0, uid and gid 2^32 - 1 for what it does not tell (UNX-1).
struct rw_unix_peer {
  uint32_t pid, uid, gid;
};
RW_API int32_t rw_decode_unix_peer(const uint8_t *from, uint32_t bytes, struct rw_unix_peer *to);

// What the calls above send.
RW_API int32_t rw_encode_unix_connect(uint8_t *to, uint32_t room, uint32_t kind, uint32_t timeout_ms, const void *path,
                                      uint32_t path_bytes);
RW_API int32_t rw_encode_unix_listen(uint8_t *to, uint32_t room, uint32_t kind, uint32_t mode, uint32_t backlog,
                                     const void *path, uint32_t path_bytes);

#ifdef __cplusplus
}
#endif

#endif
