// The HTTP proxy (RFC 9110, 9112): CONNECT, and requests in absolute form, as http_proxy makes programs send them.
//
//   CONNECT host:port HTTP/1.1 ...            200, then raw bytes
//   GET http://host:port/path HTTP/1.1 ...    the head as head.c rewrites it; then the body and the answer as they are
//   the same, with Upgrade                    and after the server's 101 raw bytes (upgrade.c)
//
// A connection has one request: the server is told so, and what follows the head goes to the server that it named as
// far as it is the request's body (body.c). The head stays in the socket until all of it, rewritten, is in the
// ring; a ring smaller than the head gets it in several parts, and it is rewritten for each.

#include "agent.h"
#include "answer.h"
#include "carry.h"
#include "end.h"
#include "front.h"
#include "head.h"
#include "listen.h"
#include "local.h"
#include "refusal.h"
#include "upgrade.h"

struct http { // a connection's own
  struct body body;       // BOUNDED
  struct upgrade upgrade;
  uint32_t head_sent;     // AHEAD: bytes of it that are in the ring
};
_Static_assert(sizeof(struct http) <= OWN_BYTES, "a connection has room for it");
static struct http *own(struct conn *conn) { return (struct http *)(void *)conn->own; }

static void http_listen(void) {
  if (listen_tcp(&options.http, &http_front, 0, "--http PORT|off")) say_end();
}

static int again(struct conn *conn, struct request *request) {
  const uint8_t *bytes;
  int32_t count = local_peek(conn, &bytes);
  return count > 0 && head_parse(bytes, (uint32_t)count, request) == HEAD_OK;
}

// ── The question ────────────────────────────────────────────────────────────────────────────────────────────────────

static enum shake http_shake(struct conn *conn) {
  struct request request;
  const uint8_t *bytes;
  int32_t count = local_peek(conn, &bytes);
  if (count == 0 || count == -2) {
    conn_drop(conn, RESET);
    return SHAKE_OVER;
  }
  if (count < 0) return SHAKE_MORE;
  int status = head_parse(bytes, (uint32_t)count, &request);
  if (status == HEAD_MORE) return SHAKE_MORE;
  if (status == HEAD_OK) return SHAKE_DONE;
  answer_malformed(conn, status);
  return SHAKE_OVER;
}

static int32_t http_open(struct conn *conn) {
  struct request request;
  if (!again(conn, &request)) return RW_INVALID;
  return rw_connect(conn->stream, request.host.at, request.host.bytes, request.port, 0);
}

static void http_opened(struct conn *conn, const struct rw_frame *frame) {
  static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
  struct request request;
  (void)frame;
  if (!again(conn, &request)) {
    conn_drop(conn, RESET);
    return;
  }
  if (request.is_connect) {
    if (!local_answer(conn, established, sizeof established - 1)) {
      conn_drop(conn, RESET);
      return;
    }
    local_consume(conn, request.bytes);
  } else {
    conn->flags |= AHEAD;
    if (request.offers) upgrade_await(&own(conn)->upgrade);
    if (request.offers) conn->flags |= FOLLOWED;
  }
  carry_begin(conn);
}

static void http_refused(struct conn *conn, const struct rw_error *error) {
  struct request request;
  struct rw_text authority = {.length = 0};
  if (again(conn, &request))
    authority = (struct rw_text){(const uint8_t *)request.authority.at, request.authority.bytes};
  refusal_say(conn, authority, error);
  answer_refused(conn, authority, error);
}

static uint32_t http_question(struct conn *conn) {
  struct request request;
  return again(conn, &request) && request.is_connect ? request.bytes : 0;
}

// ── Its bytes ───────────────────────────────────────────────────────────────────────────────────────────────────────

static struct body ahead; // the body after what http_most() has looked at, for http_took() behind the same recv()

// Behind a request that is whole, and the answer that the server changes protocols, anything may follow. Asked wherever
// one of the two has come: the answer may be there first.
static void unbind_after_upgrade(struct conn *conn) {
  if (body_is_over(&own(conn)->body) && upgrade_is_done(&own(conn)->upgrade)) conn_clear(conn, BOUNDED);
}

static int32_t http_ahead(struct conn *conn) {
  static char bytes[2 * PEEK_BYTES]; // any head: a line of two bytes may become one of three, and a few lines are added
  struct text text = {.bytes = bytes, .room = sizeof bytes};
  struct http *http = own(conn);
  struct request request;
  if (!again(conn, &request)) return RW_INVALID; // it was there before
  head_rewrite(&request, &text);
  while (http->head_sent < text.length) {
    int32_t sent = rw_send(conn->stream, text.bytes + http->head_sent, text.length - http->head_sent);
    if (sent < 0) return sent;
    http->head_sent += (uint32_t)sent;
  }
  local_consume(conn, request.bytes);
  http->body = request.body;
  conn_clear(conn, AHEAD);
  conn->flags |= BOUNDED;
  unbind_after_upgrade(conn);
  return RW_OK;
}

// While there is a bound, no upgrade lets more follow: then there is none (see unbind_after_upgrade()).
static int http_is_whole(struct conn *conn) { return body_is_over(&own(conn)->body); }

// All of them data, or looked at.
static int32_t http_most(struct conn *conn, uint32_t most) {
  const uint8_t *bytes;
  uint64_t data = body_data(&own(conn)->body);
  ahead = own(conn)->body;
  if (data > 0) return (int32_t)(data < most ? data : most);
  int32_t count = local_peek(conn, &bytes);
  if (count == -1) return 0;
  if (count <= 0) return count == 0 ? (int32_t)most : -1; // recv() says that it is the end
  return body_take(&ahead, bytes, (uint32_t)count < most ? (uint32_t)count : most);
}

static int http_took(struct conn *conn, uint32_t got, uint32_t asked) {
  struct body *body = &own(conn)->body;
  if (body_data(body) > 0) body_took(body, got);
  else if (got == asked) *body = ahead;
  else return 0;
  unbind_after_upgrade(conn);
  return 1;
}

// Reads along while an answer is awaited; no more bytes are its end. With it the program's next bytes may go on.
static void http_heard(struct conn *conn, const void *bytes, uint32_t count) {
  struct upgrade *upgrade = &own(conn)->upgrade;
  if (count == 0) upgrade_give_up(upgrade);
  else if (!upgrade_read(upgrade, bytes, count)) return;
  unbind_after_upgrade(conn);
  conn_clear(conn, FOLLOWED);
  conn_wake(conn);
}

static void http_unheard(struct conn *conn) {
  upgrade_give_up(&own(conn)->upgrade);
  conn_clear(conn, FOLLOWED);
}

static const struct framing http_framing = {
    .ahead = http_ahead,
    .is_whole = http_is_whole,
    .most = http_most,
    .took = http_took,
    .heard = http_heard,
    .unheard = http_unheard,
};

const struct front http_front = {
    .name = "HTTP",
    .side = OUT,
    .ring_bytes_max = RW_RING_BYTES_MAX,
    .listen = http_listen,
    .shake = http_shake,
    .open = http_open,
    .opened = http_opened,
    .refused = http_refused,
    .question_bytes = http_question,
    .framing = &http_framing,
};
