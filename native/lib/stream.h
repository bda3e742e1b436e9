// What a call on a stream asks first: is it there, does it live, and why not. For stream.c and open.c, which use all of
// it. Not `inline`: written into each of their calls it would double their code.

#ifndef RINGWAY_STREAM_H
#define RINGWAY_STREAM_H

#include "internal.h"

static int32_t usable(const struct rw_stream *stream) {
  const struct rw_guest *guest = stream->guest;
  if (!guest || stream->state == RW_STREAM_FREE || stream->state == RW_STREAM_DOOMED) return RW_STATE;
  if (guest->broken) return guest->broken;
  if (guest->state == RW_GUEST_ATTACHED && stream->serial == guest->serial) return RW_OK;
  return guest->state == RW_GUEST_BLAMED ? RW_FAILED : RW_LOST;
}

static int32_t checked(struct rw_stream *stream, int32_t status) { return rwi_check(stream->guest, status); }

// RW_OK once the stream is there.
static int32_t given(const struct rw_stream *stream) {
  int32_t status = usable(stream);
  if (status != RW_OK) return status;
  if (stream->state == RW_STREAM_ASKED) return RW_AGAIN;
  return stream->state == RW_STREAM_REFUSED ? RW_REFUSED : RW_OK;
}

// The host reads no more: because it broke, or only because it has enough?
static int32_t why_closed(struct rw_stream *stream) {
  int32_t closed = rwi_peer_closed(&stream->to_guest);
  if (closed < 0) return checked(stream, closed);
  return closed == CLOSED_RESET ? RW_RESET : RW_CLOSED;
}

#endif
