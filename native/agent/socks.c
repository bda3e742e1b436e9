// SOCKS5 (RFC 1928): CONNECT without authentication. Names go to the host as they are, which resolves them.
//
//   program: 5, n, n methods              agent: 5, 0            (5, 0xff: it wants authentication)
//   program: 5, 1, 0, type, address, port agent: 5, reply, 0, type, address, port
//
// The request stays in the socket until the host has answered.

#include <arpa/inet.h>
#include <string.h>

#include "agent.h"

enum { VERSION = 5, NO_AUTHENTICATION = 0, NONE_OF_THESE = 0xff, COMMAND_CONNECT = 1 };
enum { TYPE_IPV4 = 1, TYPE_NAME = 3, TYPE_IPV6 = 4 };
enum reply {
  SUCCEEDED, FAILURE, NOT_ALLOWED, NETWORK_UNREACHABLE, HOST_UNREACHABLE, REFUSED, TTL_EXPIRED, NO_COMMAND, NO_TYPE,
};

struct request {
  const char *host;
  char literal[INET6_ADDRSTRLEN];
  uint32_t host_bytes, port, bytes; // of the whole request
};

static uint32_t reply_to(uint32_t error) {
  switch (error) { // Linux numbers (ERR-2)
    case 1:   // EPERM
    case 13:  // EACCES
      return NOT_ALLOWED;
    case 100: // ENETDOWN
    case 101: // ENETUNREACH
      return NETWORK_UNREACHABLE;
    case 2:   // ENOENT: no such name
    case 113: // EHOSTUNREACH
      return HOST_UNREACHABLE;
    case 111: // ECONNREFUSED
      return REFUSED;
    case 110: // ETIMEDOUT
      return TTL_EXPIRED;
    default:
      return FAILURE;
  }
}

static uint32_t encode(uint8_t to[22], uint32_t reply, const struct rw_inet *bound) {
  int is6 = bound && bound->family == 6;
  uint32_t bytes = is6 ? 16 : 4;
  memset(to, 0, 22);
  to[0] = VERSION;
  to[1] = (uint8_t)reply;
  to[3] = is6 ? TYPE_IPV6 : TYPE_IPV4;
  if (!bound) return 10;
  memcpy(to + 4, bound->address, bytes);
  to[4 + bytes] = (uint8_t)(bound->port >> 8);
  to[5 + bytes] = (uint8_t)bound->port;
  return 6 + bytes;
}

static enum shake part_with(struct conn *conn, uint32_t reply) {
  uint8_t bytes[22];
  local_part(conn, bytes, encode(bytes, reply, NULL));
  return SHAKE_OVER;
}

// The request at hand: its bytes; 0 not all of it yet; or minus the reply to it.
static int32_t parse(const uint8_t *bytes, uint32_t count, struct request *request) {
  if (count < 4) return 0;
  if (bytes[0] != VERSION || bytes[2] != 0) return -FAILURE;
  if (bytes[1] != COMMAND_CONNECT) return -NO_COMMAND;
  uint32_t at = 4, length = 4;
  if (bytes[3] == TYPE_NAME) {
    if (count < 5) return 0;
    length = bytes[at++];
    if (length == 0) return -FAILURE;
  } else if (bytes[3] == TYPE_IPV6) {
    length = 16;
  } else if (bytes[3] != TYPE_IPV4) {
    return -NO_TYPE;
  }
  if (count < at + length + 2) return 0;
  request->host = (const char *)bytes + at;
  request->host_bytes = length;
  if (bytes[3] != TYPE_NAME) {
    inet_ntop(bytes[3] == TYPE_IPV4 ? AF_INET : AF_INET6, bytes + at, request->literal, sizeof request->literal);
    request->host = request->literal;
    request->host_bytes = (uint32_t)strlen(request->literal);
  }
  at += length;
  request->port = (uint32_t)bytes[at] << 8 | bytes[at + 1];
  request->bytes = at + 2;
  return (int32_t)request->bytes;
}

static enum shake greet(struct conn *conn, const uint8_t *bytes, uint32_t count) {
  if (count >= 1 && bytes[0] != VERSION) {
    conn_drop(conn, RESET); // it speaks something else; no answer would be understood
    return SHAKE_OVER;
  }
  if (count < 2 || count < 2u + bytes[1]) return SHAKE_MORE;
  int open = memchr(bytes + 2, NO_AUTHENTICATION, bytes[1]) != NULL;
  const uint8_t answer[] = {VERSION, open ? NO_AUTHENTICATION : NONE_OF_THESE};
  local_consume(conn, 2u + bytes[1]);
  if (!open) {
    local_part(conn, answer, sizeof answer);
    return SHAKE_OVER;
  }
  if (!local_answer(conn, answer, sizeof answer)) {
    conn_drop(conn, RESET);
    return SHAKE_OVER;
  }
  conn->flags |= GREETED;
  return SHAKE_DONE;
}

static enum shake socks_shake(struct conn *conn) {
  const uint8_t *bytes;
  struct request request;
  int32_t count = local_peek(conn, &bytes);
  if (count == 0 || count == -2) {
    conn_drop(conn, RESET);
    return SHAKE_OVER;
  }
  if (count < 0) return SHAKE_MORE;
  if (!(conn->flags & GREETED)) {
    enum shake greeted = greet(conn, bytes, (uint32_t)count);
    if (greeted != SHAKE_DONE) return greeted;
    count = local_peek(conn, &bytes);
    if (count <= 0) return SHAKE_MORE;
  }
  int32_t parsed = parse(bytes, (uint32_t)count, &request);
  if (parsed < 0) return part_with(conn, (uint32_t)-parsed);
  return parsed == 0 ? SHAKE_MORE : SHAKE_DONE;
}

static int32_t again(struct conn *conn, struct request *request) {
  const uint8_t *bytes;
  int32_t count = local_peek(conn, &bytes);
  return count > 0 && parse(bytes, (uint32_t)count, request) > 0 ? RW_OK : RW_INVALID;
}

static int32_t socks_open(struct conn *conn) {
  struct request request;
  int32_t status = again(conn, &request);
  if (status != RW_OK) return status;
  return rw_connect(conn->stream, request.host, request.host_bytes, request.port, 0);
}

static void socks_opened(struct conn *conn, const struct rw_frame *frame) {
  struct request request;
  struct rw_endpoints ends;
  uint8_t bytes[22];
  int known = frame->payload && rw_decode_endpoints(frame->payload, frame->bytes, &ends) == RW_OK;
  if (again(conn, &request) != RW_OK || !local_answer(conn, bytes, encode(bytes, SUCCEEDED, known ? &ends.local : NULL))) {
    conn_drop(conn, RESET);
    return;
  }
  local_consume(conn, request.bytes);
  carry_begin(conn);
}

static void socks_refused(struct conn *conn, const struct rw_error *error) { part_with(conn, reply_to(error->error)); }

const struct front socks_front = {socks_shake, socks_open, socks_opened, socks_refused, RW_RING_BYTES_MAX};
