// Who may have a connection when there are many, and who must go first.
//
//   list     a connection that                           holds           where there are too many
//   EARLY    has not said all that it must               a slot          the oldest goes, once it has had EARLY_MS
//   IN_LINE  wants a stream, and waits for a place       a slot          it is refused after --turn-ms
//   PLACED   has a stream, or asks for one               slot and place  it keeps them
//   LATE     needs no stream any more, but to hang up    a slot          the oldest goes at once
//
// A slot is one of the table, with a descriptor: there are WAITERS more of them than places. A place stands for a
// stream. There are as many as --streams says, or fewer where the host gives no more: that is learned when it refuses
// one, and tried anew while somebody waits.
//
// Programs of the guest (OUT) and published ports (IN) have a quarter of the places each for themselves, so that
// neither takes all from the other; the rest goes to the first to come. OUT stands in line in the order of its coming.
// IN, whose clients wait in the host's backlog, posts no more.
//
// Invariant: placed[] counts who is in PLACED, by side, and asking those of them that are ASKED; a place is given
// to the first in line only. The listeners of published ports have streams beside the places: nothing counts them here.

#include "room.h"

#include <assert.h>
#include <sys/resource.h>

#include "agent.h"
#include "front.h"
#include "shortage.h"
#include "silence.h"
#include "watch.h"

static struct {
  uint32_t first, last;
} lists[LATE + 1];
static uint32_t placed[IN + 1];
static uint32_t asking;
static uint32_t host_most = UINT32_MAX; // streams for connections that the host has, as far as it is known
static int64_t raise_ms;                // no other try before
static int starved;                     // a published port has no place at all
static int for_programs;                // they may come

// ── Slots and places ────────────────────────────────────────────────────────────────────────────────────────────────

// How many descriptors there may be: as many as are wished for, or less.
static uint64_t raise_descriptors(uint64_t wish) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wish) return wish;
  struct rlimit more = {.rlim_cur = wish, .rlim_max = limit.rlim_max < wish ? wish : limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &more) == 0) return wish; // root may
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

uint32_t room_init(void) {
  for (int i = 0; i <= LATE; i++) lists[i].first = lists[i].last = CONN_NONE;
  uint32_t slots = options.streams + WAITERS;
  uint64_t descriptors = raise_descriptors(slots + DESCRIPTORS);
  if (descriptors >= slots + DESCRIPTORS) return slots + options.publishes_most;
  slots = descriptors > DESCRIPTORS + 2 * WAITERS_MIN ? (uint32_t)descriptors - DESCRIPTORS : 2 * WAITERS_MIN;
  uint32_t most = slots - (slots / 4 < WAITERS_MIN ? WAITERS_MIN : slots / 4); // a quarter is for those that wait
  if (most < options.streams) {
    say_begin();
    say_number(descriptors);
    say(" descriptors (ulimit -n) are enough for ");
    say_number(most);
    say(" connections at once, not for ");
    say_number(options.streams);
    say_end();
    options.streams = most;
  }
  return slots + options.publishes_most;
}

static uint32_t limit(void) { return options.streams < host_most ? options.streams : host_most; }

// What a side has for itself, if anybody may come from there.
static uint32_t share_of(enum side side) {
  int used = side == IN ? options.publishes_most > 0 : for_programs;
  return used ? limit() / SHARE : 0;
}

// Places that are taken, or kept for the other side.
static uint32_t taken_for(enum side side) {
  enum side other = side == OUT ? IN : OUT;
  uint32_t share = share_of(other), taken = placed[OUT] + placed[IN];
  return placed[other] < share ? taken + share - placed[other] : taken;
}

static int may(enum side side) { return taken_for(side) < limit(); }

// ── Lists ───────────────────────────────────────────────────────────────────────────────────────────────────────────

static struct conn *at(uint32_t index) { return index == CONN_NONE ? NULL : conn_at(index); }
static struct conn *first_of(enum list list) { return at(lists[list].first); }

static void link_in(struct conn *conn, enum list list, int at_front) {
  conn->list = (uint8_t)list;
  conn->before = at_front ? CONN_NONE : lists[list].last;
  conn->after = at_front ? lists[list].first : CONN_NONE;
  *(conn->before == CONN_NONE ? &lists[list].first : &conn_at(conn->before)->after) = conn_index(conn);
  *(conn->after == CONN_NONE ? &lists[list].last : &conn_at(conn->after)->before) = conn_index(conn);
}

static void link_out(struct conn *conn) {
  *(conn->before == CONN_NONE ? &lists[conn->list].first : &conn_at(conn->before)->after) = conn->after;
  *(conn->after == CONN_NONE ? &lists[conn->list].last : &conn_at(conn->after)->before) = conn->before;
  conn->list = NOWHERE;
}

// The first takes its place in its own turn, and then wakes the second.
static void wake_line(void) {
  struct conn *first = first_of(IN_LINE);
  if (first && may(OUT)) conn_wake(first);
}

static void enter(struct conn *conn, enum list list, int at_front) {
  enum list left = conn->list;
  if (left != NOWHERE) link_out(conn);
  if (list != NOWHERE) link_in(conn, list, at_front);
  if (list == PLACED) placed[conn->front->side]++;
  if (left == PLACED) placed[conn->front->side]--;
  if (left == PLACED || left == IN_LINE) wake_line();
}

void room_enter(struct conn *conn, enum list list) {
  if (conn->list != list && conn->front->side != BESIDE) enter(conn, list, 0);
}

// ── Programs: a place, or to stand in line for it ───────────────────────────────────────────────────────────────────

static void no_places(void) {
  if (!shortage_begins()) return;
  say("out of connections: ");
  if (host_most < options.streams) {
    say("the host gives no more than ");
    say_number(host_most);
  } else {
    say("programs have ");
    say_number(placed[OUT]);
    say(", published ports ");
    say_number(placed[IN]);
    say(", of ");
    say_number(options.streams);
    say(" (--streams)");
  }
  say(": others wait");
  say_end();
}

int room_take(struct conn *conn) {
  if (conn->list == PLACED || conn->front->side == BESIDE) return 1;
  room_enter(conn, IN_LINE);
  if (conn == first_of(IN_LINE) && may(OUT)) {
    room_enter(conn, PLACED);
    return 1;
  }
  if (conn->deadline_ms != 0) return 0; // it waits already
  if (!may(OUT)) {
    no_places();
    shortage_waits();
  }
  conn_deadline(conn, options.turn_ms);
  return 0;
}

void room_asks(const struct conn *conn) {
  asking += conn->front->side != BESIDE;
  silence_asks();
}

void room_answered(const struct conn *conn) {
  asking -= conn->front->side != BESIDE;
  silence_asks_no_more();
}

int room_host_full(struct conn *conn) {
  uint32_t taken = placed[OUT] + placed[IN];
  assert(asking <= taken);
  if (conn->list != PLACED || taken == asking) return 0;
  host_most = taken - asking;
  raise_ms = rw_posix_now_ms() + RAISE_MS;
  if (conn->front->side == IN) return 0; // publish.c posts one fewer
  enter(conn, IN_LINE, 1);
  no_places();
  shortage_waits();
  conn_deadline(conn, options.turn_ms);
  return 1;
}

// All that the host gives are taken; not only those that are kept for others.
static int host_is_limit(void) { return host_most < options.streams && placed[OUT] + placed[IN] >= host_most; }

// A little at a time: a host that still gives no more says so once.
static void raise_limit(int64_t now) {
  host_most += 1 + host_most / 8;
  raise_ms = now + RAISE_MS;
}

void room_for_programs(void) { for_programs = 1; }

void room_up(void) {
  host_most = UINT32_MAX;
  for (struct conn *conn = first_of(IN_LINE); conn; conn = at(conn->after)) conn_deadline(conn, options.turn_ms);
}

// ── Published ports: how many may be posted ─────────────────────────────────────────────────────────────────────────

void room_posting(void) { starved = 0; }

// While programs wait, published ports have no more than their share.
int room_may_post(uint32_t posted) {
  if (host_is_limit() && rw_posix_now_ms() >= raise_ms + SPARE_MS) raise_limit(rw_posix_now_ms());
  if (may(IN) && (!first_of(IN_LINE) || placed[IN] < share_of(IN))) return 1;
  if (posted > 0) return 0;
  starved = 1;
  no_places();
  return 0;
}

uint32_t room_surplus(void) {
  uint32_t taken = taken_for(IN);
  return taken > limit() ? taken - limit() : 0;
}

// ── Slots for those that come ───────────────────────────────────────────────────────────────────────────────────────

int64_t room_yields_ms(void) {
  const struct conn *oldest = first_of(EARLY);
  if (first_of(LATE)) return 0;
  if (!oldest) return -1;
  uint32_t early_ms = options.handshake_ms < EARLY_MS ? options.handshake_ms : EARLY_MS;
  return oldest->deadline_ms - options.handshake_ms + early_ms;
}

struct conn *room_yields(void) {
  int64_t due_ms = room_yields_ms();
  if (due_ms < 0 || rw_posix_now_ms() < due_ms) return NULL;
  if (first_of(LATE)) return first_of(LATE);
  if (shortage_begins()) {
    say("too many connections that do not say what they want: the oldest are ended");
    say_end();
  }
  shortage_ended();
  return first_of(EARLY);
}

int64_t room_tick(int64_t now) {
  int waits = first_of(IN_LINE) || starved;
  int64_t next = shortage_tick(now, waits);
  if (!waits || !host_is_limit()) return next;
  if (now >= raise_ms) {
    raise_limit(now);
    wake_line();
  }
  return next < 0 || raise_ms < next ? raise_ms : next;
}
