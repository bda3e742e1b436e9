// Unix sockets: who is at the other end, what was posted to a listener, records.

#include "host.h"
#include "ringway-unix.h"
#include "unit.h"

static void put_peer(uint8_t to[12], uint32_t pid, uint32_t uid, uint32_t gid) {
  rwi_put_u32(to, pid);
  rwi_put_u32(to + 4, uid);
  rwi_put_u32(to + 8, gid);
}

// A stream that is open for unix-connect, its host end played by hand.
static struct rw_stream *connected(struct host *h, uint32_t id, uint32_t kind, struct rw_frame *answer) {
  uint8_t body[64], peer[12];
  uint32_t request, bytes;
  struct rw_stream *stream = fresh_stream(h, id);
  IS(rw_unix_connect(stream, kind, "/run/a", 6, 1000), RW_OK);
  IS(rw_unix_connect(stream, kind, "/run/a", 6, 1000), RW_STATE);
  IS(take_frame(&h->streams[id].to_host, &request, body, &bytes), RW_T_OPEN);
  CHECK(bytes == 22 && rwi_u32(body) == RW_UNIX_CONNECT && rwi_u32(body + 4) == kind);
  CHECK(rwi_u32(body + 8) == 1000 && memcmp(body + 16, "/run/a", 6) == 0);
  put_peer(peer, 12, 1000, 0xffffffffu);
  put_frame(h, id, &h->streams[id].to_guest, RW_T_OPENED, request, peer, sizeof peer);
  IS(rw_opened(stream, answer, 0, 0), RW_OK);
  return stream;
}

void a_unix_socket_tells_who_is_at_its_other_end(void) {
  struct host *h = attached();
  struct rw_frame answer;
  struct rw_unix_peer peer;
  struct rw_stream *stream = connected(h, 1, RW_UNIX_STREAM, &answer);
  IS(rw_decode_unix_peer(answer.payload, answer.bytes, &peer), RW_OK);
  CHECK(peer.pid == 12 && peer.uid == 1000 && peer.gid == 0xffffffffu);
  IS(rw_send(stream, "raw", 3), 3);
  free_host(h);
}

static void listens_and_gets(uint32_t type, int32_t status) {
  struct host *h = attached();
  struct rw_stream *listener = fresh_stream(h, 1), *stream = fresh_stream(h, 2);
  uint32_t request, bytes;
  uint8_t payload[64], peer[48] = {4, [24] = 4};
  IS(rw_unix_listen(listener, RW_UNIX_SEQPACKET, 0600, 5, "/run/a", 6), RW_OK);
  IS(rw_accept(listener, stream), RW_OK);
  IS(take_frame(&h->streams[1].to_host, &request, payload, &bytes), RW_T_OPEN);
  CHECK(bytes == 26 && rwi_u32(payload) == RW_UNIX_LISTEN && rwi_u32(payload + 8) == 0600);
  IS(take_frame(&h->streams[1].to_host, &request, payload, &bytes), RW_T_ACCEPT);
  put_frame(h, 2, &h->streams[2].to_guest, type, request, peer, type == RW_T_UNIX_INCOMING ? 12 : 48);
  IS(rw_opened(stream, 0, 0, 0), status);
  free_host(h);
}

void a_unix_listener_gets_what_was_posted(void) {
  listens_and_gets(RW_T_UNIX_INCOMING, RW_OK);
  listens_and_gets(RW_T_INCOMING, RW_BAD_TYPE);
}

void records_stay_whole_and_apart(void) {
  struct host *h = attached();
  struct rw_stream *stream = connected(h, 1, RW_UNIX_SEQPACKET, 0);
  uint8_t payload[64], small[2];
  uint32_t request = 1, bytes;
  struct rw_bytes record;
  IS(rw_unix_send(stream, "one", 3), RW_OK);
  IS(rw_unix_send(stream, "", 0), RW_OK);
  IS(rw_unix_send(stream, payload, RW_IO_MAX_BYTES + 1), RW_TOO_LONG);
  IS(take_frame(&h->streams[1].to_host, &request, payload, &bytes), RW_T_UNIX_SEND);
  CHECK(request == 0 && bytes == 3 && memcmp(payload, "one", 3) == 0);
  IS(take_frame(&h->streams[1].to_host, &request, payload, &bytes), RW_T_UNIX_SEND);
  CHECK(request == 0 && bytes == 0);
  put_frame(h, 1, &h->streams[1].to_guest, RW_T_UNIX_RECEIVED, 0, "four", 4);
  put_frame(h, 1, &h->streams[1].to_guest, RW_T_UNIX_RECEIVED, 0, 0, 0);
  IS(rw_unix_recv(stream, &record, small, sizeof small), RW_TOO_LONG);
  IS(record.length, 4);
  IS(rw_unix_recv(stream, &record, 0, 0), RW_OK);
  CHECK(record.length == 4 && memcmp(record.bytes, "four", 4) == 0);
  IS(rw_unix_recv(stream, &record, 0, 0), RW_OK);
  IS(record.length, 0);
  IS(rw_unix_recv(stream, &record, 0, 0), RW_AGAIN);
  put_frame(h, 1, &h->streams[1].to_guest, RW_T_UNIX_RECEIVED, 3, "id", 2);
  IS(rw_unix_recv(stream, &record, 0, 0), RW_BAD_TYPE);
  IS(rw_unix_recv(stream, &record, 0, 0), RW_BAD_TYPE);
  free_host(h);
}
