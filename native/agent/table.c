// The table of connections: who is free, who has work to do, who is out of time.
//
// Invariant: a slot is on the free list or in the run queue, at most once in one of them, so both use its `next`. A
// connection that is freed while it is queued goes to the free list when its turn comes.

#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "../tools/say.h"
#include "watch.h"

static struct conn *table;
static uint32_t size, free_head = CONN_NONE, free_count;
static uint32_t used; // slots from here on have never been, and stand on no list
static uint32_t run_head = CONN_NONE, run_tail = CONN_NONE;
static int64_t next_deadline_ms = -1; // no deadline is earlier than this; -1: there is none

void table_init(uint32_t slots) {
  size = slots;
  // From mmap: a page of it takes memory when its first connection comes.
  table = calloc(size, sizeof *table);
  if (!table) {
    say_begin();
    say("no memory for ");
    say_number(size);
    say(" connections");
    say_end();
    exit(1);
  }
  free_count = size;
}

struct conn *conn_at(uint32_t index) { return index < used ? &table[index] : NULL; }
uint32_t conn_index(const struct conn *conn) { return (uint32_t)(conn - table); }
uint32_t table_free(void) { return free_count; }

struct conn *conn_new(const struct front *front, int fd) {
  if (free_head == CONN_NONE && used == size) return NULL;
  struct conn *conn = &table[free_head == CONN_NONE ? used++ : free_head];
  if (conn_index(conn) == free_head) free_head = conn->next;
  free_count--;
  memset(conn, 0, sizeof *conn);
  conn->fd = fd;
  conn->front = front;
  conn->state = HANDSHAKE;
  return conn;
}

static void give_back(struct conn *conn) {
  conn->next = free_head;
  free_head = conn_index(conn);
  free_count++;
}

void conn_free(struct conn *conn) {
  conn->state = FREE;
  conn->deadline_ms = 0;
  conn->stream = conn->listener = NULL;
  conn->fd = -1;
  if (!(conn->flags & QUEUED)) give_back(conn);
}

// ── The run queue ───────────────────────────────────────────────────────────────────────────────────────────────────

void conn_wake(struct conn *conn) {
  if (conn->state == FREE || (conn->flags & QUEUED)) return;
  conn->flags |= QUEUED;
  conn->next = CONN_NONE;
  if (run_head == CONN_NONE) run_head = conn_index(conn);
  else table[run_tail].next = conn_index(conn);
  run_tail = conn_index(conn);
}

int table_busy(void) { return run_head != CONN_NONE; }

// Who wakes itself or others meanwhile stands behind `last`, and waits for the next round.
void table_run(void (*turn)(struct conn *conn)) {
  uint32_t last = run_tail;
  for (uint32_t at = run_head; at != CONN_NONE;) {
    struct conn *conn = &table[at];
    run_head = conn->next;
    if (run_head == CONN_NONE) run_tail = CONN_NONE;
    conn_clear(conn, QUEUED);
    if (conn->state == FREE) give_back(conn);
    else turn(conn);
    if (at == last) break;
    at = run_head;
  }
}

// ── Time limits ─────────────────────────────────────────────────────────────────────────────────────────────────────

void conn_deadline(struct conn *conn, uint32_t ms) {
  conn->deadline_ms = ms == 0 ? 0 : (rw_posix_now_ms() + ms + TICK_MS - 1) / TICK_MS * TICK_MS;
  if (ms != 0 && (next_deadline_ms < 0 || conn->deadline_ms < next_deadline_ms)) next_deadline_ms = conn->deadline_ms;
}

// A look at the whole table, as far as it was ever used, when the earliest may be over.
int64_t table_expire(int64_t now, void (*expired)(struct conn *conn)) {
  if (next_deadline_ms < 0 || now < next_deadline_ms) return next_deadline_ms;
  next_deadline_ms = -1;
  for (uint32_t i = 0; i < used; i++) {
    struct conn *conn = &table[i];
    if (conn->state == FREE || conn->deadline_ms == 0) continue;
    if (conn->deadline_ms <= now) {
      conn->deadline_ms = 0;
      expired(conn);
    } else if (next_deadline_ms < 0 || conn->deadline_ms < next_deadline_ms) {
      next_deadline_ms = conn->deadline_ms;
    }
  }
  return next_deadline_ms;
}
