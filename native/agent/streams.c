// The stream of a connection: how large, asked for, given back.
//
// Rings: large ones are fast and few, small ones are many. A stream's are as large as it may have while the streams
// that are there take little of the region: 256 KiB up to a quarter of it, 64 KiB up to half, 16 KiB up to five
// eighths; what is left has room for thousands of 4 KiB. (In 64 MiB: about 30, 120, 230 and 2000.) Where the host has
// no room for them (ENOMEM) it is asked for a quarter: begin.c.
//
// Invariant: used_pages is the sum of what the connections have in `pages`; `wanting` is 0 only if nobody waits for a
// slot of the library's, or for room in the control pipe.

#include "streams.h"

#include <stddef.h>

#include "host.h"
#include "room.h"

static uint32_t used_pages; // of the region, by the streams of this agent, there and asked for
static uint32_t wanting;

static uint32_t pages_of(uint32_t ring_bytes) { return 1 + 2 * ring_bytes / RW_PAGE_BYTES; }

uint32_t stream_ring_bytes(uint32_t most) {
  uint32_t region = host_region_pages(), bytes = RW_RING_BYTES_MIN;
  if (used_pages + pages_of(RINGS_LARGE_BYTES) <= region / 4) bytes = RINGS_LARGE_BYTES;
  else if (used_pages + pages_of(RINGS_MEDIUM_BYTES) <= region / 2) bytes = RINGS_MEDIUM_BYTES;
  else if (used_pages + pages_of(RINGS_SMALL_BYTES) <= region / 8 * 5) bytes = RINGS_SMALL_BYTES;
  return bytes < most ? bytes : most;
}

static void take_pages(struct conn *conn, uint32_t pages) {
  used_pages -= conn->pages;
  conn->pages = pages;
  used_pages += pages;
}

// ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

int32_t stream_ask(struct conn *conn, struct rw_stream **place, uint32_t ring_bytes) {
  int32_t slot = rw_stream_new(host_guest(), ring_bytes, ring_bytes);
  if (slot < 0) return slot == RW_NO_SLOT ? RW_AGAIN : slot;
  *place = rw_stream_at(host_guest(), (uint32_t)slot);
  (*place)->user = conn;
  return RW_OK;
}

void stream_asked(struct conn *conn) { take_pages(conn, pages_of(conn->ring_bytes)); }

void stream_came(struct conn *conn) {
  uint32_t bytes = rw_stream_to_host_bytes(conn->stream) + rw_stream_to_guest_bytes(conn->stream);
  take_pages(conn, 1 + bytes / RW_PAGE_BYTES);
}

// ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────────────────────

void stream_waits(void) { wanting++; }

// Those that want a stream, have one and want a listener, or have an Exit for the control pipe.
static int waits(const struct conn *conn) {
  if (conn->state == OPENING) return !conn->listener && rw_stream_state(conn->stream) == RW_STREAM_FRESH;
  return conn->state == WANTING || (conn->state == HANDSHAKE && (conn->flags & RETRYING));
}

void stream_retry(void) {
  struct conn *conn;
  wanting = 0;
  for (uint32_t i = 0; (conn = conn_at(i)) != NULL; i++)
    if (waits(conn)) conn_wake(conn);
}

// ── Giving back ─────────────────────────────────────────────────────────────────────────────────────────────────────

static void give_back(struct rw_stream **place, enum how how) {
  struct rw_stream *stream = *place;
  *place = NULL;
  if (!stream) return;
  stream->user = NULL;
  if (how == RESET) rw_reset(stream);
  else rw_close(stream);
  if (wanting > 0) stream_retry(); // they may have waited for this slot
}

void listener_leave(struct conn *conn, enum how how) { give_back(&conn->listener, how); }

void stream_leave(struct conn *conn, enum how how) {
  if (conn->state == ASKED && conn->stream) room_answered(conn);
  take_pages(conn, 0);
  give_back(&conn->stream, how);
  listener_leave(conn, how);
}
