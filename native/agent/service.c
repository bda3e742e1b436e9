// The service socket: programs in the guest that speak the protocol, through the agent, which has the only bell.
//
// A connection is a stream. The program writes an Open frame, and from there on all bytes pass through both ways as
// they are: the agent knows nothing of what is asked for. Two first frames are the agent's own business:
//
//   Open of a listener   (tcp-listen, unix-listen) One connection, as the program has only one: the agent opens the
//                        listener, posts one accept, and passes Opened on, then Incoming, then the bytes of the
//                        connection that came. The listener is closed with that. OPENING until it is posted, then OWN
//                        until a connection comes.
//   Exit                 goes to the control pipe; the answer is the end.
//
// What ends is told by shutdown(); what breaks by a mark (local_reset()).

#include <errno.h>
#include <string.h>

#include "../tools/words.h"
#include "agent.h"
#include "begin.h"
#include "carry.h"
#include "end.h"
#include "errors.h"
#include "front.h"
#include "host.h"
#include "listen.h"
#include "local.h"
#include "room.h"

enum {
  HEADER = RW_FRAME_HEADER_BYTES,
  PROTOCOL_AT = HEADER,
  TCP_LISTEN_PAYLOAD = 4 + 28,                           // LSN-1: backlog, inet
  UNIX_LISTEN_PAYLOAD_MAX = 4 + 16 + RW_PATH_MAX_BYTES, // UNX-2: kind, mode, backlog, path
  EXIT_FRAME = HEADER + 4,
};

struct service { // a connection's own
  uint32_t request; // id of the program's first frame
};
_Static_assert(sizeof(struct service) <= OWN_BYTES, "a connection has room for it");
static struct service *own(struct conn *conn) { return (struct service *)(void *)conn->own; }

static void service_listen(void) {
  if (!options.service) return;
  int error = listen_unix(options.service, &service_front);
  if (error && options.service_given) listen_failed(options.service, "--service PATH|off", error);
  say_begin();
  say(error ? "no service socket: " : "programs of Ringway on ");
  say(options.service);
  if (error) say(": ");
  if (error == EADDRINUSE) {
    say("another agent has it; --service PATH gives this one its own");
  } else if (error) {
    say_errno((uint32_t)error);
    say("; --service PATH names another place");
  }
  say_end();
}

enum first { FIRST_MORE, FIRST_STREAM, FIRST_LISTEN, FIRST_EXIT, FIRST_WRONG, FIRST_GONE };

static enum first first_frame(struct conn *conn, const uint8_t **bytes) {
  int32_t count = local_peek(conn, bytes);
  if (count == 0 || count == -2) return FIRST_GONE;
  if (count < HEADER) return FIRST_MORE;
  uint32_t type = word_at(*bytes + 4);
  if (type == RW_T_EXIT) return count >= EXIT_FRAME ? FIRST_EXIT : FIRST_MORE;
  if (type != RW_T_OPEN) return FIRST_WRONG;
  if (count < HEADER + 4) return FIRST_MORE;
  uint32_t payload = word_at(*bytes), protocol = word_at(*bytes + PROTOCOL_AT);
  if (protocol != RW_TCP_LISTEN && protocol != RW_UNIX_LISTEN) return FIRST_STREAM;
  if (payload < 4 || payload > UNIX_LISTEN_PAYLOAD_MAX) return FIRST_WRONG;
  if (protocol == RW_TCP_LISTEN && payload != TCP_LISTEN_PAYLOAD) return FIRST_WRONG;
  return (uint32_t)count >= HEADER + payload ? FIRST_LISTEN : FIRST_MORE;
}

// A frame to the program, with the request id of its first.
static void answer(struct conn *conn, uint32_t type, const uint8_t *payload, uint32_t payload_bytes) {
  static uint8_t frame[HEADER + 64 + 2 * RW_TEXT_MAX_BYTES];
  if (payload_bytes > sizeof frame - HEADER) payload_bytes = 0;
  put_word(frame, payload_bytes);
  put_word(frame + 4, type);
  put_word(frame + 8, own(conn)->request);
  if (payload_bytes > 0) memcpy(frame + HEADER, payload, payload_bytes);
  if (!local_answer(conn, frame, HEADER + payload_bytes)) conn_drop(conn, RESET);
}

// ── A stream ────────────────────────────────────────────────────────────────────────────────────────────────────────

static enum shake pass_exit(struct conn *conn, uint32_t code) {
  int32_t status = host_is_up() ? rw_exit(host_guest(), code) : RW_LOST;
  if ((status == RW_AGAIN || status == RW_LOST) && options.hold_ms > 0) {
    // stream_retry() says when to try again; out of time, the program sees that it failed.
    if (!(conn->flags & RETRYING)) conn_deadline(conn, options.hold_ms);
    conn->flags |= RETRYING;
    room_enter(conn, NOWHERE); // it has said all that it must
    return SHAKE_OVER;
  }
  if (status != RW_OK) {
    conn_drop(conn, RESET);
    return SHAKE_OVER;
  }
  local_consume(conn, EXIT_FRAME);
  conn_drop(conn, CLOSE);
  return SHAKE_OVER;
}

static enum shake service_shake(struct conn *conn) {
  const uint8_t *bytes;
  switch (first_frame(conn, &bytes)) {
    case FIRST_MORE:
      return SHAKE_MORE;
    case FIRST_EXIT:
      return pass_exit(conn, word_at(bytes + HEADER));
    case FIRST_STREAM:
    case FIRST_LISTEN:
      own(conn)->request = word_at(bytes + 8);
      return SHAKE_DONE;
    default:
      conn_drop(conn, RESET);
      return SHAKE_OVER;
  }
}

static void service_refused(struct conn *conn, const struct rw_error *error) {
  uint8_t payload[12 + 2 * RW_TEXT_MAX_BYTES];
  uint32_t at = 4;
  put_word(payload, error->error == 0 ? LINUX_EPROTO : error->error);
  const struct rw_text texts[] = {error->rule, error->reason};
  for (int i = 0; i < 2; i++) {
    uint32_t length = texts[i].length > RW_TEXT_MAX_BYTES ? 0 : texts[i].length;
    put_word(payload + at, length);
    if (length > 0) memcpy(payload + at + 4, texts[i].bytes, length);
    at += 4 + length;
  }
  answer(conn, RW_T_REFUSED, payload, at);
  if (conn->state != FREE) end_with(conn, "", 0);
}

// ── A listener and its one connection ───────────────────────────────────────────────────────────────────────────────

static void fail(struct conn *conn, int32_t status) {
  if (!host_lost(status)) begin_refuse(conn, LINUX_EPROTO, "the listener broke");
}

static void refused(struct conn *conn, const struct rw_frame *frame) {
  struct rw_error error = {.error = rw_stream_error(conn->listener)};
  if (frame && frame->payload) rw_decode_error(frame->payload, frame->bytes, &error);
  stream_leave(conn, CLOSE);
  service_refused(conn, &error);
}

static int32_t send_open(struct conn *conn) {
  const uint8_t *bytes;
  if (first_frame(conn, &bytes) != FIRST_LISTEN) return RW_INVALID;
  return rw_open(conn->listener, word_at(bytes + PROTOCOL_AT), bytes + HEADER + 4, word_at(bytes) - 4);
}

// Posted first, and then told: who is told that it listens may be connected to at once.
static int32_t post(struct conn *conn, const struct rw_frame *frame) {
  static uint8_t opened[64]; // the frame is in the library's scratch
  uint32_t bytes = frame->payload && frame->bytes <= sizeof opened ? frame->bytes : 0;
  if (bytes > 0) memcpy(opened, frame->payload, bytes);
  const uint8_t *open;
  if (first_frame(conn, &open) != FIRST_LISTEN) return RW_INVALID;
  int32_t status = rw_accept(conn->listener, conn->stream);
  if (status != RW_OK) return status;
  conn->state = OWN; // posted
  local_consume(conn, HEADER + word_at(open));
  answer(conn, RW_T_OPENED, opened, bytes);
  return RW_OK;
}

static void listen_and_post(struct conn *conn) {
  struct rw_frame frame;
  uint32_t state = rw_stream_state(conn->listener);
  if (state == RW_STREAM_ASKED) return;
  if (state == RW_STREAM_REFUSED) {
    refused(conn, NULL);
    return;
  }
  int32_t status = state == RW_STREAM_FRESH ? send_open(conn) : RW_OK;
  if (status == RW_OK) status = rw_opened(conn->listener, &frame, NULL, 0);
  if (status == RW_REFUSED) refused(conn, &frame);
  if (status == RW_REFUSED || status == RW_AGAIN) return;
  if (status == RW_OK) status = post(conn, &frame);
  if (status != RW_OK) fail(conn, status);
}

static void await_connection(struct conn *conn) {
  struct rw_frame frame;
  int32_t status = rw_opened(conn->stream, &frame, NULL, 0);
  if (status == RW_OK) {
    answer(conn, frame.type, frame.payload, frame.payload ? frame.bytes : 0);
    if (conn->state == FREE) return;
    listener_leave(conn, CLOSE);
    carry_begin(conn);
    return;
  }
  if (status != RW_AGAIN) {
    fail(conn, status);
    return;
  }
  // Of the listener's own messages only the end of the accept matters; that of an accept(2) the host tries again
  // (LSN-5).
  for (int frames = 0; frames < FRAMES_AT_ONCE; frames++) {
    status = rw_frame_next(conn->listener, &frame, NULL, 0);
    if (status == RW_AGAIN) return;
    if (status == RW_OK && frame.request != rw_stream_request(conn->stream)) continue;
    if (status == RW_OK && frame.type == RW_T_ERROR) refused(conn, &frame);
    else fail(conn, status == RW_OK ? RW_RESET : status);
    return;
  }
  conn_wake(conn);
}

// The program may have gone while nobody called.
static int is_gone(struct conn *conn) {
  if (!(conn->flags & (HUP | BROKEN))) return 0;
  conn_drop(conn, RESET);
  return 1;
}

static void service_step(struct conn *conn) {
  if (!is_gone(conn)) await_connection(conn);
}

// Raw bytes at once; or a listener first, beside the stream, which stays FRESH until it is posted.
static int32_t service_open(struct conn *conn) {
  const uint8_t *bytes;
  if (conn->listener) {
    if (is_gone(conn)) return RW_OK;
    listen_and_post(conn);
    if (conn->state == OWN) await_connection(conn);
    return RW_OK;
  }
  if (first_frame(conn, &bytes) == FIRST_LISTEN) return stream_ask(conn, &conn->listener, RW_RING_BYTES_MIN);
  int32_t status = rw_stream_raw(conn->stream);
  if (status == RW_OK) carry_begin(conn);
  return status;
}

const struct front service_front = {
    .name = "service",
    .side = OUT,
    .ring_bytes_max = RW_RING_BYTES_MAX,
    .listen = service_listen,
    .shake = service_shake,
    .open = service_open,
    .refused = service_refused,
    .step = service_step,
};
