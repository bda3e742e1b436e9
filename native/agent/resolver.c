// The resolver of --transparent: port 53 of the guest's loopback, over UDP and TCP. What a program asks for goes to the
// host as it is (resolve, PROTOCOL.md section 17), which judges it before anything leaves it.
//
//   A, AAAA   --names own: an address of the name's own (names.c) for A, none for AAAA; connects go by name
//             --names real: what the host says
//   PTR       of such an address its name; else what the host says
//   others    the name has none
//
//   ENOENT  NXDOMAIN          EACCES  REFUSED, with the rule          EAGAIN, ETIMEDOUT  SERVFAIL
//
// A question for which there is no host has --hold-ms, as a connection has; one that the host does not answer has
// QUERY_MS, in which no hold counts for more. Then it is answered with SERVFAIL.
//
//   the stream of all questions:  none ──▶ WANTING ─▶ ASKED ─▶ OPENING ─▶ OWN        queries.c has a question's states
//                                  ▲ when one waits                        │ refused, ended: later
//                                  └───────────────────────────────────────┘
//   a connection, of one question:  HANDSHAKE ── all of it ──▶ OWN ── answered ──▶ PARTING

#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "agent.h"
#include "begin.h"
#include "end.h"
#include "errors.h"
#include "front.h"
#include "host.h"
#include "inet.h"
#include "listen.h"
#include "local.h"
#include "names.h"
#include "reply.h"
#include "ringway-resolve.h"
#include "room.h"
#include "routes.h"
#include "silence.h"

enum { LENGTH = REPLY_LENGTH_BYTES };

static struct conn *stream_conn; // or NULL
static int64_t retry_ms;         // no other stream before
static int had_host;             // in the last round
static int is_eager;             // for the first question of an epoch it is there already
static int32_t untaken;          // bytes of questions in its ring, which the host had not taken when last looked at

// ── Setting up ──────────────────────────────────────────────────────────────────────────────────────────────────────

static void listen_udp(const struct address *address) {
  struct rw_inet inet = {.family = address->family, .port = address->port};
  struct sockaddr_storage at;
  memcpy(inet.address, address->ip, sizeof inet.address);
  socklen_t bytes = inet_to(&inet, &at);
  int fd = socket(at.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (const struct sockaddr *)&at, bytes) < 0)
    listen_failed(address->text, "--names off for none", errno);
  listen_own(fd, &resolver_front);
}

static void resolver_listen(void) {
  static const struct address ipv4 = {.text = "127.0.0.1:53", .ip = {127, 0, 0, 1}, .port = DNS_PORT, .family = 4};
  static const struct address ipv6 = {.text = "[::1]:53", .ip = {[15] = 1}, .port = DNS_PORT, .family = 6};
  if (!options.transparent || options.names == NAMES_OFF) return;
  names_init();
  listen_udp(&ipv4);
  if (listen_tcp(&ipv4, &resolver_tcp_front, 0, "--names off for none")) say_end();
  if (!routes_have_ipv6()) return;
  listen_udp(&ipv6);
  if (listen_tcp(&ipv6, &resolver_tcp_front, 0, "--names off for none")) say_end();
}

// ── The stream ──────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t resolver_open(struct conn *conn) { return rw_resolver(conn->stream); }

static void fail_all(void) {
  for (uint32_t i = 0; query_at(i); i++)
    if (query_at(i)->state != QUERY_FREE) reply_failed(query_at(i), "the host does not answer questions");
}

// A host of version 1.0 has no such protocol. Where it has no stream to spare the questions wait for their own time.
static void resolver_refused(struct conn *conn, const struct rw_error *error) {
  if (error->error == LINUX_EMFILE || error->error == LINUX_ENOMEM) {
    retry_ms = rw_posix_now_ms() + RETRY_MS_MIN;
    conn_drop(conn, CLOSE);
    return;
  }
  say_begin();
  say("resolver: ");
  say_error(error);
  say_end();
  fail_all();
  retry_ms = rw_posix_now_ms() + RETRY_MS_MAX;
  conn_drop(conn, CLOSE);
}

// Those that wait, while the ring has room.
static int32_t ask_all(struct conn *conn) {
  for (uint32_t i = 0; queries_waiting() > 0 && query_at(i); i++) {
    struct query *query = query_at(i);
    if (query->state != QUERY_WAITING) continue;
    if (query_joins(query) || reply_refused_again(query)) continue;
    int32_t request = query->question.type == DNS_PTR
                          ? rw_reverse(conn->stream, &query->pointer)
                          : rw_resolve(conn->stream, 0, query->question.name, query->question.name_bytes);
    if (request == RW_INVALID) reply_plain(query, DNS_NO_NAME);
    else if (request < 0) return request;
    else query_is_asked(query, (uint32_t)request);
  }
  return RW_OK;
}

// A name server may be long about a name; the host takes a question at once (silence.c).
static void set_untaken(int32_t bytes) {
  if (untaken == 0 && bytes > 0) silence_asks();
  if (untaken > 0 && bytes <= 0) silence_asks_no_more();
  untaken = bytes < 0 ? 0 : bytes;
}

static void look_untaken(struct conn *conn, int is_answered) {
  int32_t before = untaken;
  if (before > 0) set_untaken(rw_unsent(conn->stream));
  if (is_answered || untaken < before) silence_heard();
}

static void resolver_step(struct conn *conn) {
  struct rw_frame frame;
  int32_t status = RW_OK;
  int is_answered = 0;
  for (int frames = 0; frames < FRAMES_AT_ONCE && status == RW_OK; frames++) {
    status = rw_frame_next(conn->stream, &frame, NULL, 0);
    if (status == RW_OK) is_answered = 1, reply_frame(&frame);
  }
  look_untaken(conn, is_answered);
  if (status == RW_OK) conn_wake(conn);
  if (status == RW_OK || status == RW_AGAIN) status = ask_all(conn);
  if (status == RW_OK || status == RW_AGAIN) set_untaken(rw_unsent(conn->stream));
  if (status == RW_OK || status == RW_AGAIN || host_lost(status)) return;
  retry_ms = rw_posix_now_ms() + RETRY_MS_MIN;
  conn_drop(conn, RESET);
}

static void resolver_opened(struct conn *conn, const struct rw_frame *frame) {
  (void)frame;
  conn->state = OWN;
  conn_deadline(conn, 0);
  conn_wake(conn);
}

static void resolver_ended(struct conn *conn) {
  if (stream_conn != conn) return;
  stream_conn = NULL;
  set_untaken(0);
  queries_unasked();
}

static void resolver_up(void) {
  reply_forget_refusals();
  retry_ms = 0;
  is_eager = 1;
}

// It waits no longer, whenever it came.
static int64_t latest_ms(int64_t now) { return now + (host_is_up() ? QUERY_MS : options.hold_ms); }

static void give_up(struct query *query) {
  struct conn *conn = query->conn == QUERY_NO_CONN ? NULL : conn_at(query->conn);
  query_free(query);
  if (conn) conn_drop(conn, RESET);
}

static void out_of_time(struct query *query) {
  reply_failed(query, host_is_up() ? "the host has not answered in time" : "no monitor is attached");
}

// The oldest makes room.
static struct query *new_query(void) {
  int64_t now = rw_posix_now_ms();
  struct query *query = query_new(now, latest_ms(now));
  if (query) return query;
  give_up(query_oldest());
  return query_new(now, latest_ms(now));
}

// Where a question waits and no stream is there for it. When to try again, or -1.
static int64_t begin_stream(int64_t now) {
  if ((queries_waiting() == 0 && !is_eager) || stream_conn || !host_is_up()) return -1;
  if (now < retry_ms) return retry_ms;
  stream_conn = conn_new(&resolver_front, -1);
  retry_ms = now + RETRY_MS_MIN;
  if (!stream_conn) return retry_ms;
  is_eager = 0;
  begin_wish(stream_conn);
  return -1;
}

static int64_t resolver_tick(int64_t now) {
  if (!options.transparent || options.names == NAMES_OFF) return -1;
  if (host_is_up() != had_host) queries_deadline(latest_ms(now));
  had_host = host_is_up();
  int64_t expires_ms = queries_expire(now, out_of_time), begins_ms = begin_stream(now);
  return begins_ms >= 0 && (expires_ms < 0 || begins_ms < expires_ms) ? begins_ms : expires_ms;
}

// ── Questions ───────────────────────────────────────────────────────────────────────────────────────────────────────

// The guest's own loopback (RFC 6761).
static void answer_localhost(struct query *query) {
  struct rw_inet ipv4 = {.family = 4, .address = {127, 0, 0, 1}}, ipv6 = {.family = 6, .address = {[15] = 1}};
  reply_address(query, query->question.type == DNS_AAAA ? &ipv6 : &ipv4);
}

// The round that has the next tick may be far away.
static void ask_host(void) {
  if (stream_conn) conn_wake(stream_conn);
  else begin_stream(rw_posix_now_ms());
}

// 1: it is for the host.
static int is_for_host(struct query *query) {
  if (query->question.type != DNS_PTR) return 1;
  if (!dns_pointer(&query->question, &query->pointer)) {
    reply_plain(query, DNS_NO_NAME);
    return 0;
  }
  if (options.names != NAMES_OWN || !names_has(&query->pointer)) return 1;
  const struct named *named = names_find(&query->pointer);
  if (named) reply_name(query, (struct rw_text){(const uint8_t *)named->name, named->bytes});
  else reply_plain(query, DNS_NO_NAME);
  return 0;
}

static void take(struct query *query, int code) {
  uint32_t type = query->question.type;
  if (code != DNS_OK) reply_plain(query, (enum dns_code)code);
  else if (type != DNS_A && type != DNS_AAAA && type != DNS_PTR) reply_plain(query, DNS_OK);
  else if (type != DNS_PTR && dns_is_localhost(&query->question)) answer_localhost(query);
  else if (is_for_host(query)) ask_host();
}

static int resolver_come(int fd) {
  static uint8_t bytes[DNS_BYTES_MAX];
  struct sockaddr_storage from;
  socklen_t from_bytes = sizeof from;
  ssize_t got = recvfrom(fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &from_bytes);
  if (got < 0) return errno != EAGAIN;
  struct query *query = new_query();
  if (!query) return 1;
  int code = dns_read(bytes, (uint32_t)got, &query->question);
  query->fd = fd;
  query->from = from;
  query->from_bytes = from_bytes;
  if (code < 0) query_free(query);
  else take(query, code);
  return 1;
}

// ── Questions by TCP ────────────────────────────────────────────────────────────────────────────────────────────────

static enum shake resolver_tcp_shake(struct conn *conn) {
  const uint8_t *bytes;
  int32_t count = local_peek(conn, &bytes);
  uint32_t length = count < LENGTH ? 0 : (uint32_t)bytes[0] << 8 | bytes[1];
  if (count == -1 || (count > 0 && count < LENGTH)) return SHAKE_MORE;
  if (count > 0 && length <= DNS_BYTES_MAX && (uint32_t)count < LENGTH + length) return SHAKE_MORE;
  struct query *query = count > 0 && length <= DNS_BYTES_MAX ? new_query() : NULL;
  if (!query) {
    conn_drop(conn, count == 0 ? CLOSE : RESET);
    return SHAKE_OVER;
  }
  int code = dns_read(bytes + LENGTH, length, &query->question);
  if (code < 0) {
    query_free(query);
    conn_drop(conn, RESET);
    return SHAKE_OVER;
  }
  local_consume(conn, LENGTH + length);
  query->conn = conn_index(conn);
  conn->state = OWN;
  room_enter(conn, NOWHERE); // it has said all that it must
  conn_deadline(conn, 0);    // that of its question
  take(query, code);
  return SHAKE_OVER;
}

static void resolver_tcp_step(struct conn *conn) {
  if (conn->flags & (HUP | BROKEN)) conn_drop(conn, RESET);
}

static void resolver_tcp_ended(struct conn *conn) {
  struct query *query = query_of_conn(conn_index(conn));
  if (query) query_free(query);
}

const struct front resolver_front = {
    .name = "resolver",
    .side = BESIDE,
    .ring_bytes_max = RINGS_MEDIUM_BYTES,
    .listen = resolver_listen,
    .come = resolver_come,
    .up = resolver_up,
    .tick = resolver_tick,
    .open = resolver_open,
    .opened = resolver_opened,
    .refused = resolver_refused,
    .step = resolver_step,
    .ended = resolver_ended,
};

const struct front resolver_tcp_front = {
    .name = "resolver",
    .side = OUT,
    .ring_bytes_max = RW_RING_BYTES_MIN, // it has no stream
    .shake = resolver_tcp_shake,
    .step = resolver_tcp_step,
    .ended = resolver_tcp_ended,
};
