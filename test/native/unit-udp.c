// Sockets of datagrams: trains taken apart, losses and errors told, hosts that break the rules found out.

#include "host.h"
#include "ringway-udp.h"
#include "unit.h"

static const struct rw_inet here = {.family = 4, .port = 53, .address = {127, 0, 0, 1}};

// A socket with its host end played by hand: bound, or connected.
static struct rw_stream *socket_on(struct host *h, uint32_t id, int bound) {
  uint8_t body[64], opened[48] = {0};
  uint32_t request, bytes;
  struct rw_stream *stream = fresh_stream(h, id);
  IS(bound ? rw_udp_bind(stream, &here, RW_UDP_SHARED) : rw_udp_connect(stream, "a.test", 6, 53, 0), RW_OK);
  IS(take_frame(&h->streams[id].to_host, &request, body, &bytes), RW_T_OPEN);
  IS(rwi_u32(body), bound ? RW_UDP_BIND : RW_UDP_CONNECT);
  IS(rwi_u32(body + 4), bound ? RW_UDP_SHARED : 53);
  put_frame(h, id, &h->streams[id].to_guest, RW_T_OPENED, request, opened, bound ? 24 : 48);
  IS(take_one(h), (int32_t)rw_stream_slot(stream));
  IS(rw_opened(stream, 0, 0, 0), RW_OK);
  return stream;
}

// Segment, peer, data.
static uint32_t from_peer(uint8_t *to, uint32_t segment, const void *data, uint32_t bytes) {
  IS(rw_encode_udp_send_to(to, 28, segment, &here), 28);
  if (bytes > 0) memcpy(to + 28, data, bytes);
  return 28 + bytes;
}

static void comes(struct host *h, uint32_t id, uint32_t type, uint32_t request, const void *payload, uint32_t bytes) {
  put_frame(h, id, &h->streams[id].to_guest, type, request, payload, bytes);
}

void datagrams_come_one_by_one_each_with_its_peer(void) {
  struct host *h = attached();
  struct rw_stream *stream = socket_on(h, 1, 1);
  struct rw_udp udp;
  struct rw_bytes datagram;
  uint8_t payload[64];
  comes(h, 1, RW_T_UDP_RECEIVED_FROM, 0, payload, from_peer(payload, 0, "hello", 5));
  comes(h, 1, RW_T_UDP_RECEIVED_FROM, 0, payload, from_peer(payload, 0, "", 0));
  comes(h, 1, RW_T_UDP_RECEIVED_FROM, 0, payload, from_peer(payload, 3, "abcdefgh", 8));
  for (int i = 0; i < 2; i++) {
    IS(rw_udp_recv(stream, &udp, 0, 0), RW_OK);
    IS(udp.type, RW_T_UDP_RECEIVED_FROM);
    CHECK(memcmp(&udp.peer, &here, sizeof here) == 0);
    IS(rw_next_datagram(&udp.train, &datagram), 1);
    IS(datagram.length, i == 0 ? 5 : 0);
    CHECK(memcmp(datagram.bytes, "hello", datagram.length) == 0);
    IS(rw_next_datagram(&udp.train, &datagram), 0);
  }
  IS(rw_udp_recv(stream, &udp, 0, 0), RW_OK);
  static const char *const parts[] = {"abc", "def", "gh"};
  for (int i = 0; i < 3; i++) {
    IS(rw_next_datagram(&udp.train, &datagram), 1);
    IS(datagram.length, strlen(parts[i]));
    CHECK(memcmp(datagram.bytes, parts[i], datagram.length) == 0);
  }
  IS(rw_next_datagram(&udp.train, &datagram), 0);
  IS(rw_udp_recv(stream, &udp, 0, 0), RW_AGAIN);
  free_host(h);
}

void datagrams_are_sent_whole_and_without_an_id(void) {
  struct host *h = attached();
  struct rw_stream *one = socket_on(h, 1, 0), *many = socket_on(h, 2, 1);
  uint8_t payload[RING];
  uint32_t request = 1, bytes;
  IS(rw_udp_send(one, 0, "hello", 5), RW_OK);
  IS(take_frame(&h->streams[1].to_host, &request, payload, &bytes), RW_T_UDP_SEND);
  IS(request, 0);
  CHECK(bytes == 9 && memcmp(payload, "\0\0\0\0hello", 9) == 0);
  IS(rw_udp_send(many, &here, "", 0), RW_OK);
  IS(take_frame(&h->streams[2].to_host, &request, payload, &bytes), RW_T_UDP_SEND_TO);
  IS(request, 0);
  IS(bytes, 28);
  // To nobody, or to somebody else.
  IS(rw_udp_send(many, 0, "x", 1), RW_INVALID);
  IS(rw_udp_send(one, &here, "x", 1), RW_INVALID);
  // All of it or nothing.
  memset(payload, 7, sizeof payload);
  IS(rw_udp_send(one, 0, payload, RING - 16), RW_OK);
  IS(rw_udp_send(one, 0, payload, 1), RW_AGAIN);
  IS(rw_udp_send(one, 0, payload, RING - 15), RW_TOO_LONG);
  // A request has an id all the same.
  int32_t count = rw_encode_udp_lookup(payload, sizeof payload, 53, "a.test", 6);
  int32_t id = rw_request(many, RW_T_UDP_LOOKUP, payload, (uint32_t)count);
  CHECK(id > 0);
  IS(take_frame(&h->streams[2].to_host, &request, payload, &bytes), RW_T_UDP_LOOKUP);
  IS(request, id);
  free_host(h);
}

void errors_and_losses_of_datagrams_are_told(void) {
  struct host *h = attached();
  struct rw_stream *stream = socket_on(h, 1, 1);
  struct rw_udp udp;
  uint8_t payload[64] = {0};
  rwi_put_u32(payload, 7);
  comes(h, 1, RW_T_UDP_LOST, 0, payload, 4);
  rwi_put_u32(payload, 13);
  IS(rw_encode_inet(payload + 4, 24, &here), 24);
  comes(h, 1, RW_T_UDP_ERROR, 0, payload, 36);
  comes(h, 1, RW_T_UDP_PEER, 5, payload + 4, 24);
  comes(h, 1, RW_T_DONE, 6, payload, 0);
  IS(rw_udp_recv(stream, &udp, 0, 0), RW_OK);
  IS(udp.type, RW_T_UDP_LOST);
  IS(udp.lost, 7);
  IS(rw_udp_recv(stream, &udp, 0, 0), RW_OK);
  IS(udp.type, RW_T_UDP_ERROR);
  IS(udp.error.error, 13);
  CHECK(memcmp(&udp.peer, &here, sizeof here) == 0);
  IS(rw_udp_recv(stream, &udp, 0, 0), RW_OK);
  IS(udp.type, RW_T_UDP_PEER);
  IS(udp.request, 5);
  IS(udp.peer.port, 53);
  IS(rw_udp_recv(stream, &udp, 0, 0), RW_OK);
  IS(udp.type, RW_T_DONE);
  IS(udp.request, 6);
  free_host(h);
}

// Each ends the guest: a guest of its own for each.
static void breaks(int bound, uint32_t type, uint32_t request, const void *payload, uint32_t bytes, int32_t status) {
  struct host *h = attached();
  struct rw_stream *stream = socket_on(h, 1, bound);
  struct rw_udp udp;
  comes(h, 1, type, request, payload, bytes);
  IS(rw_udp_recv(stream, &udp, 0, 0), status);
  IS(rw_udp_recv(stream, &udp, 0, 0), status); // for good (ERR-5)
  free_host(h);
}

void what_no_socket_can_send_is_a_violation(void) {
  uint8_t payload[128] = {0};
  uint32_t one = from_peer(payload, 0, "x", 1);
  breaks(0, RW_T_UDP_RECEIVED_FROM, 0, payload, one, RW_BAD_TYPE);
  breaks(1, RW_T_UDP_RECEIVED, 0, payload, 5, RW_BAD_TYPE);
  breaks(1, RW_T_UDP_RECEIVED_FROM, 9, payload, one, RW_BAD_TYPE);
  breaks(1, RW_T_DONE, 0, payload, 0, RW_BAD_TYPE);
  breaks(1, RW_T_DATA, 0, payload, 4, RW_BAD_TYPE);
  breaks(1, RW_T_UDP_RECEIVED_FROM, 0, payload, 27, RW_BAD_PAYLOAD);
  // Trains of one datagram, of none, of 65.
  breaks(1, RW_T_UDP_RECEIVED_FROM, 0, payload, from_peer(payload, 5, "hello", 5), RW_BAD_PAYLOAD);
  breaks(1, RW_T_UDP_RECEIVED_FROM, 0, payload, from_peer(payload, 5, "", 0), RW_BAD_PAYLOAD);
  memset(payload, 0, sizeof payload);
  rwi_put_u32(payload, 1);
  breaks(0, RW_T_UDP_RECEIVED, 0, payload, 4 + 65, RW_BAD_PAYLOAD);
}
