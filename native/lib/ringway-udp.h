// UDP, of wire version 1.1 (PROTOCOL.md section 16): one stream is one socket of the host's.
//
//   rw_udp_connect   a socket with one peer       rw_udp_send(stream, NULL, ...)
//   rw_udp_bind      one with any number          rw_udp_send(stream, &peer, ...)
//
//   while ((n = rw_udp_recv(stream, &udp, NULL, 0)) == RW_OK)
//     if (udp.type == RW_T_UDP_RECEIVED_FROM)
//       while (rw_next_datagram(&udp.train, &datagram)) ...   from udp.peer
//
// Datagrams get lost, as on every network. What the host had in its hands and lost is told: udp.lost. A host of version
// 1.0 refuses the Open with EPROTONOSUPPORT (VER-2). To carry the largest datagrams both rings want 128 KiB (UDP-6).

#ifndef RINGWAY_UDP_H
#define RINGWAY_UDP_H

#include "ringway.h"

#ifdef __cplusplus
extern "C" {
#endif

enum rw_udp_flag { RW_UDP_SHARED = 1, RW_UDP_ONLY_IPV6 = 2 }; // UDP-2
enum rw_udp_option {                                          // UDP-12
  RW_UDP_TTL = 1,
  RW_UDP_MULTICAST_TTL = 2,
  RW_UDP_MULTICAST_LOOP = 3,
  RW_UDP_BROADCAST = 4,
};
enum { RW_UDP_MAX_BYTES = 65527, RW_UDP_TRAIN_MAX = 64 };

// Open. The host's answer to udp-connect is as to rw_connect(): rw_decode_endpoints(); to udp-bind as to rw_listen():
// rw_decode_bound().
RW_API int32_t rw_udp_connect(struct rw_stream *stream, const void *host, uint32_t host_bytes, uint32_t port,
                              uint32_t timeout_ms);
RW_API int32_t rw_udp_bind(struct rw_stream *stream, const struct rw_inet *address, uint32_t flags);

// One datagram, of no bytes as well; `peer` is NULL on udp-connect. RW_OK, or RW_AGAIN with nothing sent; RW_TOO_LONG
// where no ring of this size carries it. What becomes of it is not told, but for RW_T_UDP_ERROR.
RW_API int32_t rw_udp_send(struct rw_stream *stream, const struct rw_inet *peer, const void *data, uint32_t bytes);

// Datagrams of one peer that came together (UDP-5). Checked whole, then walked.
struct rw_train {
  const uint8_t *from; // the next one
  uint32_t bytes;      // left
  uint32_t segment;    // bytes of each but the last; 0: there is one
  uint32_t datagrams;  // left; 0 at first: no such train can be
};
// 1 and the next, or 0.
RW_API int32_t rw_next_datagram(struct rw_train *train, struct rw_bytes *datagram);

// What came, by its type:
//
//   RW_T_UDP_RECEIVED, RW_T_UDP_RECEIVED_FROM   train; the latter, on udp-bind, also peer
//   RW_T_UDP_ERROR                              error, of a datagram to peer (UDP-9); the socket goes on
//   RW_T_UDP_LOST                               lost (UDP-10)
//   RW_T_UDP_PEER, RW_T_DONE, RW_T_ERROR        the reply to `request`: peer; nothing; error
struct rw_udp {
  uint32_t type;
  uint32_t request; // 0, but of a reply
  uint32_t lost;    // datagrams since the socket was opened, modulo 2^32
  uint32_t reserved;
  struct rw_inet peer;
  struct rw_train train;
  struct rw_error error;
};
// As rw_frame_next(), and taken apart. The train and texts lie in the buffer.
RW_API int32_t rw_udp_recv(struct rw_stream *stream, struct rw_udp *udp, void *buffer, uint32_t buffer_bytes);
// For who has the frame already. RW_BAD_TYPE for what has no place on a socket.
RW_API int32_t rw_decode_udp(const struct rw_frame *frame, struct rw_udp *udp);

// Requests, for rw_request(): RW_T_UDP_LOOKUP, the address of a name for this socket (UDP-8); RW_T_UDP_SET;
// RW_T_UDP_INTERFACE, rw_encode_inet(); RW_T_UDP_JOIN and RW_T_UDP_LEAVE (UDP-13).
RW_API int32_t rw_encode_udp_lookup(uint8_t *to, uint32_t room, uint32_t port, const void *host, uint32_t host_bytes);
RW_API int32_t rw_encode_udp_set(uint8_t *to, uint32_t room, uint32_t option, uint32_t value);
RW_API int32_t rw_encode_udp_group(uint8_t *to, uint32_t room, const struct rw_inet *group,
                                   const struct rw_inet *source, const struct rw_inet *interface);

// What the calls above are made of. A program that has several datagrams of one peer may send them as a train, with
// rw_tell(): the fields, then the datagrams.
RW_API int32_t rw_encode_udp_bind(uint8_t *to, uint32_t room, uint32_t flags, const struct rw_inet *address);
RW_API int32_t rw_encode_udp_send(uint8_t *to, uint32_t room, uint32_t segment);
RW_API int32_t rw_encode_udp_send_to(uint8_t *to, uint32_t room, uint32_t segment, const struct rw_inet *peer);
RW_API int32_t rw_decode_udp_received(const uint8_t *from, uint32_t bytes, struct rw_train *to);
RW_API int32_t rw_decode_udp_received_from(const uint8_t *from, uint32_t bytes, struct rw_inet *peer,
                                           struct rw_train *to);
RW_API int32_t rw_decode_udp_error(const uint8_t *from, uint32_t bytes, struct rw_inet *peer, struct rw_error *to);

#ifdef __cplusplus
}
#endif

#endif
