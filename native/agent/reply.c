// What a question is answered with, by what the host says (resolver.c has the table), and on its way back.

#define _GNU_SOURCE
#include "reply.h"

#include <string.h>
#include <sys/socket.h>

#include "agent.h"
#include "diag.h"
#include "end.h"
#include "errors.h"
#include "inet.h"
#include "names.h"
#include "refusal.h"
#include "ringway-resolve.h"

enum { LENGTH = REPLY_LENGTH_BYTES, REFUSED_WHY_BYTES = 1024 };

// ── Answering ───────────────────────────────────────────────────────────────────────────────────────────────────────

static void send_reply(struct query *query, struct dns_answer *answer) {
  struct conn *conn = query->conn == QUERY_NO_CONN ? NULL : conn_at(query->conn);
  if (conn) {
    static uint8_t framed[LENGTH + DNS_BYTES_MAX];
    framed[0] = (uint8_t)(answer->length >> 8);
    framed[1] = (uint8_t)answer->length;
    memcpy(framed + LENGTH, answer->bytes, answer->length);
    query_free(query);
    end_with(conn, framed, LENGTH + answer->length);
    return;
  }
  ssize_t sent = sendto(query->fd, answer->bytes, answer->length, MSG_DONTWAIT | MSG_NOSIGNAL,
                        (const struct sockaddr *)&query->from, query->from_bytes);
  (void)sent; // who has not heard asks again
  query_free(query);
}

static void reply_code(struct query *query, enum dns_code code, enum dns_why why, struct rw_text reason) {
  static struct dns_answer answer;
  dns_begin(&answer, &query->question, code, query->conn != QUERY_NO_CONN);
  dns_end(&answer, &query->question, code, why, reason);
  send_reply(query, &answer);
}

void reply_plain(struct query *query, enum dns_code code) {
  reply_code(query, code, DNS_NO_REASON, (struct rw_text){.length = 0});
}

void reply_failed(struct query *query, const char *why) {
  reply_code(query, DNS_FAILED, DNS_NETWORK, (struct rw_text){(const uint8_t *)why, (uint32_t)strlen(why)});
}

void reply_address(struct query *query, const struct rw_inet *address) {
  static struct dns_answer answer;
  dns_begin(&answer, &query->question, DNS_OK, query->conn != QUERY_NO_CONN);
  dns_add_address(&answer, address, NAME_TTL_S);
  dns_end(&answer, &query->question, DNS_OK, DNS_NO_REASON, (struct rw_text){.length = 0});
  send_reply(query, &answer);
}

void reply_name(struct query *query, struct rw_text name) {
  static struct dns_answer answer;
  dns_begin(&answer, &query->question, DNS_OK, query->conn != QUERY_NO_CONN);
  dns_add_name(&answer, name, NAME_TTL_S);
  dns_end(&answer, &query->question, DNS_OK, DNS_NO_REASON, (struct rw_text){.length = 0});
  send_reply(query, &answer);
}

// ── What the host says ──────────────────────────────────────────────────────────────────────────────────────────────

// The name exists: it gets an address of its own. Over IPv6 it has none.
static void own_address(struct query *query) {
  struct rw_inet address;
  if (query->question.type == DNS_AAAA) reply_plain(query, DNS_OK);
  else if (names_give(query->question.name, query->question.name_bytes, 1, rw_posix_now_ms(), &address))
    reply_address(query, &address);
  else reply_failed(query, "too many names were asked for a moment ago");
}

static uint32_t inode_of(const void *of) {
  const struct query *query = of;
  const struct conn *conn = query->conn == QUERY_NO_CONN ? NULL : conn_at(query->conn);
  struct far_end end;
  if (conn) return diag_ask(conn->fd, &end) ? end.inode : 0;
  const struct rw_inet program = inet_from(&query->from);
  struct rw_inet asked = {.family = program.family, .port = DNS_PORT, .address = {127, 0, 0, 1}};
  if (asked.family == 6) asked = (struct rw_inet){.family = 6, .port = DNS_PORT, .address = {[15] = 1}};
  return diag_datagrams(&program, &asked, &end) == FAR_THERE ? end.inode : 0;
}

// The name that was refused last, and why.
static struct {
  uint8_t name[RW_HOST_MAX_BYTES], why[REFUSED_WHY_BYTES];
  uint32_t name_bytes, why_bytes;
  int64_t at_ms, logged_ms; // at_ms 0: `why` is none, as it was answered otherwise
} refused;

static int is_refused(const struct dns_question *asked) {
  return asked->name_bytes == refused.name_bytes && memcmp(asked->name, refused.name, refused.name_bytes) == 0;
}

void reply_forget_refusals(void) { refused.name_bytes = 0; }

int reply_refused_again(struct query *query) {
  if (query->question.type == DNS_PTR || refused.name_bytes == 0 || !is_refused(&query->question)) return 0;
  if (refused.at_ms == 0 || rw_posix_now_ms() >= refused.at_ms + REFUSED_MS) return 0;
  reply_code(query, DNS_REFUSED, DNS_BLOCKED, (struct rw_text){refused.why, refused.why_bytes});
  return 1;
}

// A program asks for both families, and again where it is refused: once a second is enough.
static void log_refusal(const struct query *query, const struct rw_error *error) {
  const struct dns_question *asked = &query->question;
  int64_t now = rw_posix_now_ms();
  if (is_refused(asked) && now < refused.logged_ms + REFUSALS_MS) return;
  memcpy(refused.name, asked->name, asked->name_bytes);
  refused.name_bytes = asked->name_bytes;
  refused.at_ms = 0; // what is there is another name's
  refused.logged_ms = now;
  refusal_say_for("resolver", (struct rw_text){refused.name, refused.name_bytes}, error, inode_of, query);
}

// By no rule of the policy's own: which ports are wanted of it is to be learned.
static int is_to_learn(const struct query *query, const struct rw_error *error) {
  static const char by_default[] = "default";
  return options.learns && query->question.type != DNS_PTR && error->rule.length == sizeof by_default - 1 &&
         memcmp(error->rule.bytes, by_default, sizeof by_default - 1) == 0;
}

static void on_refused(struct query *query, const struct rw_error *error) {
  log_refusal(query, error);
  if (is_to_learn(query, error)) {
    own_address(query);
    return;
  }
  say_begin_text();
  say_error(error);
  struct rw_text why = say_so_far();
  refused.at_ms = query->question.type == DNS_PTR ? 0 : rw_posix_now_ms();
  refused.why_bytes = why.length < sizeof refused.why ? why.length : sizeof refused.why;
  memcpy(refused.why, why.bytes, refused.why_bytes);
  reply_code(query, DNS_REFUSED, DNS_BLOCKED, why);
}

static void on_error(struct query *query, const struct rw_frame *frame) {
  struct rw_error error;
  if (rw_decode_error(frame->payload, frame->bytes, &error) != RW_OK) error = (struct rw_error){.error = LINUX_EPROTO};
  switch (error.error) {
    case LINUX_ENOENT:
    case LINUX_EINVAL: // not a name
      reply_plain(query, DNS_NO_NAME);
      break;
    case LINUX_EACCES:
    case LINUX_EPERM:
      on_refused(query, &error);
      break;
    default:
      say_begin_text();
      say_error(&error);
      reply_code(query, DNS_FAILED, DNS_NETWORK, say_so_far());
  }
}

static void on_addresses(struct query *query, const struct rw_frame *frame) {
  static struct dns_answer answer;
  struct rw_list addresses;
  struct rw_inet address;
  uint32_t ttl_seconds, family = query->question.type == DNS_AAAA ? 6 : 4;
  if (query->question.type == DNS_PTR ||
      rw_decode_addresses(frame->payload, frame->bytes, &ttl_seconds, &addresses) != RW_OK) {
    reply_plain(query, DNS_FAILED);
    return;
  }
  if (options.names == NAMES_OWN) {
    own_address(query);
    return;
  }
  dns_begin(&answer, &query->question, DNS_OK, query->conn != QUERY_NO_CONN);
  while (rw_next_inet(&addresses, &address) == 1)
    if (address.family == family) dns_add_address(&answer, &address, ttl_seconds);
  dns_end(&answer, &query->question, DNS_OK, DNS_NO_REASON, (struct rw_text){.length = 0});
  send_reply(query, &answer);
}

static void on_names(struct query *query, const struct rw_frame *frame) {
  struct rw_list names;
  struct rw_text name;
  uint32_t ttl_seconds;
  int is_one = query->question.type == DNS_PTR &&
               rw_decode_names(frame->payload, frame->bytes, &ttl_seconds, &names) == RW_OK &&
               rw_next_text(&names, &name) == 1;
  if (is_one) reply_name(query, name);
  else reply_plain(query, DNS_FAILED);
}

void reply_frame(const struct rw_frame *frame) {
  struct query *query; // none where it was given up; several where a name was asked for again
  while ((query = query_asked(frame->request))) {
    if (frame->type == RW_T_ADDRESSES) on_addresses(query, frame);
    else if (frame->type == RW_T_NAMES) on_names(query, frame);
    else if (frame->type == RW_T_ERROR) on_error(query, frame);
    else return;
  }
}
