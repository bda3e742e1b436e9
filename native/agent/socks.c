// SOCKS5 (RFC 1928): CONNECT, and UDP ASSOCIATE (associate.c). Names go to the host as they are, which resolves them.
//
//   METHODS    program: 5, n, n methods                 agent: 5, 0 if 0 is one of them; 5, 2 if 2 is; else 5, 0xff
//   PASSWORD   program: 1, n, user, n, password         agent: 1, 0: any will do (RFC 1929)
//   REQUEST    program: 5, 1 or 3, 0, address           agent: 5, reply, 0, address          socks5.c has addresses
//
// The request stays in the socket until the host has answered.

#include <string.h>

#include "agent.h"
#include "associate.h"
#include "carry.h"
#include "end.h"
#include "errors.h"
#include "front.h"
#include "listen.h"
#include "local.h"
#include "refusal.h"
#include "socks5.h"
#include "text.h"

enum step { METHODS, PASSWORD, REQUEST };

struct socks { // a connection's own
  uint8_t step; // what the program has to say next
};
_Static_assert(sizeof(struct socks) <= OWN_BYTES, "a connection has room for it");
static struct socks *own(struct conn *conn) { return (struct socks *)(void *)conn->own; }

static void socks_listen(void) {
  if (options.socks.family != 0) associate_init();
  if (listen_tcp(&options.socks, &socks_front, 0, "--socks PORT|off")) say_end();
}
enum { VERSION = 5, NO_AUTHENTICATION = 0, USER_AND_PASSWORD = 2, NONE_OF_THESE = 0xff, COMMAND_CONNECT = 1 };
enum { COMMAND_ASSOCIATE = 3, HEAD_BYTES = 3 };
enum { PASSWORD_VERSION = 1, ACCEPTED = 0, NOT_ACCEPTED = 1 };
enum reply {
  SUCCEEDED, FAILURE, NOT_ALLOWED, NETWORK_UNREACHABLE, HOST_UNREACHABLE, REFUSED, TTL_EXPIRED, NO_COMMAND, NO_TYPE,
};

struct request {
  uint8_t command;
  struct socks5_end to;
  uint32_t bytes; // of all of it
};

static uint32_t reply_to(uint32_t error) {
  switch (error) { // Linux numbers (ERR-2)
    case LINUX_EPERM:
    case LINUX_EACCES:
      return NOT_ALLOWED;
    case LINUX_ENETDOWN:
    case LINUX_ENETUNREACH:
      return NETWORK_UNREACHABLE;
    case LINUX_ENOENT: // no such name
    case LINUX_EHOSTUNREACH:
      return HOST_UNREACHABLE;
    case LINUX_ECONNREFUSED:
      return REFUSED;
    case LINUX_ETIMEDOUT:
      return TTL_EXPIRED;
    default:
      return FAILURE;
  }
}

static uint32_t encode(uint8_t to[22], uint32_t reply, const struct rw_inet *bound) {
  static const struct rw_inet none = {.family = 4};
  to[0] = VERSION;
  to[1] = (uint8_t)reply;
  to[2] = 0;
  return HEAD_BYTES + socks5_put_inet(to + HEAD_BYTES, bound ? bound : &none);
}

static enum shake part_with(struct conn *conn, uint32_t reply) {
  uint8_t bytes[22];
  end_with(conn, bytes, encode(bytes, reply, NULL));
  return SHAKE_OVER;
}

// The request at hand: its bytes; 0 not all of it yet; or minus the reply to it.
static int32_t parse(const uint8_t *bytes, uint32_t count, struct request *request) {
  if (count < HEAD_BYTES + 1) return 0;
  if (bytes[0] != VERSION || bytes[2] != 0) return -FAILURE;
  request->command = bytes[1];
  if (bytes[1] != COMMAND_CONNECT && bytes[1] != COMMAND_ASSOCIATE) return -NO_COMMAND;
  int32_t to = socks5_end(bytes + HEAD_BYTES, count - HEAD_BYTES, &request->to);
  if (to < 0) return to == SOCKS5_BAD_TYPE ? -NO_TYPE : -FAILURE;
  request->bytes = HEAD_BYTES + (uint32_t)to;
  return to == 0 ? 0 : (int32_t)request->bytes;
}

// Its step is answered, and the next one begins.
static enum shake go_on(struct conn *conn, uint32_t said, const uint8_t answer[2], enum step step) {
  local_consume(conn, said);
  if (!local_answer(conn, answer, 2)) {
    conn_drop(conn, RESET);
    return SHAKE_OVER;
  }
  own(conn)->step = (uint8_t)step;
  return SHAKE_DONE;
}

static enum shake greet(struct conn *conn, const uint8_t *bytes, uint32_t count) {
  if (bytes[0] != VERSION) {
    conn_drop(conn, RESET); // it speaks something else; no answer would be understood
    return SHAKE_OVER;
  }
  if (count < 2 || count < 2u + bytes[1]) return SHAKE_MORE;
  uint8_t answer[2] = {VERSION, NONE_OF_THESE};
  if (memchr(bytes + 2, USER_AND_PASSWORD, bytes[1])) answer[1] = USER_AND_PASSWORD;
  if (memchr(bytes + 2, NO_AUTHENTICATION, bytes[1])) answer[1] = NO_AUTHENTICATION;
  if (answer[1] != NONE_OF_THESE)
    return go_on(conn, 2u + bytes[1], answer, answer[1] == NO_AUTHENTICATION ? REQUEST : PASSWORD);
  end_with(conn, answer, sizeof answer);
  return SHAKE_OVER;
}

static enum shake authenticate(struct conn *conn, const uint8_t *bytes, uint32_t count) {
  static const uint8_t yes[2] = {PASSWORD_VERSION, ACCEPTED}, no[2] = {PASSWORD_VERSION, NOT_ACCEPTED};
  if (bytes[0] != PASSWORD_VERSION) {
    end_with(conn, no, sizeof no);
    return SHAKE_OVER;
  }
  uint32_t user = count < 2 ? 0 : 2u + bytes[1];
  if (count < 2 || count <= user || count < user + 1 + bytes[user]) return SHAKE_MORE;
  return go_on(conn, user + 1 + bytes[user], yes, REQUEST);
}

// Where it sends from it need not say, and hardly any program does.
static enum shake associate(struct conn *conn, uint32_t said) {
  struct rw_inet bound;
  uint8_t bytes[22];
  if (!associate_begin(conn, &bound)) return part_with(conn, FAILURE);
  local_consume(conn, said);
  if (!local_answer(conn, bytes, encode(bytes, SUCCEEDED, &bound))) conn_drop(conn, RESET);
  return SHAKE_OVER;
}

static enum shake ask(struct conn *conn, const uint8_t *bytes, uint32_t count) {
  struct request request;
  int32_t parsed = parse(bytes, count, &request);
  if (parsed < 0) return part_with(conn, (uint32_t)-parsed);
  if (parsed == 0) return SHAKE_MORE;
  return request.command == COMMAND_ASSOCIATE ? associate(conn, request.bytes) : SHAKE_DONE;
}

static enum shake socks_shake(struct conn *conn) {
  for (;;) {
    const uint8_t *bytes;
    int32_t count = local_peek(conn, &bytes);
    if (count == 0 || count == -2) {
      conn_drop(conn, count == 0 && own(conn)->step != METHODS ? CLOSE : RESET); // its last answer is not taken back
      return SHAKE_OVER;
    }
    if (count < 0) return SHAKE_MORE;
    if (own(conn)->step == REQUEST) return ask(conn, bytes, (uint32_t)count);
    int greets = own(conn)->step == METHODS;
    enum shake shook = greets ? greet(conn, bytes, (uint32_t)count) : authenticate(conn, bytes, (uint32_t)count);
    if (shook != SHAKE_DONE) return shook;
  }
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
  return rw_connect(conn->stream, request.to.host, request.to.host_bytes, request.to.port, 0);
}

static void socks_opened(struct conn *conn, const struct rw_frame *frame) {
  struct request request;
  struct rw_endpoints ends;
  uint8_t bytes[22];
  int known = frame->payload && rw_decode_endpoints(frame->payload, frame->bytes, &ends) == RW_OK;
  uint32_t length = encode(bytes, SUCCEEDED, known ? &ends.local : NULL);
  if (again(conn, &request) != RW_OK || !local_answer(conn, bytes, length)) {
    conn_drop(conn, RESET);
    return;
  }
  local_consume(conn, request.bytes);
  carry_begin(conn);
}

// The reply is a number: which rule it was stands in the log.
static void socks_refused(struct conn *conn, const struct rw_error *error) {
  char bytes[RW_HOST_MAX_BYTES + 8];
  struct text to = {.bytes = bytes, .room = sizeof bytes};
  struct request request;
  if (again(conn, &request) == RW_OK) {
    put_span(&to, (struct span){request.to.host, request.to.host_bytes});
    put(&to, ":");
    put_number(&to, request.to.port);
  }
  refusal_say(conn, (struct rw_text){(const uint8_t *)to.bytes, to.length}, error);
  part_with(conn, reply_to(error->error));
}

static uint32_t socks_question(struct conn *conn) {
  struct request request;
  return again(conn, &request) == RW_OK ? request.bytes : 0;
}

const struct front socks_front = {
    .name = "SOCKS5",
    .side = OUT,
    .ring_bytes_max = RW_RING_BYTES_MAX,
    .listen = socks_listen,
    .shake = socks_shake,
    .open = socks_open,
    .opened = socks_opened,
    .refused = socks_refused,
    .question_bytes = socks_question,
};
