// Questions of programs, from when they come until they are answered.
//
//            the stream is there, and has room             the host has answered
//   WAITING ──────────────────────────────────▶ ASKED ──────────────────────────▶ FREE
//      ▲                                          │
//      └────────── the epoch is over ─────────────┘         both ── out of time ──▶ FREE, answered with SERVFAIL
//
// There are QUERIES_MAX at most; the oldest makes room for one more, and is asked again by who wants to know.
//
// A name that is asked for again while the host looks for it has the first one's request. From the socket that asked
// first (both families at once; the same again after 5 s) it has that one's time as well: so who asks again hears what
// became of it. A stranger has a time of its own.
//
// Invariant: used counts those that are not FREE, waiting those in WAITING; no deadline is before next_ms, or later
// than QUERY_MS after its question came.

#include "queries.h"

#include <stddef.h>
#include <string.h>

static struct query all[QUERIES_MAX]; // a page of it takes memory when it is first used
static uint32_t used, waiting;
static int64_t next_ms = -1; // -1: there is none

struct query *query_at(uint32_t index) { return index < QUERIES_MAX ? &all[index] : NULL; }
uint32_t queries_waiting(void) { return waiting; }

static void due_at(struct query *query, int64_t deadline_ms) {
  query->deadline_ms = deadline_ms;
  if (next_ms < 0 || deadline_ms < next_ms) next_ms = deadline_ms;
}

static void due_by(struct query *query, int64_t latest_ms) {
  int64_t own_ms = query->came_ms + QUERY_MS;
  due_at(query, latest_ms < own_ms ? latest_ms : own_ms);
}

struct query *query_new(int64_t now, int64_t latest_ms) {
  for (uint32_t i = 0; used < QUERIES_MAX && i < QUERIES_MAX; i++) {
    if (all[i].state != QUERY_FREE) continue;
    memset(&all[i], 0, sizeof all[i]);
    all[i].state = QUERY_WAITING;
    all[i].conn = QUERY_NO_CONN;
    all[i].came_ms = now;
    due_by(&all[i], latest_ms);
    used++;
    waiting++;
    return &all[i];
  }
  return NULL;
}

struct query *query_oldest(void) {
  struct query *oldest = NULL;
  for (uint32_t i = 0; i < QUERIES_MAX; i++)
    if (all[i].state != QUERY_FREE && (!oldest || all[i].deadline_ms < oldest->deadline_ms)) oldest = &all[i];
  return oldest;
}

void query_free(struct query *query) {
  if (query->state == QUERY_WAITING) waiting--;
  query->state = QUERY_FREE;
  if (--used == 0) next_ms = -1;
}

void query_is_asked(struct query *query, uint32_t request) {
  query->state = QUERY_ASKED;
  query->request = request;
  waiting--;
}

// By TCP each is another's.
static int is_same_asker(const struct query *one, const struct query *other) {
  return one->conn == QUERY_NO_CONN && other->conn == QUERY_NO_CONN && one->from_bytes == other->from_bytes &&
         memcmp(&one->from, &other->from, one->from_bytes) == 0;
}

int query_joins(struct query *query) {
  const struct dns_question *asked = &query->question;
  int joins = 0;
  for (uint32_t i = 0; asked->type != DNS_PTR && used > waiting && i < QUERIES_MAX; i++) {
    const struct dns_question *other = &all[i].question;
    if (all[i].state != QUERY_ASKED || other->type == DNS_PTR || other->name_bytes != asked->name_bytes) continue;
    if (memcmp(other->name, asked->name, asked->name_bytes) != 0) continue;
    if (&all[i] == query) continue;
    if (!joins) query_is_asked(query, all[i].request);
    joins = 1;
    if (is_same_asker(query, &all[i])) due_at(query, all[i].deadline_ms);
  }
  return joins;
}

void queries_unasked(void) {
  for (uint32_t i = 0; i < QUERIES_MAX; i++) {
    if (all[i].state != QUERY_ASKED) continue;
    all[i].state = QUERY_WAITING;
    waiting++;
  }
}

struct query *query_asked(uint32_t request) {
  for (uint32_t i = 0; i < QUERIES_MAX; i++)
    if (all[i].state == QUERY_ASKED && all[i].request == request) return &all[i];
  return NULL;
}

struct query *query_of_conn(uint32_t conn) {
  for (uint32_t i = 0; i < QUERIES_MAX; i++)
    if (all[i].state != QUERY_FREE && all[i].conn == conn) return &all[i];
  return NULL;
}

void queries_deadline(int64_t latest_ms) {
  for (uint32_t i = 0; used > 0 && i < QUERIES_MAX; i++)
    if (all[i].state != QUERY_FREE) due_by(&all[i], latest_ms);
}

// A look at all of them when the earliest may be over.
int64_t queries_expire(int64_t now, void (*expired)(struct query *query)) {
  if (next_ms < 0 || now < next_ms) return next_ms;
  next_ms = -1;
  for (uint32_t i = 0; i < QUERIES_MAX; i++) {
    if (all[i].state == QUERY_FREE) continue;
    if (all[i].deadline_ms <= now) expired(&all[i]);
    else due_at(&all[i], all[i].deadline_ms);
  }
  return next_ms;
}
