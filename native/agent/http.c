// The HTTP proxy (RFC 9110, 9112): CONNECT, and requests in absolute form, as http_proxy makes programs send them.
//
//   CONNECT host:port HTTP/1.1 ...            200, then raw bytes
//   GET http://host:port/path HTTP/1.1 ...    the head as head.c rewrites it; then the body and the answer as they are
//   the same, with Upgrade                    and after the server's 101 raw bytes (upgrade.c)
//
// A connection has one request: the server is told so, and what follows the head goes to the server that it named as
// far as it is the request's body (body.c, carry.c). The head stays in the socket until all of it, rewritten, is in the
// ring; a ring smaller than the head gets it in several parts, and it is rewritten for each.

#include "head.h"

enum { DONE = 1 };

static int again(struct conn *conn, struct request *request) {
  const uint8_t *bytes;
  int32_t count = local_peek(conn, &bytes);
  return count > 0 && head_parse(bytes, (uint32_t)count, request) == HEAD_OK;
}

int32_t http_send_head(struct conn *conn) {
  static char bytes[2 * PEEK_BYTES]; // any head: a line of two bytes may become one of three, and a few lines are added
  struct text text = {.bytes = bytes, .room = sizeof bytes};
  struct request request;
  if (!again(conn, &request)) return RW_INVALID; // it was there before
  head_rewrite(&request, &text);
  while (conn->head_sent < text.length) {
    int32_t sent = rw_send(conn->stream, text.bytes + conn->head_sent, text.length - conn->head_sent);
    if (sent < 0) return sent;
    conn->head_sent += (uint32_t)sent;
  }
  local_consume(conn, request.bytes);
  conn->body = request.body;
  conn->flags = (uint16_t)((conn->flags & ~HEAD) | FRAMED);
  return DONE;
}

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
    conn->flags |= HEAD;
    if (request.offers) upgrade_await(&conn->upgrade);
  }
  carry_begin(conn);
}

static void http_refused(struct conn *conn, const struct rw_error *error) {
  struct request request;
  struct rw_text authority = {.length = 0};
  if (again(conn, &request))
    authority = (struct rw_text){(const uint8_t *)request.authority.at, request.authority.bytes};
  refusal_say(conn, "HTTP", authority, error);
  answer_refused(conn, authority, error);
}

static uint32_t http_question(struct conn *conn) {
  struct request request;
  return again(conn, &request) && request.is_connect ? request.bytes : 0;
}

const struct front http_front = {http_shake, http_open, http_opened, http_refused, RW_RING_BYTES_MAX, http_question};
